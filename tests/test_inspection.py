"""What inspect says of a data set is what counting by hand says."""

import json

import numpy as np
import pytest
from conftest import DATA, real_data
from hypothesis import given
from hypothesis import strategies as st

import mrc.__main__
from mrc.commands.inspection import BINS, histogram, inspect, percentiles, suggest
from mrc.config.inspect import InspectConfig
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings


@pytest.fixture(scope="module")
def tokenizer_folder(bert, tmp_path_factory):
    """A tokenizer without a model, whose positions would limit the windows."""
    folder = tmp_path_factory.mktemp("tokenizer")
    bert.save_pretrained(folder)
    return folder


def report_of(path, folder, **settings):
    return inspect(InspectConfig(source=str(path), model=str(folder), **settings))


def test_counts(tokenizer_folder):
    report = report_of(DATA / "squad_v2.json", tokenizer_folder)
    assert [
        report[name]
        for name in (
            "questions",
            "contexts",
            "titles",
            "answers",
            "answerable",
            "unanswerable",
            "unlabeled",
        )
    ] == [2, 1, 1, 1, 1, 1, 0]
    report = report_of(DATA / "news_test.json", tokenizer_folder)
    assert (report["unlabeled"], report["answers"], report["characters"]["answer"]) == (2, 0, None)
    assert "answers_in_a_window" not in report["windows"]


def test_windows_are_those_of_the_dataset(tokenizer_folder, bert, examples):
    report = report_of(
        DATA / "squad.json", tokenizer_folder, max_length=40, stride=8, max_question_length=12
    )
    dataset = FeatureDataset(
        examples[:7],
        bert,
        WindowSettings(max_length=40, stride=8, max_question_length=12),
    )
    windows = report["windows"]
    assert windows["count"] == len(dataset)
    assert windows["questions_cut"] == dataset.questions_cut > 0
    fits = [
        any(
            dataset.start_positions[i] != dataset.null_position[i]
            for i in range(len(dataset))
            if dataset.example_index[i] == e
        )
        for e in range(7)
    ]
    assert windows["answers_in_a_window"] == np.mean(fits) < 1
    assert 0 <= windows["padding_in_buckets"] <= windows["padding"] < 1
    whole = [len(bert(e.question, e.context)["input_ids"]) for e in examples[:7]]
    assert report["tokens"]["input"]["100"] == max(whole)
    assert sum(row["count"] for row in report["tokens"]["histogram"]) == 7


def test_answers_off_token_borders_are_counted(tokenizer_folder, write):
    records = [
        {
            "id": str(n),
            "question": "When?",
            "context": "It was built in 1784 by hand.",
            "answers": {"text": [text], "answer_start": [start]},
        }
        for n, (text, start) in enumerate(
            [("1784", 16), ("1784 ", 16), (" in", 12), ("built in", 7)]
        )
    ]
    assert (
        report_of(write(records), tokenizer_folder, max_length=64, stride=16)["windows"][
            "answers_off_token_borders"
        ]
        == 2
    )
    assert (
        report_of(write(records[:1] + records[3:]), tokenizer_folder, max_length=64, stride=16)[
            "windows"
        ]["answers_off_token_borders"]
        == 0
    )


@given(st.lists(st.integers(4, 3000), min_size=1, max_size=60))
def test_suggested_lengths_and_histograms(lengths):
    lengths = np.array(lengths)
    length, share = suggest(lengths)
    assert length % 32 == 0
    assert length <= 512
    assert share == (lengths <= length).mean()
    assert share >= 0.99 or length == 512
    assert length == 32 or (lengths <= length - 32).mean() < 0.99
    rows = histogram(lengths)
    assert len(rows) <= BINS + 1
    for row in rows:
        assert (
            row["count"]
            == (
                (lengths >= row["from"])
                & (lengths <= (row["to"] if row["to"] is not None else lengths.max()))
            ).sum()
        )
    assert sum(row["count"] for row in rows) == len(lengths)
    assert rows[-1]["to"] is None


def test_percentiles_are_values_that_occur():
    assert percentiles([]) is None
    assert percentiles([3, 1, 2]) == {
        "1": 1,
        "25": 1,
        "50": 2,
        "75": 3,
        "95": 3,
        "99": 3,
        "100": 3,
        "mean": 2.0,
    }


def test_faults_are_listed_and_the_rest_is_read(write, tokenizer_folder, capsys):
    good = {
        "id": "1",
        "question": "When?",
        "context": "In 1784.",
        "answers": {"text": ["1784"], "answer_start": [2]},
    }
    path = write(
        "\n".join([json.dumps(good), "{", json.dumps({**good, "id": "2", "question": ""})]),
        "a.jsonl",
    )
    mrc.__main__.main(
        [
            "inspect",
            str(path),
            "--model",
            str(tokenizer_folder),
            "--max-length",
            "64",
            "--stride",
            "16",
        ]
    )
    shown = capsys.readouterr().out
    assert "2 records refused:" in shown
    assert "line 3.question: is empty" in shown
    assert "1 bad answer:" in shown
    assert "'1784' at 2, moved to 3" in shown


def test_json_for_machines_and_tables_for_people(capsys, tokenizer_folder):
    argv = ["inspect", str(DATA / "squad.json"), "--model", str(tokenizer_folder)]
    mrc.__main__.main([*argv, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["questions"] == 7
    assert report["refused"] == []
    mrc.__main__.main(argv)
    shown = capsys.readouterr().out
    assert "7 questions on 3 contexts under 3 titles; " in shown
    assert f"suggested --max-length {report['windows']['suggested_max_length']}" in shown


def test_the_built_in_corpus_and_its_own_tokenizer(capsys):
    mrc.__main__.main(["inspect", "sample:ko", "--split", "validation"])
    assert "100.00 % of the answers fit" in capsys.readouterr().out


def test_real_questions(tokenizer_folder):
    report = report_of(
        real_data("KorQuAD_v1.0_dev.json"), tokenizer_folder, max_length=384, stride=128
    )
    assert (report["questions"], report["titles"], report["bad_answers"]) == (5774, 140, [])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["inspect", "absent.json"], "absent.json: no such file"),
        (["inspect", str(DATA / "squad.json"), "--model", "./absent"], "./absent: no such folder"),
        (["inspect", str(DATA / "squad.json"), "--stride", "200"], "--stride 200 must be below"),
        (["inspect", "sample:xx"], "'xx' is neither"),
        (["inspct"], "inspct: no such command; did you mean inspect?"),
    ],
)
def test_bad_input(argv, message):
    with pytest.raises(InputError) as raised:
        mrc.__main__.main(argv)
    assert message in str(raised.value)


def test_a_file_of_faults_alone(write):
    with pytest.raises(InputError, match="line 1, column 2"):
        mrc.__main__.main(["inspect", str(write("{\n{", "a.jsonl"))])


def test_help_lists_the_commands(capsys):
    mrc.__main__.main([])
    assert "inspect" in capsys.readouterr().out


def test_windows_beyond_the_models_positions_are_refused(encoder_folder, tokenizer_folder):
    data = str(DATA / "squad.json")
    with pytest.raises(InputError, match="--max-length 129 is above the 128 positions"):
        inspect(InspectConfig(data, model=str(encoder_folder), max_length=129))
    with pytest.raises(InputError, match="above the 512 positions"):
        inspect(InspectConfig("sample:en", max_length=513))
    # A tokenizer that comes without a model has no limit.
    assert inspect(InspectConfig(data, model=str(tokenizer_folder), max_length=1000))["windows"]
