"""An exported reader gives PyTorch's logits in every shape; what cannot be exported is refused."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import DATA
from torch import nn
from transformers import (
    AlbertConfig,
    AutoModel,
    BartConfig,
    BertConfig,
    BigBirdConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    FunnelConfig,
    LongformerConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
    XLNetConfig,
)

import mrc.__main__
from mrc.checkpoint.loading import load_checkpoint
from mrc.checkpoint.store import save_checkpoint
from mrc.commands import evaluate
from mrc.config.export import ExportConfig
from mrc.config.train import TrainConfig
from mrc.data.loading import load_examples
from mrc.errors import InputError, command_line
from mrc.export.folder import export_onnx
from mrc.export.onnx import TOLERANCE, OnnxReader, quantize, to_onnx, write_graph
from mrc.export.probe import largest_difference, probe
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.evaluation import evaluate as score
from mrc.metrics.metrics import Metrics
from mrc.model.baseline import BaselineModel

ROOT = Path(__file__).parents[1]
WIDTH = {
    "vocab_size": 1000,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
BIG = {**WIDTH, "max_position_embeddings": 130}
OTHER_NAMES = {"vocab_size": 1000, "d_model": 32}
# Name -> (the encoder's config, the name of a tokenizer of its kind).
FAMILIES = {
    "bert": (BertConfig(**BIG), "bert-cased"),
    "roberta": (RobertaConfig(**BIG, type_vocab_size=1), "roberta"),
    "xlm-r": (XLMRobertaConfig(**BIG, type_vocab_size=1), "xlm-r"),
    "distilbert": (
        DistilBertConfig(
            vocab_size=1000,
            dim=32,
            n_layers=2,
            n_heads=2,
            hidden_dim=64,
            max_position_embeddings=128,
        ),
        "bert-uncased",
    ),
    "electra": (ElectraConfig(**BIG, embedding_size=16), "bert-uncased"),
    "albert": (AlbertConfig(**BIG, embedding_size=16), "albert"),
    "deberta-v2": (
        DebertaV2Config(
            **BIG,
            relative_attention=True,
            pos_att_type=["p2c", "c2p"],
            position_buckets=16,
            type_vocab_size=0,
            norm_rel_ebd="layer_norm",
            share_att_key=True,
            position_biased_input=False,
        ),
        "xlm-r",
    ),
    "modernbert": (
        ModernBertConfig(
            **BIG,
            local_attention=8,
            global_attn_every_n_layers=2,
            pad_token_id=3,
            cls_token_id=1,
            sep_token_id=2,
            bos_token_id=1,
            eos_token_id=2,
        ),
        "modernbert",
    ),
    "mpnet": (MPNetConfig(**BIG), "roberta"),
    "bigbird": (BigBirdConfig(**BIG, attention_type="original_full"), "albert"),
    "t5": (T5Config(**OTHER_NAMES, d_kv=16, d_ff=64, num_layers=2, num_heads=2), "t5"),
    "bart": (
        BartConfig(
            **OTHER_NAMES,
            encoder_layers=2,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_position_embeddings=128,
        ),
        "roberta",
    ),
    "xlnet": (XLNetConfig(**OTHER_NAMES, n_layer=2, n_head=2, d_inner=64), "xlnet"),
}


def reader_of(config):
    """A reader from random weights that are large enough for an error to show."""
    torch.manual_seed(0)
    encoder = AutoModel.from_config(config)
    model = BaselineModel(encoder.get_encoder() if config.is_encoder_decoder else encoder)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(5)
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_families(family, tokenizers, examples, tmp_path):
    path = tmp_path / "model.onnx"
    config = FAMILIES[family][0]
    tokenizer = tokenizers[FAMILIES[family][1]]
    model = reader_of(config)
    report = to_onnx(model, tokenizer, path, longest=128)
    reader = OnnxReader(path)
    assert report["largest_difference"] <= 1e-4
    assert report["inputs"] == reader.takes
    assert [d.dim_param for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim] == [
        "batch",
        "length",
    ]
    # Real windows, of lengths and in batches that no probe had, through the project's own scoring.
    dataset = FeatureDataset(examples, tokenizer, WindowSettings(max_length=100, stride=20))
    ours, theirs = Metrics(dataset), Metrics(dataset)
    expected = score(model, ours, batch_size=7)
    scores = score(reader, theirs, batch_size=5)
    assert scores.pop("eval_loss") == pytest.approx(expected.pop("eval_loss"), rel=1e-4)
    assert scores == expected
    assert ours.predictions == theirs.predictions
    for identity, spans in ours.n_best.items():
        np.testing.assert_allclose(
            [s["start_logit"] for s in spans],
            [s["start_logit"] for s in theirs.n_best[identity]],
            atol=1e-4,
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        LongformerConfig(**BIG, attention_window=8),
        FunnelConfig(
            **OTHER_NAMES,
            d_inner=64,
            n_head=2,
            d_head=16,
            block_sizes=[1, 1],
            architectures=["FunnelModel"],
        ),
    ],
    ids=["longformer", "funnel"],
)
def test_families_that_compute_with_the_length_are_refused(config, tokenizers, tmp_path):
    with pytest.raises(
        InputError, match=r"this reader cannot be exported \(torch\.export: .*; tracing: "
    ):
        to_onnx(reader_of(config), tokenizers["roberta"], tmp_path / "model.onnx", longest=128)


class ByLength(nn.Module):
    """A model that computes something else for long inputs, so an exporter sees one branch only."""

    def __init__(self, reader):
        super().__init__()
        self.reader = reader

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        start, end = self.reader(input_ids, attention_mask, token_type_ids)
        return (start, end) if input_ids.shape[1] < 60 else (2 * start, end)


@pytest.mark.slow
def test_a_graph_that_holds_on_to_a_shape_is_refused(bert, encoder_folder, tmp_path):
    model = ByLength(BaselineModel.from_pretrained(encoder_folder)).eval()
    with pytest.raises(
        InputError, match=r"tracing: its logits differ by .*, and 0\.001 is allowed"
    ):
        to_onnx(model, bert, tmp_path / "model.onnx", longest=128)


def test_other_outputs_than_two_logits_a_token_are_refused(bert, encoder_folder, tmp_path):
    class Three(ByLength):
        def forward(self, input_ids, attention_mask, token_type_ids=None):
            return *self.reader(input_ids, attention_mask, token_type_ids), input_ids

    with pytest.raises(InputError, match="does not return one start logit and one end logit"):
        to_onnx(
            Three(BaselineModel.from_pretrained(encoder_folder)).eval(),
            bert,
            tmp_path / "model.onnx",
            longest=128,
        )


def test_probes_are_inputs_as_the_reader_gets_them(tokenizer):
    model = reader_of(BertConfig(**BIG))
    for batch, length in ((1, 9), (5, 31), (3, 128)):
        inputs = probe(model, tokenizer, batch, length)
        ids = inputs["input_ids"]
        mask = inputs["attention_mask"]
        assert ids.shape == mask.shape == (batch, length)
        assert mask[0].all()
        assert ids.max() < len(tokenizer)
        assert (ids[mask == 0] == tokenizer.pad_token_id).all()
        assert batch == 1 or not mask.all()
        assert ("token_type_ids" in inputs) == ("token_type_ids" in tokenizer.model_input_names)
        # A probe has the tokenizer's own special tokens, in its order.
        kept = ids[-1][mask[-1] == 1].tolist()
        specials = [i for i in tokenizer("a", "a")["input_ids"] if i in tokenizer.all_special_ids]
        assert [i for i in kept if i in tokenizer.all_special_ids] == specials


@pytest.mark.slow
def test_marks_of_exact_matches_are_probed_and_large_weights_lie_beside(
    tokenizers, tmp_path, monkeypatch
):
    # As if no file could hold more.
    monkeypatch.setattr("mrc.export.onnx.TWO_GIB", 1000)
    tokenizer = tokenizers["tiny"]
    model = BaselineModel.tiny(len(tokenizer)).eval()
    example = probe(model, tokenizer, 2, 64)
    path = tmp_path / "model.onnx"
    assert (example["token_type_ids"] == 2).any()
    for write in (
        lambda: write_graph(model, example, path, dynamo=False),
        lambda: to_onnx(model, tokenizer, path, longest=128),
    ):
        write()
        sizes = {p.name: p.stat().st_size for p in tmp_path.iterdir()}
        assert set(sizes) == {"model.onnx", "model.onnx.data"}
        assert (
            sizes["model.onnx.data"]
            > 4 * sum(p.numel() for p in model.parameters()) * 0.9
            > sizes["model.onnx"]
        )
        assert largest_difference(model, OnnxReader(path), tokenizer, 128) < 1e-4
    quantize(path, tmp_path / "model_int8.onnx")
    assert (
        TOLERANCE
        < largest_difference(model, OnnxReader(tmp_path / "model_int8.onnx"), tokenizer, 128)
        < 5
    )


@pytest.fixture(scope="module")
def checkpoint(encoder_folder, bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "best"
    torch.manual_seed(3)
    config = TrainConfig(
        model=str(encoder_folder), train_file=str(DATA / "squad.json"), max_length=96, stride=32
    ).to_dict()
    save_checkpoint(
        folder,
        BaselineModel.from_pretrained(encoder_folder),
        bert,
        {"config": config, "scores": {}},
    )
    return folder


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """`python -m mrc export`, whose folder is called reader-onnx, as in the docs."""
    folder = tmp_path_factory.mktemp("export") / "reader-onnx"
    # An empty folder may exist already.
    (folder.parent / "reader-onnx").mkdir()
    mrc.__main__.main(
        [
            "export",
            str(checkpoint),
            "--to",
            "onnx",
            str(folder),
            "--int8",
            "--data",
            str(DATA / "squad.json"),
            "--batch-size",
            "3",
        ]
    )
    return folder


def test_the_folder_and_its_table(exported, checkpoint, tmp_path, capsys):
    assert {p.name for p in exported.iterdir()} == {
        "config.json",
        "export.json",
        "model.onnx",
        "model_int8.onnx",
        "mrc.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert [p.name for p in exported.parent.iterdir()] == ["reader-onnx"]
    report = json.loads((exported / "export.json").read_text())
    torch_, onnx_, int8 = (report["models"][name] for name in ("pytorch", "onnx", "int8"))
    assert report["inputs"] == ["input_ids", "attention_mask", "token_type_ids"]
    assert [2, 96] in report["checked"]
    assert onnx_["largest_difference"] <= TOLERANCE < int8["largest_difference"]
    assert int8["mb"] < onnx_["mb"]
    assert onnx_["mb"] == (exported / "model.onnx").stat().st_size / 1e6
    assert all(found["windows_per_second"] > 0 for found in report["models"].values())
    evaluate.main(
        [
            "--checkpoint",
            str(checkpoint),
            "--data",
            str(DATA / "squad.json"),
            "--output-dir",
            str(tmp_path),
        ]
    )
    scores = json.loads((tmp_path / "metrics.json").read_text())
    assert all(
        torch_[name] == onnx_[name] == scores[name] for name in ("exact_match", "f1", "total")
    )
    assert onnx_["answers_changed"] == 0
    assert report["questions"] == 7
    assert report["windows"] == scores["windows"]

    metrics = Metrics(
        FeatureDataset(
            load_examples(DATA / "squad.json"),
            load_checkpoint(checkpoint)[1],
            WindowSettings(max_length=96, stride=32),
        )
    )
    scores = score(OnnxReader(exported / "model_int8.onnx"), metrics)
    assert scores.pop("eval_loss") > 0
    assert scores == {name: int8[name] for name in ("exact_match", "f1", "total")}


def test_the_comparison_reads_windows_as_trained(checkpoint, tmp_path, monkeypatch):
    model, tokenizer, settings = load_checkpoint(checkpoint)
    settings["config"].update(mask_question=True, stride=7)
    save_checkpoint(tmp_path / "masked", model, tokenizer, settings)
    read = []
    monkeypatch.setattr(
        "mrc.export.folder.compare",
        lambda readers, dataset, *_, **settings: read.append(dataset) or {},
    )
    export_onnx(
        ExportConfig(
            checkpoint=str(tmp_path / "masked"),
            out=str(tmp_path / "out"),
            data=str(DATA / "squad.json"),
        )
    )
    assert read[0].mask_question
    assert len(read[0]) == len(
        FeatureDataset(
            read[0].examples,
            tokenizer,
            WindowSettings(max_length=96, stride=7),
        )
    )


def test_the_page_runs_without_pytorch_as_it_stands(exported, monkeypatch, capsys):
    monkeypatch.chdir(exported.parent)
    page = (ROOT / "docs" / "export.md").read_text("utf-8")
    codes = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert codes
    assert "torch" not in codes[0]
    found = {}
    exec(codes[0], found)
    shown = capsys.readouterr().out.rstrip("\n")
    assert shown
    assert shown in found["context"]


def fails(capsys, *argv):
    with pytest.raises(SystemExit) as raised, command_line("mrc"):
        mrc.__main__.main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("mrc: error: ")
    assert error.count("\n") == 1
    return error


def test_refusals(checkpoint, exported, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "already exists; choose another folder" in fails(capsys, "export", checkpoint, exported)
    assert "./absent: no such folder" in fails(capsys, "export", "./absent", "out")
    assert "absent.json: no such file" in fails(
        capsys, "export", checkpoint, "out", "--data", "absent.json"
    )
    assert "--split x needs --data" in fails(capsys, "export", checkpoint, "out", "--split", "x")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert 'pip install "mrc-reader[onnx]"' in fails(capsys, "export", checkpoint, "out")
    assert not list(tmp_path.iterdir())


def test_a_folder_is_whole_or_not_there(checkpoint, tmp_path, monkeypatch):
    def until(error):
        def write_some(model, tokenizer, path, longest):
            path.write_text("a part of it")
            raise error

        return write_some

    config = ExportConfig(checkpoint=str(checkpoint), out=str(tmp_path / "out"))
    monkeypatch.setattr("mrc.export.folder.to_onnx", until(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match=r"out: cannot be written .*No space left on device"):
        export_onnx(config)
    monkeypatch.setattr("mrc.export.folder.to_onnx", until(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        export_onnx(config)
    assert not list(tmp_path.iterdir())
