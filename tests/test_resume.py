"""A run that ends at any moment, however rudely, goes on as if it had not."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import DATA
from safetensors.torch import load_file

from mrc.checkpoint import find_resumable, load_checkpoint, load_state, save_checkpoint
from mrc.config import InputError
from mrc.examples import load_examples, write_squad
from mrc.model import BaselineModel

ROOT = Path(__file__).parents[1]
CLOCKED = ("features_per_second", "tokens_per_second", "tflops", "eval_seconds")  # what of a log depends on the clock

# Runs train.py and kills itself, as a power cut would, at the n-th call of a function.
KILLER = """
import importlib, os, signal, sys
place, nth = sys.argv[1].rsplit(".", 1), int(sys.argv[2])
module = importlib.import_module(place[0].split(":")[0])
owner = getattr(module, place[0].split(":")[1]) if ":" in place[0] else module
original, calls = getattr(owner, place[1]), 0
def call(*arguments, **named):
    global calls
    calls += 1
    if calls == nth:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
setattr(owner, place[1], call)
import train
train.main(sys.argv[3:])
"""


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


def start(*argv, cwd, killed_at=None):
    """Start train.py; killed_at: ("module.function" or "module:Class.method", n), to be killed at its n-th call."""
    script = ["-c", KILLER, killed_at[0], str(killed_at[1])] if killed_at else [str(ROOT / "train.py")]
    return subprocess.Popen([sys.executable, *script, *map(str, argv)], cwd=cwd, env=environment(), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def run(*argv, cwd, status=0, **named):
    process = start(*argv, cwd=cwd, **named)
    output, error = process.communicate(timeout=120)
    assert process.returncode == status, error
    return output + error


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCKED} for line in lines]


def same(folder, other):
    """Whether two runs' folders hold the same weights, to the bit, and the same log and scores."""
    for name in ("best", "last"):
        mine, theirs = load_file(folder / name / "model.safetensors"), load_file(other / name / "model.safetensors")
        assert mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
    mine, theirs = ({**json.loads((f / "metrics.json").read_text()), **dict.fromkeys(("seconds", "train_seconds", "features_per_second",
                     "tokens_per_second", "peak_memory_mb"))} for f in (folder, other))
    assert mine == theirs
    assert log_of(folder) == log_of(other)


@pytest.fixture(scope="module")
def flags(encoder_folder, tmp_path_factory):
    """A run of 18 steps in 3 epochs that draws random numbers, averages weights and is saved every second step."""
    file = tmp_path_factory.mktemp("data") / "all.json"
    write_squad(load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json"), file)
    return (f"--model {encoder_folder} --train-file {file} --validation-file {file} --max-length 64 --stride 16 --epochs 3 --batch-size 3 "
            "--gradient-accumulation-steps 2 --dropout 0.2 --learning-rate 1e-3 --log-every 4 --save-every 2 --ema-decay 0.9 "
            "--output-dir run").split()


@pytest.fixture(scope="module")
def whole(flags, tmp_path_factory):
    """The run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run(*flags, cwd=folder)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize("killed_at", [
    ("mrc.trainer:Trainer.train_step", 1),  # before anything is saved
    ("mrc.trainer:Trainer.train_step", 6),
    ("mrc.trainer:Trainer.train_step", 9),
    ("mrc.trainer:Trainer.train_step", 18),
    ("mrc.metrics:Metrics.update", 2),  # while it is scored
    ("safetensors.torch.save_file", 3),  # before, while and after a checkpoint is written
    ("mrc.checkpoint._save_state", 3),
    ("mrc.checkpoint.sha256", 25),
    ("os.rename", 7),
    ("os.rename", 8),
    ("os.rename", 9),
    ("os.rename", 10),
    ("mrc.checkpoint._keep_earlier", 4),
    ("mrc.trainer.write_json", 1),  # at the very end
], ids="{0[0]}-{0[1]}".format)
def test_a_killed_run_goes_on_to_the_bit(flags, whole, tmp_path, killed_at):
    run(*flags, cwd=tmp_path, killed_at=killed_at, status=-signal.SIGKILL)
    if (tmp_path / "run").is_dir() and not list((tmp_path / "run").glob("*/training_state.pt")):
        shutil.rmtree(tmp_path / "run")  # auto would say that the folder is taken
    run(*flags, "--resume", "auto", cwd=tmp_path)
    same(tmp_path / "run", whole)
