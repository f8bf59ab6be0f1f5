"""Models of one's own go through the same loop; docs/custom_architecture.md runs as it stands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from conftest import DATA
from torch import nn
from transformers import BertConfig, BertForQuestionAnswering, BertModel

from mrc.checkpoint import load_checkpoint
from mrc.commands import evaluate, train
from mrc.errors import InputError
from mrc.model import (
    CustomModel,
    QuestionAnsweringModel,
    as_span_model,
    load_model,
    loss_of,
    span_logits,
    span_loss,
)

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "custom_architecture.md").read_text("utf-8")

GUESTS = """
import torch
from torch import nn

class Bag(nn.Module):
    def __init__(self, vocab_size, pad_token_id, width=8):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width, padding_idx=pad_token_id)
        self.out = nn.Linear(width, 2)

    def forward(self, input_ids, attention_mask):
        return self.out(self.embedding(input_ids)).unbind(dim=2)

class OnEncoder(nn.Module):
    max_length = 64

    def __init__(self, encoder, dropout):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        assert attention_mask is not None
        output = self.encoder(input_ids, attention_mask, token_type_ids=token_type_ids)
        return self.out(self.dropout(output.last_hidden_state)).unbind(dim=2)

class Needy(nn.Module):
    def __init__(self, color):
        super().__init__()

class OneLogit(Bag):
    def forward(self, input_ids, attention_mask):
        return self.out(self.embedding(input_ids))

class WithAxis(Bag):
    def forward(self, input_ids, attention_mask):
        return self.out(self.embedding(input_ids)).split(1, dim=2)

class OtherNames(Bag):
    def forward(self, words):
        return self.out(self.embedding(words)).unbind(dim=2)

class NoModule:
    pass

class LectureOrder(Bag):
    def forward(self, input_ids, token_type_ids, attention_mask):
        logits = self.out(self.embedding(input_ids) * attention_mask[:, :, None])
        return logits.unbind(dim=2)
"""


@pytest.fixture
def model_folder(tmp_path, monkeypatch):
    """A module of the user's own in the working directory."""
    (tmp_path / "my_guests.py").write_text(GUESTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_guests", None)
    return tmp_path


def run_quick(*argv):
    train.main(
        [
            str(a)
            for a in (
                "--train-file",
                DATA / "squad.json",
                "--validation-file",
                DATA / "squad.json",
                "--max-steps",
                4,
                "--batch-size",
                2,
                "--max-length",
                64,
                "--stride",
                16,
                *argv,
            )
        ]
    )


@pytest.mark.parametrize("name", ["Bag", "OnEncoder"])
def test_an_own_class_is_trained_saved_resumed_and_scored(
    model_folder, encoder_folder, name, capsys
):
    argv = ("--model-class", f"my_guests:{name}", "--model", encoder_folder)
    run_quick(*argv, "--output-dir", "whole", "--save-every", 2, "--keep", 3)
    assert capsys.readouterr().out.endswith(
        f"\nNext: mrc evaluate --checkpoint whole --model-class my_guests:{name}\n"
    )
    with pytest.raises(
        InputError,
        match=rf"was (begun|started) with --model-class my_guests:{name}, .* give (it|that) again",
    ):
        train.main(["--resume", "whole/step-2"])
    train.main(["--resume", "whole/step-2", "--model-class", f"my_guests:{name}"])
    evaluate.main(["--checkpoint", "whole", "--model-class", f"my_guests:{name}"])
    trained, scored = (
        json.loads(Path(f"whole/{file}").read_text())
        for file in ("metrics.json", "best-on-squad/metrics.json")
    )
    assert trained["f1"] == scored["f1"]
    assert scored["questions"] == 7

    model, _, _ = load_checkpoint("whole/best", model_class=f"my_guests:{name}")
    model.eval()
    ids = torch.tensor([[2, 9, 3, 11, 12, 3]])
    # No mask: nothing is padding.
    start, end = model(ids)
    assert start.shape == end.shape == ids.shape
    assert model.takes_token_types == (name == "OnEncoder")
    with pytest.raises(
        InputError,
        match=f"was made by the class my_guests:{name}, which is code of your own; "
        "add --model-class",
    ):
        load_checkpoint("whole/best")


def test_a_resumed_run_of_an_own_class_is_the_same_run(model_folder, encoder_folder):
    argv = (
        "--model-class",
        "my_guests:OnEncoder",
        "--model",
        encoder_folder,
        "--dropout",
        0.1,
        "--keep",
        9,
        "--save-every",
        1,
    )
    run_quick(*argv, "--output-dir", "whole")
    run_quick(*argv, "--output-dir", "half")
    train.main(["--resume", "half/step-2", "--model-class", "my_guests:OnEncoder"])
    weights = [
        (model_folder / run / "last" / "model.safetensors").read_bytes()
        for run in ("whole", "half")
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "argv", [("--gradient-checkpointing",), ("--freeze-layers", 1), ("--layer-decay", 0.9)]
)
def test_what_needs_to_know_the_layers_is_refused(model_folder, argv, capsys):
    with pytest.raises(InputError, match=r"does not support it|need a model with an encoder"):
        run_quick("--model-class", "my_guests:Bag", *argv, "--output-dir", "refused")
    assert not (model_folder / "refused").exists()


def test_its_limits_are_kept(model_folder, encoder_folder):
    with pytest.raises(InputError, match="--max-length 65 is above the 64 positions"):
        run_quick(
            "--model-class", "my_guests:OnEncoder", "--model", encoder_folder, "--max-length", 65
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_guests:Needy", "its constructor needs 'color'; it can ask for vocab_size"),
        ("my_guests:NoModule", "is no torch.nn.Module"),
        ("my_guests:OneLogit", "forward returned a Tensor of shape (1, "),
        ("my_guests:WithAxis", "it must return a tuple of start and end logits"),
        (
            "my_guests:OtherNames",
            "its forward(words) cannot be called by keyword with input_ids, attention_mask,",
        ),
        ("my_guests:Absent", "cannot be imported"),
        ("absent_module:Bag", "cannot be imported"),
        ("my_guests", "cannot be imported"),
        ("my_guests:OnEncoder", "asks for an encoder; name one with --model"),
    ],
)
def test_classes_that_cannot_be_used(model_folder, name, message):
    with pytest.raises(InputError, match=re.escape(message)):
        run_quick("--model-class", name)
    assert not (model_folder / "checkpoints").exists()


def test_what_does_not_go_with_an_own_class(model_folder):
    with pytest.raises(InputError, match="a model of your own has its own head"):
        run_quick("--model-class", "my_guests:Bag", "--head", "mlp")


def test_the_page_builds_its_model_in_under_a_hundred_lines():
    (code,) = re.findall(r"<!-- file: bidaf.py -->\n```python\n(.*?)```", PAGE, flags=re.S)
    assert len(code.splitlines()) < 100
    made = {}
    exec(compile(code, "bidaf.py", "exec"), made)
    model = made["BiDAF"](vocab_size=30, pad_token_id=0, width=8).eval()
    assert isinstance(model, nn.Module)
    ids = torch.tensor([[2, 9, 8, 3, 7, 11, 12, 3], [2, 9, 3, 7, 11, 3, 0, 0]])
    types = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 0, 0]])
    together = model(ids, (ids != 0).long(), types)
    alone = model(ids[1:, :6], torch.ones(1, 6, dtype=torch.long), types[1:, :6])
    for logits, expected in zip(together, alone, strict=True):
        # Padding changes nothing.
        torch.testing.assert_close(logits[1:, :6], expected)
    sum(logits.sum() for logits in together).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.slow
def test_the_page_is_run_as_it_stands(tmp_path):
    """From an empty folder: the file, and every command in order; most answers are exact."""
    for name, code in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, flags=re.S):
        (tmp_path / name).write_text(code, "utf-8")
    outputs = []
    for command in re.findall(r"<!-- run -->\n```sh\n(.*?)\n```", PAGE, flags=re.S):
        program, *argv = shlex.split(command)
        assert program == "python"
        argv = [str(ROOT / a) if a in ("train.py", "evaluate.py") else a for a in argv]
        done = subprocess.run(
            [sys.executable, *argv],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    trained, scored = (
        json.loads((tmp_path / "bidaf-run" / name).read_text())
        for name in ("metrics.json", "best-on-sample-en/metrics.json")
    )
    assert trained["exact_match"] == scored["exact_match"] > 80
    assert "1874" in outputs[-1]


def bert_folder(folder, tokenizer):
    """A BERT of one layer with enough positions for the pages' windows."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("module", "class_name"),
    [("rdrop", "RDropReader"), ("answerability", "AnswerabilityReader")],
)
def test_the_pages_models_with_a_loss_of_their_own(module, class_name, bert, tmp_path, monkeypatch):
    """The page's code for a notebook, on small data and with a small encoder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, module, raising=False)
    for name, code in re.findall(r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE, flags=re.S):
        Path(name).write_text(code, "utf-8")
    for name in ("train.json", "dev.json"):
        shutil.copy(DATA / "squad_v2.json", name)
    bert_folder(tmp_path / "bert", bert)
    (code,) = re.findall(r"<!-- run: rdrop -->\n```python\n(.*?)```", PAGE, flags=re.S)
    code = code.replace("google-bert/bert-base-cased", str(tmp_path / "bert"))
    code = code.replace("rdrop", module).replace("RDropReader", class_name)

    names = {}
    exec(code, names)
    assert names["results"]["eval_loss"] > 0
    trained = names["trainer"].model
    loaded = names["model"]
    assert not loaded.training
    assert loaded.state_dict().keys() == trained.state_dict().keys()
    sys.modules.pop(module)


def test_r_drop_pays_for_passes_that_differ(encoder_folder):
    reader = page_class("rdrop.py", "RDropReader")
    encoder = BertModel.from_pretrained(encoder_folder)
    plain = reader(encoder, dropout=0.5, alpha=0.0).train()
    dropped = reader(encoder, dropout=0.5, alpha=1.0).train()
    dropped.load_state_dict(plain.state_dict())
    losses = []
    for model in (plain, dropped):
        torch.manual_seed(0)
        losses.append(model.loss(model(**INPUTS), BATCH))
    assert losses[1] > losses[0]
    # The same pass twice: no divergence.
    with torch.no_grad():
        pair = plain.eval()(**INPUTS)
    two_passes = plain.loss.__globals__["TwoPasses"](*pair, *pair)
    torch.testing.assert_close(dropped.loss(two_passes, BATCH), span_loss(*pair, BATCH))


def test_the_answerability_head_learns_from_its_own_loss(encoder_folder):
    reader = page_class("answerability.py", "AnswerabilityReader")
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    encoder = BertModel.from_pretrained(encoder_folder, **no_dropout)
    model = reader(encoder, dropout=0.0).train()
    model.loss(model(**INPUTS), BATCH).backward()
    assert model.answer_head.weight.grad.abs().sum() > 0
    # In evaluation the verdict counts at the null position, and nowhere else.
    training = model(**INPUTS)
    evaluation = model.eval()(**INPUTS)
    expected = training.start_logits.clone()
    expected[:, 0] -= training.answer_logit
    torch.testing.assert_close(evaluation.start_logits, expected)


INPUTS = {
    "input_ids": torch.tensor([[2, 9, 3, 11, 12, 3], [2, 9, 3, 11, 3, 0]]),
    "token_type_ids": torch.tensor([[0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]),
}
BATCH = {
    **INPUTS,
    "start_positions": torch.tensor([3, 0]),
    "end_positions": torch.tensor([4, 0]),
}


def page_class(file, name):
    """A class of one of the page's files."""
    (code,) = re.findall(rf"<!-- file: {file} -->\n```python\n(.*?)```", PAGE, flags=re.S)
    names = {"__name__": file}
    exec(compile(code, file, "exec"), names)
    return names[name]


class Words(nn.Module):
    """A reader that is as small as can be."""

    def __init__(self, vocabulary=40):
        super().__init__()
        self.out = nn.Embedding(vocabulary, 2)

    def forward(self, input_ids):
        return self.out(input_ids).unbind(dim=2)


class Labeled(NamedTuple):
    start_logits: torch.Tensor
    end_logits: torch.Tensor
    label: str


class WithLoss(Words):
    def forward(self, input_ids):
        return Labeled(*super().forward(input_ids), "mine")

    def loss(self, output, batch):
        assert output.label == "mine"
        return 2 * span_loss(output.start_logits, output.end_logits, batch)


def test_the_class_loss_is_used_and_what_forward_returns_reaches_it():
    model = as_span_model(WithLoss())
    output = model(**INPUTS)
    assert output.label == "mine"
    assert len(span_logits(output)) == 2
    expected = 2 * span_loss(output.start_logits, output.end_logits, BATCH)
    assert loss_of(model)(output, BATCH) == expected


def test_a_loss_module_among_the_attributes_is_not_the_loss_of_the_class():
    words = Words()
    words.loss = nn.CrossEntropyLoss()
    for model in (words, as_span_model(words)):
        output = model(INPUTS["input_ids"])
        assert loss_of(model)(output, BATCH) == span_loss(*output, BATCH)


def test_a_loss_that_is_no_scalar_is_refused():
    class PerFeature(Words):
        def loss(self, output, batch):
            return torch.zeros(2)

    model = as_span_model(PerFeature())
    with pytest.raises(InputError, match=r"returned a Tensor of shape \(2,\); it must return a sc"):
        loss_of(model)(model(**INPUTS), BATCH)


def test_inputs_are_given_by_keyword(model_folder, bert):
    model = CustomModel.make("my_guests:LectureOrder", bert, max_length=64, dropout=0.1)
    plain = CustomModel.make("my_guests:Bag", bert, max_length=64, dropout=0.1)
    plain.load_state_dict(model.state_dict())
    kept = INPUTS["attention_mask"] == 1
    assert torch.equal(model(**INPUTS)[0][kept], plain(**INPUTS)[0][kept])


@pytest.mark.parametrize("as_class", [True, False])
def test_a_class_or_an_instance_in_place_of_a_name(as_class, tmp_path):
    model = as_span_model(Words())
    model.save_pretrained(tmp_path)
    loaded = load_model(tmp_path, model_class=Words if as_class else Words())
    assert torch.equal(loaded(**INPUTS)[0], model(**INPUTS)[0])
    with pytest.raises(InputError, match="was made by the class test_custom_architecture:Words"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="was made by the class"):
        load_model(tmp_path, model_class=WithLoss)
    with pytest.raises(InputError, match="its weights are not those of the model"):
        load_model(tmp_path, model_class=Words(vocabulary=41))


def test_hugging_face_models_as_they_are(encoder_folder):
    encoder = BertModel.from_pretrained(encoder_folder)
    with pytest.raises(InputError, match=r"put a head on it: BaselineModel\(encoder\)"):
        as_span_model(encoder)
    theirs = BertForQuestionAnswering(encoder.config).eval()
    ours = as_span_model(theirs)
    assert isinstance(ours, QuestionAnsweringModel)
    assert torch.equal(ours(**INPUTS)[0], theirs(**INPUTS).start_logits)
    assert as_span_model(ours) is ours
    with pytest.raises(InputError, match=r"give an instance of nn\.Module"):
        as_span_model(Words)


def test_only_what_the_class_asks_for_is_made(model_folder, bert):
    def load():
        raise AssertionError("not asked for")

    model = CustomModel.make("my_guests:Bag", bert, max_length=64, dropout=0.1, load_encoder=load)
    assert model.vocab_size == len(bert)
    assert set(model.arguments) == {"vocab_size", "pad_token_id"}
