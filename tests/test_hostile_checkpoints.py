"""A checkpoint that is damaged, or was made to do harm, ends in one sentence."""

import json
import shutil

import pytest

from mrc import Reader
from mrc.checkpoint.store import save_checkpoint
from mrc.config.train import TrainConfig
from mrc.errors import InputError
from mrc.model.baseline import BaselineModel
from mrc.model.tokenizer import train_tokenizer

QUESTION = "Who built the mill?"
CONTEXT = "The mill was built in 1784 by Harrow."


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small reader as training saves it, without the manifest that would show each change."""
    folder = tmp_path_factory.mktemp("reader") / "reader"
    tokenizer = train_tokenizer([QUESTION, CONTEXT] * 3)
    model = BaselineModel.tiny(len(tokenizer))
    save_checkpoint(folder, model, tokenizer, {"config": TrainConfig().to_dict(), "processes": 1})
    (folder / "manifest.json").unlink()
    return folder


def written(name, text):
    """Put a text in place of a file."""

    def change(folder):
        (folder / name).write_text(text, "utf-8")

    return change


def with_keys(name, **keys):
    """Change keys of a JSON file."""

    def change(folder):
        path = folder / name
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **keys}), "utf-8")

    return change


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def a_header_that_lies(folder):
    (folder / "model.safetensors").write_bytes((2**60).to_bytes(8, "little") + b"{}")


def weights_from_elsewhere(folder):
    no_weights(folder)
    index = {"metadata": {}, "weight_map": {"a": "../../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def tokenizer_with(part, value):
    return with_keys("tokenizer.json", **{part: value})


TEXTS_DROPPED = {"type": "Replace", "pattern": {"Regex": "."}, "content": ""}
NO_CHARACTER_MAP = {"type": "Precompiled", "precompiled_charsmap": "AAAA"}


def template(*sequences, token_type=0):
    pair = [{"Sequence": {"id": name, "type_id": token_type}} for name in sequences]
    single = [{"Sequence": {"id": "A", "type_id": token_type}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (written("config.json", "[]"), r"config\.json: holds list instead of a JSON object"),
        (written("config.json", "null"), r"config\.json: holds NoneType instead of"),
        (written("config.json", "{"), r"config\.json: broken JSON at line 1"),
        (with_keys("config.json", architectures=[1]), r"gives the architectures \[1\]"),
        (with_keys("config.json", architectures=["CustomModel"]), "lacks the model_class"),
        (with_keys("config.json", pad_token_id=10**6), "no model can be made from"),
        (with_keys("config.json", hidden_act="nope"), r"no model can be made .*KeyError: 'nope'"),
        (with_keys("config.json", hidden_size=0), "no model can be made from"),
        (with_keys("config.json", hidden_size=-4), "no model can be made from"),
        (with_keys("config.json", num_attention_heads=3), "no model can be made from"),
        (with_keys("config.json", num_hidden_layers=10**6), "asks for 1000000 layers; 1000 are"),
        (with_keys("config.json", type_vocab_size=2), ""),
        (with_keys("config.json", model_type="nope"), ""),
        (written("model.safetensors", ""), ""),
        (a_header_that_lies, ""),
        (no_weights, ""),
        (weights_from_elsewhere, ""),
        (tokenizer_with("normalizer", TEXTS_DROPPED), "makes no token of a question or of a"),
        (tokenizer_with("normalizer", NO_CHARACTER_MAP), ""),
        (tokenizer_with("post_processor", template("A")), "makes no token of a question"),
        (tokenizer_with("post_processor", template("B")), "makes no token of a question"),
        (
            tokenizer_with("post_processor", template("A", "B", token_type=7)),
            "the features have 8 token types and the model 3",
        ),
        (written("tokenizer.json", "[]"), ""),
        (with_keys("tokenizer_config.json", model_max_length="a"), "which is no number"),
        (written("mrc.json", "[]"), r"mrc\.json: holds list instead of a JSON object"),
        (with_keys("mrc.json", config=1), "its config is 1, and no JSON object"),
    ],
)
def test_one_sentence(whole, tmp_path, change, message):
    folder = tmp_path / "reader"
    shutil.copytree(whole, folder)
    change(folder)
    with pytest.raises(InputError, match=message):
        Reader.from_pretrained(folder)(question=QUESTION, context=CONTEXT)


def test_code_that_a_folder_names_is_not_run(whole, tmp_path):
    folder = tmp_path / "reader"
    shutil.copytree(whole, folder)
    (folder / "canary.py").write_text("raise SystemExit('imported')")
    with_keys("config.json", auto_map={"AutoConfig": "canary.Config", "AutoModel": "canary.M"})(
        folder
    )
    settings = json.loads((folder / "mrc.json").read_text())
    with_keys("mrc.json", config={**settings["config"], "model_class": "canary:Model"})(folder)
    assert Reader.from_pretrained(folder)(question=QUESTION, context=CONTEXT)["answer"] in CONTEXT
