"""Families of encoders: each is trained, resumed, saved, exported, and loaded elsewhere.

Each is built small and learns eight questions by heart. The results have to be those of the table
in docs/models.md.
"""

import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from conftest import DATA
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForQuestionAnswering

from mrc.checkpoint.loading import load_checkpoint
from mrc.commands import evaluate, train
from mrc.config.export import ExportConfig
from mrc.data.loading import load_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError
from mrc.export.folder import export_onnx
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.baseline import BaselineModel
from mrc.model.loading import load_model
from mrc.model.pretrained import load_config
from mrc.model.question_answering import QuestionAnsweringModel

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
ROBERTA = {**SIZE, "max_position_embeddings": 130, "type_vocab_size": 1}
SEQ2SEQ = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 128,
}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
# Name in the table -> model type, tokenizer of its kind (conftest), configuration.
FAMILIES = {
    "BERT": ("bert", "bert-cased", {**SIZE, "max_position_embeddings": 128}),
    "ELECTRA": (
        "electra",
        "bert-uncased",
        {**SIZE, "embedding_size": 16, "max_position_embeddings": 128},
    ),
    "RoBERTa": ("roberta", "roberta", ROBERTA),
    "XLM-RoBERTa": ("xlm-roberta", "xlm-r", ROBERTA),
    "CamemBERT": ("camembert", "xlm-r", ROBERTA),
    "DistilBERT": (
        "distilbert",
        "bert-cased",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 128},
    ),
    "ALBERT": (
        "albert",
        "albert",
        {**SIZE, "embedding_size": 32, "hidden_size": 64, "max_position_embeddings": 128},
    ),
    "DeBERTa": (
        "deberta",
        "roberta",
        {
            **SIZE,
            "max_position_embeddings": 128,
            "relative_attention": True,
            "pos_att_type": "c2p|p2c",
        },
    ),
    "DeBERTa v2, v3": (
        "deberta-v2",
        "albert",
        {
            **SIZE,
            "max_position_embeddings": 128,
            "relative_attention": True,
            "type_vocab_size": 0,
            "pos_att_type": "c2p|p2c",
            "position_biased_input": False,
        },
    ),
    "ModernBERT": (
        "modernbert",
        "modernbert",
        {
            **SIZE,
            "max_position_embeddings": 128,
            "local_attention": 32,
            "global_attn_every_n_layers": 2,
        },
    ),
    "MPNet": ("mpnet", "roberta", {**SIZE, "max_position_embeddings": 130}),
    "BigBird": (
        "big_bird",
        "bert-cased",
        {**SIZE, "max_position_embeddings": 128, "attention_type": "original_full"},
    ),
    "Longformer": ("longformer", "roberta", {**ROBERTA, "attention_window": 32}),
    "Funnel": (
        "funnel",
        "bert-uncased",
        {
            "block_sizes": [1, 1],
            "num_decoder_layers": 1,
            "d_model": 32,
            "n_head": 2,
            "d_head": 16,
            "d_inner": 64,
        },
    ),
    "XLNet": ("xlnet", "xlnet", {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}),
    "T5 (its encoder)": ("t5", "t5", T5),
    "mT5 (its encoder)": ("mt5", "t5", T5),
    "BART (its encoder)": ("bart", "roberta", SEQ2SEQ),
}
# F1 on the eight questions: all families reach 100, but ALBERT, whose layers are one, sometimes
# forgets a question.
BY_HEART = 75
SPECIALS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")


def make_folder(folder, model_type, tokenizer, settings):
    """A folder as the hub has them, with random weights."""
    torch.manual_seed(0)
    specials = {name: getattr(tokenizer, name) for name in SPECIALS}
    config = AutoConfig.for_model(model_type, vocab_size=len(tokenizer), **specials, **settings)
    # Funnel has two kinds of models.
    config.architectures = ["FunnelModel"] if model_type == "funnel" else [None]
    model = AutoModel.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def table():
    """The rows of the page's table: family -> {column: cell}."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text("utf-8").splitlines()
        if line.startswith("|")
    ]
    header = next(row for row in rows if row[0] == "family")
    return {row[0]: dict(zip(header, row, strict=True)) for row in rows if row[0] in FAMILIES}


def test_the_table_has_every_family():
    assert list(table()) == list(FAMILIES)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family(family, tokenizers, tmp_path, monkeypatch, capsys):
    model_type, kind, settings = FAMILIES[family]
    monkeypatch.chdir(tmp_path)
    folder = make_folder(tmp_path / "encoder", model_type, tokenizers[kind], settings)
    write_squad(
        (load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json"))[:8],
        tmp_path / "eight.json",
    )
    train.main(
        [
            str(a)
            for a in (
                "--model",
                folder,
                "--train-file",
                "eight.json",
                "--validation-file",
                "eight.json",
                "--max-length",
                128,
                "--stride",
                32,
                "--batch-size",
                8,
                "--dropout",
                0,
                "--learning-rate",
                5e-3,
                "--max-steps",
                160,
                "--eval-every",
                160,
                "--save-every",
                155,
                "--keep",
                1,
                "--max-answer-length",
                64,
                "--output-dir",
                "run",
            )
        ]
    )
    metrics = json.loads(Path("run/metrics.json").read_text())
    _, tokenizer, _ = load_checkpoint("run/best")
    dataset = FeatureDataset(
        load_examples("eight.json"),
        tokenizer,
        WindowSettings(max_length=128, stride=32),
    )
    row = {"trains": "yes" if metrics["f1"] >= BY_HEART else f"to F1 {metrics['f1']:.0f}"}

    weights = Path("run/last/model.safetensors").read_bytes()
    train.main(["--resume", "run/step-155"])
    row["resumes"] = "yes" if Path("run/last/model.safetensors").read_bytes() == weights else "no"

    evaluate.main(["--checkpoint", "run"])
    assert json.loads(Path("run/best-on-eight/metrics.json").read_text())["f1"] == metrics["f1"]

    # Exporting compares the logits.
    row["exports"] = "yes"
    failure = ""
    try:
        export_onnx(ExportConfig(checkpoint="run/best", out="onnx"))
    except InputError as error:
        row["exports"] = "no"
        failure = str(error)
    assert row["exports"] == "yes" or "this reader cannot be exported" in failure

    model, _, _ = load_checkpoint("run/best")
    batch = {
        name: torch.from_numpy(value)
        for name, value in dataset.batch([0, 1]).items()
        if not name.endswith("positions")
    }
    architecture = json.loads(Path("run/best/config.json").read_text())["architectures"][0]
    row["loads as"] = "—"
    if architecture != "BaselineModel":
        theirs, info = AutoModelForQuestionAnswering.from_pretrained(
            "run/best", output_loading_info=True
        )
        assert not info["missing_keys"]
        assert not info["unexpected_keys"]
        with torch.no_grad():
            given = {
                name: value
                for name, value in batch.items()
                if name != "token_type_ids" or model.takes_token_types
            }
            expected = theirs.eval()(**given)
            ours = model.eval()(**batch)
        kept = batch["attention_mask"] == 1
        for logits, name in zip(ours, ("start_logits", "end_logits"), strict=True):
            torch.testing.assert_close(logits[kept], expected[name][kept], atol=1e-5, rtol=1e-5)
        row["loads as"] = f"`{architecture}`"
    found = table()[family]
    assert {name: found[name] for name in row} == row


# Hugging Face's own models with heads that are more than a linear layer.
QA_MODELS = {
    "ModernBERT": "ModernBertForQuestionAnswering",
    "BigBird": "BigBirdForQuestionAnswering",
    "BART (its encoder)": "BartForQuestionAnswering",
    "T5 (its encoder)": "T5ForQuestionAnswering",
}


@pytest.mark.parametrize("family", QA_MODELS)
def test_a_question_answering_model_keeps_its_own_head(family, tokenizers, tmp_path):
    model_type, kind, settings = FAMILIES[family]
    tokenizer = tokenizers[kind]
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(tokenizer),
        **{name: getattr(tokenizer, name) for name in SPECIALS},
        **settings,
    )
    config.decoder_start_token_id = config.pad_token_id if config.is_encoder_decoder else None
    torch.manual_seed(0)
    theirs = getattr(transformers, QA_MODELS[family])(config).eval()
    theirs.save_pretrained(tmp_path / "qa")
    tokenizer.save_pretrained(tmp_path / "qa")
    model, _, settings = load_checkpoint(tmp_path / "qa")
    assert type(model) is QuestionAnsweringModel
    assert not model.head_is_new
    assert settings == {}
    dataset = FeatureDataset(
        load_examples(DATA / "squad.json"),
        tokenizer,
        WindowSettings(max_length=128, stride=32),
    )
    batch = {
        name: torch.from_numpy(value)
        for name, value in dataset.batch([0, 3]).items()
        if not name.endswith("positions")
    }
    with torch.no_grad():
        start, end = model.eval()(**batch)
        expected = theirs(**{name: batch[name] for name in batch if name in model.inputs})
        torch.testing.assert_close(start, expected.start_logits)
        torch.testing.assert_close(end, expected.end_logits)
        # As the contract has it.
        assert torch.equal(
            model(batch["input_ids"], batch["attention_mask"])[0].isfinite(), start.isfinite()
        )
    (tmp_path / "saved").mkdir()
    model.save_pretrained(tmp_path / "saved")
    again = AutoModelForQuestionAnswering.from_pretrained(tmp_path / "saved").eval()
    with torch.no_grad():
        torch.testing.assert_close(
            again(**{name: batch[name] for name in batch if name in model.inputs}).start_logits,
            start,
        )
    # Another head on its encoder.
    assert isinstance(load_model(tmp_path / "qa", head="mlp"), BaselineModel)


def test_longformer_attends_globally_to_the_question(tokenizers, tmp_path):
    model_type, kind, settings = FAMILIES["Longformer"]
    model = BaselineModel.from_pretrained(
        make_folder(tmp_path, model_type, tokenizers[kind], settings)
    ).eval()
    ids = torch.tensor(
        [tokenizers[kind]("When was it built?", "It was built in 1784 by hand.")["input_ids"]]
    )
    given = {}
    model.encoder.register_forward_pre_hook(
        lambda module, args, kwargs: given.update(kwargs), with_kwargs=True
    )
    model(ids)
    question = given["global_attention_mask"][0]
    first = ids[0].tolist().index(tokenizers[kind].sep_token_id)
    assert question.tolist() == [1] * first + [0] * (ids.shape[1] - first)


def test_a_vocabulary_that_counts_padding_otherwise_is_refused(tokenizers, tmp_path):
    model = BaselineModel.from_pretrained(
        make_folder(tmp_path, "roberta", tokenizers["roberta"], ROBERTA)
    )
    model.check_fits(tokenizers["roberta"], 128)
    with pytest.raises(
        InputError,
        match="pads with token 3 and the model knows padding as token 1: they do not belong",
    ):
        model.check_fits(tokenizers["modernbert"], 128)


@pytest.mark.parametrize(
    ("model_type", "expected"),
    [
        (
            "bert",
            {
                "hidden_dropout_prob": 0.3,
                "attention_probs_dropout_prob": 0.2,
                "classifier_dropout": None,
            },
        ),
        (
            "distilbert",
            {
                "dropout": 0.3,
                "attention_dropout": 0.2,
                "qa_dropout": 0.1,
                "seq_classif_dropout": 0.2,
            },
        ),
        (
            "bart",
            {
                "dropout": 0.3,
                "attention_dropout": 0.2,
                "activation_dropout": 0.0,
                "encoder_layerdrop": 0.0,
            },
        ),
        (
            "gpt2",
            {
                "attn_pdrop": 0.2,
                "resid_pdrop": 0.3,
                "embd_pdrop": 0.3,
                "summary_first_dropout": 0.1,
            },
        ),
        ("t5", {"dropout_rate": 0.3, "classifier_dropout": 0.0}),
        (
            "modernbert",
            {
                "attention_dropout": 0.2,
                "mlp_dropout": 0.3,
                "embedding_dropout": 0.3,
                "classifier_dropout": 0.0,
            },
        ),
    ],
)
def test_dropouts_are_found_under_whatever_name(model_type, expected, tmp_path):
    AutoConfig.for_model(model_type).save_pretrained(tmp_path)
    config, _ = load_config(tmp_path, dropout=0.3, attention_dropout=0.2)
    assert {name: getattr(config, name) for name in expected} == expected


def test_adapters_are_trained_resumed_and_merged(encoder_folder, tmp_path, monkeypatch):
    pytest.importorskip("peft", reason="needs the extra lora")
    monkeypatch.chdir(tmp_path)
    argv = [
        str(a)
        for a in (
            "--model",
            encoder_folder,
            "--train-file",
            DATA / "squad.json",
            "--max-length",
            64,
            "--stride",
            16,
            "--lora-rank",
            2,
            "--max-steps",
            6,
            "--save-every",
            1,
            "--keep",
            9,
            "--batch-size",
            4,
            "--learning-rate",
            1e-2,
        )
    ]
    train.main([*argv, "--output-dir", "whole"])
    train.main([*argv, "--output-dir", "half"])
    train.main(["--resume", "half/step-3"])
    weights = [Path(run, "last", "model.safetensors").read_bytes() for run in ("whole", "half")]
    assert weights[0] == weights[1]
    merged, _, _ = load_checkpoint("whole/best")
    base = BaselineModel.from_pretrained(encoder_folder)
    changed = {
        re.sub(r"\d+", "N", name)
        for (name, a), (_, b) in zip(
            merged.encoder.state_dict().items(), base.encoder.state_dict().items(), strict=True
        )
        if not torch.equal(a, b)
    }
    assert changed
    assert all(
        name.endswith("weight") and "embeddings" not in name and "LayerNorm" not in name
        for name in changed
    )
    AutoModelForQuestionAnswering.from_pretrained("whole/best")
    millions = sum(parameter.numel() for parameter in merged.parameters()) / 1e6
    assert f" {millions:.1f}M parameters" in Path("whole/best/README.md").read_text()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--lora-rank", 2), "adapts a pretrained encoder"),
        (("--lora-rank", 2, "--model", "x", "--ema-decay", 0.9), "--lora-rank and --ema-decay"),
    ],
)
def test_adapters_that_make_no_sense_are_refused(argv, message):
    with pytest.raises(InputError, match=message):
        train.main([str(a) for a in argv])


OWN_CODE = """
import torch
from transformers import BertConfig, BertModel, PretrainedConfig, PreTrainedModel


class OwnConfig(PretrainedConfig):
    model_type = "own-encoder"

    def __init__(self, vocab_size=50, hidden_size=8, **settings):
        super().__init__(**settings)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size


class OwnEncoder(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.words

    def forward(self, input_ids, attention_mask=None):
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=self.words(input_ids))
"""


@pytest.fixture
def own_code_folder(tmp_path, bert, monkeypatch):
    """A checkpoint that brings the code of its encoder, as repositories on the hub do."""
    # Where Transformers copies such code.
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "c"))
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "modeling_own.py").write_text(OWN_CODE)
    config = {
        "model_type": "own-encoder",
        "vocab_size": len(bert),
        "hidden_size": 8,
        "auto_map": {
            "AutoConfig": "modeling_own.OwnConfig",
            "AutoModel": "modeling_own.OwnEncoder",
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    weights = {"words.weight": torch.randn(len(bert), 8)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    bert.save_pretrained(folder)
    return folder


def test_code_of_a_checkpoint_is_run_when_asked(own_code_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = load_model(own_code_folder, trust_remote_code=True)
    weights = load_file(own_code_folder / "model.safetensors")["words.weight"]
    assert torch.equal(model.encoder.words.weight, weights)
    assert type(model.encoder).__name__ == "OwnEncoder"

    data = ["--train-file", str(DATA / "squad.json"), "--validation-file", str(DATA / "squad.json")]
    size = ["--max-length", "64", "--stride", "16", "--max-steps", "2"]
    argv = ["--model", str(own_code_folder), *data, *size, "--output-dir", "run"]
    with pytest.raises(InputError, match="--trust-remote-code"):
        train.main(argv)
    train.main([*argv, "--trust-remote-code"])
    with pytest.raises(InputError, match="--trust-remote-code"):
        evaluate.main(["--checkpoint", "run"])
    evaluate.main(["--checkpoint", "run", "--trust-remote-code"])
    trained = json.loads(Path("run/metrics.json").read_text())
    scored = json.loads(Path("run/best-on-squad/metrics.json").read_text())
    assert trained["f1"] == scored["f1"]


def test_code_of_a_checkpoint_is_not_run_unasked(own_code_folder):
    ran = own_code_folder / "ran"
    with open(own_code_folder / "modeling_own.py", "a") as code:
        code.write(f"open({str(ran)!r}, 'w')\n")
    with pytest.raises(InputError, match="read the code, and allow it with --trust-remote-code"):
        load_model(own_code_folder)
    assert not ran.exists()


def test_pickled_weights_are_read_only_when_asked(encoder_folder, tmp_path):
    model = BaselineModel.from_pretrained(encoder_folder)
    model.encoder.save_pretrained(tmp_path)
    torch.save(model.encoder.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"pickled, .*allow it with --allow-pickle"):
        load_model(tmp_path)
    read = load_model(tmp_path, allow_pickle=True)
    torch.testing.assert_close(read.encoder.state_dict(), model.encoder.state_dict())
