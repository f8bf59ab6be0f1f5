"""`mrc train --dry-run`: what a run would take, and nothing written."""

import math
import re
import sys

import pytest
from conftest import DATA

import mrc.__main__
from mrc.errors import InputError

WINDOWS = ["--max-length", "96", "--stride", "16"]


@pytest.fixture
def rehearse(tmp_path, monkeypatch, capsys):
    """Run `mrc train --dry-run` in an empty folder; return what it prints, once nothing is left."""
    monkeypatch.chdir(tmp_path)

    def rehearse(*argv):
        before = sorted(tmp_path.rglob("*"))
        mrc.__main__.main(["train", "--dry-run", *map(str, argv)])
        assert sorted(tmp_path.rglob("*")) == before
        return capsys.readouterr().out

    return rehearse


def test_what_a_run_would_take(rehearse, encoder_folder):
    data = DATA / "korquad.json"
    shown = rehearse(
        "--model", encoder_folder, "--train-file", data, "--validation-file", data,
        *WINDOWS, "--batch-size", 4, "--output-dir", "run", "--epochs", 3,
    )  # fmt: skip
    rows = {}
    for line in shown.splitlines():
        name, _, value = line.strip().partition(" ")
        # The training row of the times is a second one.
        rows.setdefault(name, value.strip())
    questions, features, longest = map(int, re.findall(r"\d+", rows["data"]))
    assert 0 < questions <= features
    assert longest <= 96
    steps, size, *_, per_epoch = map(int, re.findall(r"\d+", rows["training"]))
    assert (steps, size) == (3 * per_epoch, 4)
    assert per_epoch == math.ceil(features / 4)
    assert rows["checkpoints"] == "scored and saved 3 times"
    assert rows["time"].startswith("about")
    assert "\n  scoring    3 x" in shown
    assert "MB" in rows["memory"] or sys.platform == "win32"
    assert "in run; " in rows["disk"]
    assert shown.endswith("Nothing was written.\n")


def test_no_validation_data_and_fewer_weights_to_train(rehearse, encoder_folder):
    shown = rehearse(
        "--model", encoder_folder, "--train-file", DATA / "squad.json", *WINDOWS,
        "--freeze-layers", 1, "--max-steps", 1, "--ema-decay", 0.9,
    )  # fmt: skip
    assert "none: the last checkpoint counts" in shown
    assert "nothing will be scored: give --validation-file" in shown
    assert "saved once, at the end" in shown
    assert "M parameters are trained" in shown
    assert "scoring  " not in shown


def test_what_would_keep_a_run_from_starting(rehearse, encoder_folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes").write_text("mine")
    for argv, message in (
        (["--resume", "run"], "--dry-run is for a new run"),
        (["--fsdp"], "in one process"),
        (["--output-dir", "run"], "run: holds files already"),
        (["--train-file", "absent.json"], r"absent\.json: no such file"),
        (["--model", encoder_folder], "above the 128 positions"),
    ):
        with pytest.raises(InputError, match=message):
            rehearse(*argv)


def test_a_run_does_not_record_how_its_command_was_used(tmp_path, encoder_folder):
    run = tmp_path / "run"
    data = DATA / "squad.json"
    argv = ["--model", encoder_folder, "--train-file", data, "--max-steps", 1, "--output-dir", run]
    mrc.__main__.main(["train", *WINDOWS, *map(str, argv)])
    record = (run / "config.json").read_text()
    assert "max_steps" in record
    assert "dry_run" not in record
