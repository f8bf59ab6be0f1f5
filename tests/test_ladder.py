"""The ladder of the course: which rung a run has reached, what does not count, the solutions."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
LADDER = ROOT / "docs" / "course" / "ladder"
PAGES = [ROOT / "docs" / "course" / "ladder.md", ROOT / "docs" / "ko" / "course" / "ladder.md"]
RUNG = runpy.run_path(str(LADDER / "rung.py"))
RUNGS = RUNG["RUNGS"]

# What the rules ask of a run.
SETTINGS = {
    "data": "sample:en",
    "train_file": None,
    "model": "tiny",
    "model_class": "my_reader:PlainReader",
}
SCORES = {"exact_match": 0.0, "total": 960, "epochs": 1}


@pytest.fixture
def rung_of(tmp_path, monkeypatch, capsys):
    """A function that writes the files of a run and returns what rung.py prints, and its status."""

    def rung_of(**changed):
        settings = {name: changed.get(name, value) for name, value in SETTINGS.items()}
        scores = {name: changed.get(name, value) for name, value in SCORES.items()}
        (tmp_path / "config.json").write_text(json.dumps(settings), "utf-8")
        (tmp_path / "metrics.json").write_text(json.dumps(scores), "utf-8")
        monkeypatch.setattr(sys, "argv", ["rung.py", str(tmp_path)])
        status = 0
        try:
            RUNG["main"]()
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return printed.out + printed.err, status

    return rung_of


def test_there_are_four_and_each_is_higher():
    assert [rung.name for rung in RUNGS] == ["Simple", "Medium", "Strong", "Boss"]
    targets = [rung.exact_match for rung in RUNGS]
    assert targets == sorted(set(targets))
    assert targets[0] > 0
    assert targets[-1] < 100


@pytest.mark.parametrize("number", range(4))
def test_a_target_is_reached_exactly(rung_of, number):
    rung = RUNGS[number]
    text, _ = rung_of(exact_match=rung.exact_match)
    assert text.count(" reached\n") == number + 1
    text, _ = rung_of(exact_match=rung.exact_match - 0.1)
    assert text.count(" reached\n") == number
    assert f"Next: {rung.name}, 0.1 points away." in text
    assert rung.pages in text


def test_nothing_is_above_the_top(rung_of):
    text, status = rung_of(exact_match=100.0)
    assert "That is the top." in text
    assert "Next" not in text
    assert status == 0


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data": "sample:ko"}, "ran on sample:ko"),
        ({"data": None, "train_file": "squad.json"}, "ran on squad.json"),
        ({"total": 100}, "scored on 100 of 960 questions"),
        ({"model": "bert-base-cased"}, "began with bert-base-cased"),
        ({"model_class": None}, "is the built-in reader, EM 97.0"),
        ({"model_class": "mrc.model.baseline:BaselineModel.tiny"}, "is the built-in reader"),
        ({"epochs": 2}, "had 2 epochs"),
    ],
)
def test_a_run_that_does_not_count_is_refused(rung_of, changed, reason):
    text, status = rung_of(exact_match=97.0, **changed)
    assert reason in text
    assert " reached\n" not in text
    assert text.count("\n") == 1
    assert status == 2


def test_a_folder_without_a_run_is_refused(tmp_path):
    command = [sys.executable, LADDER / "rung.py", tmp_path]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"rung.py: error: {tmp_path}: has no config.json; give the folder of a finished run.\n"
    )


def test_a_folder_of_several_runs_is_refused(tmp_path, monkeypatch, capsys):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}", "utf-8")
    monkeypatch.setattr(sys, "argv", ["rung.py", str(tmp_path)])
    with pytest.raises(SystemExit):
        RUNG["main"]()
    assert "holds several folders of runs; give one of them." in capsys.readouterr().err


@pytest.mark.parametrize("page", PAGES, ids=["English", "Korean"])
def test_the_page_states_the_targets_and_where_they_are_treated(page):
    text = page.read_text("utf-8")
    for rung in RUNGS:
        row = re.search(rf"^\| {rung.name} \| (\d+) \|.*$", text, flags=re.M)
        assert int(row[1]) == rung.exact_match
        for treated in rung.pages.split(" and "):
            assert (ROOT / treated).is_file()
            assert f"({Path(treated).name}" in row[0]


@pytest.fixture(scope="module")
def readers():
    """The readers of the ladder by name, with random weights."""
    names = ("plain:PlainReader", "solutions:NeighborReader", "solutions:MarkedReader")
    names += ("solutions:FarReader",)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LADDER))
        modules = {name: __import__(name) for name in ("plain", "solutions")}
    found = {}
    for name in names:
        module, _, class_name = name.partition(":")
        torch.manual_seed(0)
        found[name] = getattr(modules[module], class_name)(50, 0, 32).eval()
    return found


def test_padding_changes_no_logits(readers):
    input_ids = torch.randint(5, 50, (1, 12), generator=torch.Generator().manual_seed(1))
    token_type_ids = (torch.arange(12) >= 4).long()[None]
    padding = torch.zeros(1, 9, dtype=torch.long)
    for name, reader in readers.items():
        alone = reader(input_ids, torch.ones_like(input_ids), token_type_ids)
        padded = reader(
            torch.cat([input_ids, padding], dim=1),
            torch.cat([torch.ones_like(input_ids), padding], dim=1),
            torch.cat([token_type_ids, padding], dim=1),
        )
        for before, after in zip(alone, padded, strict=True):
            torch.testing.assert_close(after[:, :12], before, msg=name)


def solution_commands():
    """The commands of the solutions, as the page states them."""
    text = PAGES[0].read_text("utf-8").replace("\\\n", "")
    commands = re.findall(r"^python train\.py .*$", text, flags=re.M)
    return [command for command in commands if "learning-rate 2e-3" in command]


def test_there_is_a_solution_for_each_rung():
    assert len(solution_commands()) == len(RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4), ids=[rung.name for rung in RUNGS])
def test_a_solution_reaches_its_rung(number, tmp_path):
    """About 40 seconds of one core each."""
    command = solution_commands()[number].removeprefix("python ")
    environment = os.environ | {"PYTHONPATH": str(LADDER), "OMP_NUM_THREADS": "1"}
    arguments = [*command.split(), "--output-dir", str(tmp_path / "run")]
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)
    rung_script = [sys.executable, str(LADDER / "rung.py"), str(tmp_path / "run")]
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(rung_script, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.count(" reached\n") >= number + 1
