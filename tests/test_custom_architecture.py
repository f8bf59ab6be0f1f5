"""Custom classes go through the same loop, checkpoints and Metrics; docs/custom_architecture.md is run as it stands."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import DATA
from torch import nn

from mrc.checkpoint.loading import load_checkpoint
from mrc.commands import evaluate, train
from mrc.errors import InputError
from mrc.model.custom import CustomModel

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "custom_architecture.md").read_text("utf-8")

GUESTS = """
import torch
from torch import nn

class Bag(nn.Module):
    def __init__(self, vocab_size, pad_token_id, width=8):
        super().__init__()
        self.embedding, self.out = nn.Embedding(vocab_size, width, padding_idx=pad_token_id), nn.Linear(width, 2)

    def forward(self, input_ids, attention_mask):
        return self.out(self.embedding(input_ids)).unbind(dim=2)

class OnEncoder(nn.Module):
    max_length = 64

    def __init__(self, encoder, dropout):
        super().__init__()
        self.encoder, self.dropout, self.out = encoder, nn.Dropout(dropout), nn.Linear(encoder.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        assert attention_mask is not None
        states = self.encoder(input_ids, attention_mask, token_type_ids=token_type_ids).last_hidden_state
        return self.out(self.dropout(states)).unbind(dim=2)

class Needy(nn.Module):
    def __init__(self, colour):
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
"""


@pytest.fixture
def guests(tmp_path, monkeypatch):
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
def test_a_class_of_ones_own_is_trained_saved_resumed_and_scored(
    guests, encoder_folder, name, capsys
):
    argv = ("--model-class", f"my_guests:{name}", "--model", encoder_folder)
    run_quick(*argv, "--output-dir", "whole", "--save-every", 2, "--keep", 3)
    assert capsys.readouterr().out.endswith(
        f"\nNext: python evaluate.py --checkpoint whole --model-class my_guests:{name}\n"
    )
    with pytest.raises(
        InputError,
        match=f"was begun with --model-class my_guests:{name}, by which code or pickles are read; give that again",
    ):
        train.main(["--resume", "whole/step-2"])
    train.main(["--resume", "whole/step-2", "--model-class", f"my_guests:{name}"])
    evaluate.main(["--checkpoint", "whole", "--model-class", f"my_guests:{name}"])
    trained, scored = (
        json.loads(Path(f"whole/{file}").read_text())
        for file in ("metrics.json", "best-on-squad/metrics.json")
    )
    assert trained["f1"] == scored["f1"] and scored["questions"] == 7

    model, tokenizer, _ = load_checkpoint("whole/best", model_class=f"my_guests:{name}")
    model.eval()
    ids = torch.tensor([[2, 9, 3, 11, 12, 3]])
    start, end = model(ids)  # no mask: nothing is padding
    assert start.shape == end.shape == ids.shape and model.takes_token_types == (
        name == "OnEncoder"
    )
    with pytest.raises(
        InputError,
        match=f"was made by the class my_guests:{name}, which is code of your own; add --model-class",
    ):
        load_checkpoint("whole/best")


def test_a_resumed_run_of_a_class_of_ones_own_is_the_same_run(guests, encoder_folder):
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
        (guests / run / "last" / "model.safetensors").read_bytes() for run in ("whole", "half")
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "argv", [("--gradient-checkpointing",), ("--freeze-layers", 1), ("--layer-decay", 0.9)]
)
def test_what_needs_to_know_the_layers_is_refused(guests, argv, capsys):
    with pytest.raises(InputError, match="does not support it|need a model with an encoder"):
        run_quick("--model-class", "my_guests:Bag", *argv, "--output-dir", "refused")
    assert not (guests / "refused").exists()


def test_its_limits_are_kept(guests, encoder_folder):
    with pytest.raises(InputError, match="--max-length 65 is above the 64 positions"):
        run_quick(
            "--model-class", "my_guests:OnEncoder", "--model", encoder_folder, "--max-length", 65
        )


@pytest.mark.parametrize(
    "name, message",
    [
        ("my_guests:Needy", "its constructor needs 'colour'; it can ask for vocab_size"),
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
def test_classes_that_cannot_be_used(guests, name, message):
    with pytest.raises(InputError, match=re.escape(message)):
        run_quick("--model-class", name)
    assert not (guests / "checkpoints").exists()


def test_what_does_not_go_with_a_class_of_ones_own(guests):
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
    for logits, expected in zip(together, alone):
        torch.testing.assert_close(logits[1:, :6], expected)  # padding changes nothing
    sum(logits.sum() for logits in together).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.slow
def test_the_page_is_run_as_it_stands(tmp_path):
    """From an empty folder: the file, and every command in order; the reader answers, and most questions exactly."""
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


def test_only_what_the_class_asks_for_is_made(guests, bert):
    def load():
        raise AssertionError("not asked for")

    model = CustomModel.make(
        "my_guests:Bag", bert, max_length=64, dropout=0.1, load_encoder=load
    )
    assert model.vocab_size == len(bert) and set(model.arguments) == {"vocab_size", "pad_token_id"}
