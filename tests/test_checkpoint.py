"""A checkpoint is whole or not there, and a run's folder is found and kept."""

import json
import shutil

import pytest
import torch
from safetensors import SafetensorError
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from mrc.checkpoint.loading import find_checkpoint, load_checkpoint
from mrc.checkpoint.store import save_checkpoint
from mrc.commands.results import results_folder
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.baseline import BaselineModel
from mrc.model.pretrained import longest_input
from mrc.model.tokenizer import train_tokenizer
from mrc.training.run_folder import check_not_a_run, new_run_folder


def test_saved_and_loaded(encoder_folder, bert, examples, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder)
    save_checkpoint(tmp_path / "one", model, bert, {"epoch": 3})
    again, tokenizer, settings = load_checkpoint(tmp_path / "one")
    assert settings["epoch"] == 3
    assert settings["mrc_version"]
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=False)
    )
    assert [p.name for p in tmp_path.iterdir()] == ["one"]
    ours = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))
    theirs = FeatureDataset(examples, tokenizer, WindowSettings(max_length=64, stride=16))
    assert all((ours[i]["input_ids"] == theirs[i]["input_ids"]).all() for i in range(len(ours)))


def test_the_tiny_tokenizer_survives_as_hugging_face_reads_it(texts, examples, tmp_path):
    tokenizer = train_tokenizer(texts, min_frequency=5)
    model = BaselineModel.tiny(len(tokenizer))
    save_checkpoint(tmp_path / "tiny", model, tokenizer, {})
    theirs = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    for example in examples:
        assert theirs(example.question, example.context) == tokenizer(
            example.question, example.context
        )
    batch = {
        n: torch.from_numpy(a)
        for n, a in FeatureDataset(
            examples,
            tokenizer,
            WindowSettings(max_length=64, stride=16, mark_exact_match=True),
        )
        .batch(range(5))
        .items()
    }
    inputs = [batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]]
    hugging_face = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "tiny").eval()
    torch.testing.assert_close(
        model.eval()(*inputs)[0], hugging_face(*inputs).start_logits, atol=1e-5, rtol=0
    )


def fails_with(error):
    """Return a function that fails, whatever it is given."""

    def call(*arguments, **named):
        raise error

    return call


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("mrc.checkpoint.store.write_json", fails_with(FULL)),
        (
            "mrc.model.pretrained.save_file",
            fails_with(SafetensorError("I/O error: No space left on device")),
        ),
        ("mrc.checkpoint.store.move_away", fails_with(FULL)),
        ("mrc.checkpoint.store.move_into_place", fails_with(FULL)),
    ],
)
def test_a_failed_save_leaves_the_earlier_one_whole(
    encoder_folder, bert, tmp_path, monkeypatch, place, error
):
    model = BaselineModel.from_pretrained(encoder_folder)
    save_checkpoint(tmp_path / "one", model, bert, {"epoch": 1})
    with monkeypatch.context() as failing:
        failing.setattr(place, error)
        with pytest.raises(InputError, match="No space left on device"):
            save_checkpoint(tmp_path / "one", model, bert, {"epoch": 2})
    assert load_checkpoint(tmp_path / "one")[2]["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_an_encoder_is_no_reader(encoder_folder):
    with pytest.raises(InputError, match="without a question-answering head"):
        load_checkpoint(encoder_folder)


def test_a_runs_folder_means_its_best(tmp_path, encoder_folder):
    (tmp_path / "run" / "best").mkdir(parents=True)
    assert find_checkpoint(tmp_path / "run") == tmp_path / "run" / "best"
    assert find_checkpoint(encoder_folder) == encoder_folder
    assert find_checkpoint("someone/some-model") == "someone/some-model"
    with pytest.raises(InputError, match=r"holds no config\.json"):
        find_checkpoint(tmp_path)
    new_run_folder(tmp_path / "new", "x")
    with pytest.raises(InputError, match="no best checkpoint yet"):
        find_checkpoint(tmp_path / "new")
    with pytest.raises(InputError, match=r"new: is a run's folder; its reader is .*new/best"):
        check_not_a_run(str(tmp_path / "new"))
    check_not_a_run(str(encoder_folder))
    check_not_a_run("someone/some-model")


def test_a_run_that_died_between_two_renames_still_has_its_best(tmp_path, encoder_folder, bert):
    model = BaselineModel.from_pretrained(encoder_folder)
    save_checkpoint(tmp_path / "best", model, bert, {"epoch": 1})
    (tmp_path / "best").rename(tmp_path / ".best.old")
    assert load_checkpoint(find_checkpoint(tmp_path))[2]["epoch"] == 1
    save_checkpoint(tmp_path / "best", model, bert, {"epoch": 2})
    assert load_checkpoint(find_checkpoint(tmp_path))[2]["epoch"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_run_folders_are_never_taken_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(new_run_folder(None, "tiny-sample")) for _ in range(3)] == [
        f"checkpoints/tiny-sample{n}" for n in ("", "-2", "-3")
    ]
    (tmp_path / "mine").mkdir()
    # An empty folder is fine.
    assert new_run_folder("mine", "x").name == "mine"
    with pytest.raises(
        InputError, match="mine: holds a run already; continue it with --resume auto, or choose"
    ):
        new_run_folder("mine", "x")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        new_run_folder("file", "x")


def test_results_go_beside_the_checkpoint(tmp_path):
    (tmp_path / "best").mkdir()
    assert (
        results_folder(None, tmp_path / "best", "data/KorQuAD_v1.0_dev.json")
        == tmp_path / "best-on-KorQuAD_v1.0_dev"
    )
    assert (
        results_folder(None, tmp_path / "best", "data/KorQuAD_v1.0_dev.json")
        == tmp_path / "best-on-KorQuAD_v1.0_dev-2"
    )
    assert (
        results_folder(None, tmp_path / "best", "sample:ko,en") == tmp_path / "best-on-sample-ko-en"
    )
    assert results_folder(tmp_path / "there", tmp_path / "best", "x") == tmp_path / "there"
    (tmp_path / "there" / "model.safetensors").touch()
    with pytest.raises(InputError, match="is a checkpoint"):
        results_folder(tmp_path / "there", tmp_path / "best", "x")


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_folder_cannot_name_attention_to_download(encoder_folder, tmp_path, key):
    """Transformers would fetch such a repository, and run what is in it."""
    folder = tmp_path / "encoder"
    shutil.copytree(encoder_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, key: "somebody/kernels"}))
    for load in (BaselineModel.from_pretrained, longest_input):
        with pytest.raises(InputError, match="asks for the attention 'somebody/kernels'"):
            load(folder)
    (folder / "config.json").write_text(json.dumps({**config, key: "eager"}))
    BaselineModel.from_pretrained(folder)
