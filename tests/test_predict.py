"""`python -m mrc predict`: the answers of `mrc evaluate`, in every form, in parts."""

import csv
import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA, fails

import mrc
from mrc.__main__ import main
from mrc.commands import evaluate, predict
from mrc.data.loading import load_examples
from mrc.data.sample import load_sample

SQUAD = DATA / "squad.json"


def run(reader_folder, output, *argv, data=SQUAD):
    main(["predict", str(reader_folder), "--data", str(data), "--output", str(output), *argv])


def evaluated(reader_folder, folder, *argv, data=SQUAD):
    """What evaluate.py answers, and its scores."""
    evaluate.main(
        [
            "--checkpoint",
            str(reader_folder),
            "--data",
            str(data),
            "--output-dir",
            str(folder),
            *argv,
        ]
    )
    return [
        json.loads((folder / name).read_text("utf-8"))
        for name in ("predictions.json", "metrics.json")
    ]


def records(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("squad.json", []),
        # Windows of 64 tokens: each context has several.
        ("squad.json", ["--max-length", "64", "--stride", "16", "--max-question-length", "24"]),
        # Data with unanswerable questions, for a reader that says nothing of them.
        ("squad_v2.json", []),
        ("squad_v2.json", ["--null-threshold", "-1000"]),
        ("korquad.json", ["--max-answer-length", "3", "--precision", "bf16"]),
    ],
)
def test_predict_and_evaluate_answer_alike(reader_folder, tmp_path, capsys, name, argv):
    data = DATA / name
    run(reader_folder, tmp_path / "out.json", "--part-size", "2", *argv, data=data)
    printed = capsys.readouterr().out
    predictions, metrics = evaluated(reader_folder, tmp_path / "evaluated", *argv, data=data)
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == predictions
    if "-1000" in argv:
        assert set(predictions.values()) == {""}

    # The command that predict suggests next gives the same scores.
    command = printed.splitlines()[-1].removeprefix("Next: mrc evaluate ")
    scored = mrc.evaluate(mrc.EvalConfig(**flags_of(command)))
    for score in ("exact_match", "exact", "f1"):
        assert scored.get(score) == metrics.get(score)


def flags_of(command):
    """{setting: value} of a command line."""
    words = shlex.split(command)
    names = [word.removeprefix("--").replace("-", "_") for word in words[::2]]
    values = [int(word) if word.isdigit() else word for word in words[1::2]]
    return dict(zip(names, values, strict=True))


def test_the_next_command_scores_the_same_questions_in_the_same_way(
    reader_folder, tmp_path, capsys
):
    run(reader_folder, tmp_path / "my out.csv", "--max-eval-examples", "4", "--split", "validation",
        data="sample:en")  # fmt: skip
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == (
        f"Next: mrc evaluate --predictions '{tmp_path}/my out.csv' --data sample:en "
        "--split validation --max-eval-examples 4"
    )


def test_a_scorer_of_the_run_is_named_in_the_next_command(reader_folder, tmp_path, capsys):
    folder = tmp_path / "reader"
    folder.mkdir()
    for file in reader_folder.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "mrc.json").write_text(json.dumps({"config": {"scorer": "mlqa-vi"}}))
    for scoring in ("n_best", "pipeline"):
        run(folder, tmp_path / f"{scoring}.json", "--scoring", scoring)
        assert capsys.readouterr().out.endswith(f"--data {SQUAD} --scorer mlqa-vi\n")


def test_the_answers_for_people_come_with_a_flag(reader, reader_folder, tmp_path):
    examples = load_examples(SQUAD)
    run(reader_folder, tmp_path / "out.json", "--scoring", "pipeline")
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == {
        e.id: reader(e)["answer"] for e in examples
    }
    run(reader_folder, tmp_path / "bare.json", "--scoring", "pipeline", "--no-align-to-words")
    assert json.loads((tmp_path / "bare.json").read_text("utf-8")) == {
        e.id: reader(e, align_to_words=False)["answer"] for e in examples
    }


def test_predictions_in_every_form(reader_folder, tmp_path, capsys):
    examples = load_examples(SQUAD)
    for suffix in ("json", "jsonl", "csv"):
        several = [] if suffix == "json" else ["--top-k", "2"]
        output = tmp_path / f"out.{suffix}"
        run(reader_folder, output, "--part-size", "3", *several)
        shown = capsys.readouterr().out
        assert f"{len(examples)} questions in 3 parts\n" in shown
        assert f"answers      {output}" in shown
    best = json.loads((tmp_path / "out.json").read_text("utf-8"))
    lines = records(tmp_path / "out.jsonl")
    assert {line["id"]: line["answer"] for line in lines} == best
    for line, example in zip(lines, examples, strict=True):
        assert len(line["answers"]) == 2
        assert line["answers"][0]["score"] >= line["answers"][1]["score"]
        for answer in line["answers"]:
            assert example.context[answer["start"] : answer["end"]] == answer["answer"]
    assert [(r["id"], int(r["rank"]), r["answer"]) for r in rows(tmp_path / "out.csv")] == [
        (line["id"], n + 1, answer["answer"])
        for line in lines
        for n, answer in enumerate(line["answers"])
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json", "out.jsonl"]
    # evaluate.py reads each of them.
    scores = [
        mrc.evaluate(mrc.EvalConfig(predictions=str(path), data=str(SQUAD)))["f1"]
        for path in tmp_path.iterdir()
    ]
    assert len(set(scores)) == 1
    assert scores[0] > 0


def test_a_threshold_needs_questions_without_an_answer(reader_folder, tmp_path, capsys):
    argv = ["predict", reader_folder, "--data", SQUAD, "--output", tmp_path / "out.json"]
    argv += ["--null-threshold", "-1000"]
    assert "neither the reader nor the data knows questions" in fails(argv, capsys)
    main([str(a) for a in [*argv, "--handle-impossible-answer", "yes"]])
    assert set(json.loads((tmp_path / "out.json").read_text("utf-8")).values()) == {""}


def test_what_is_more_than_the_n_best_is_refused(reader_folder, tmp_path, capsys):
    argv = ["predict", reader_folder, "--data", SQUAD, "--output", tmp_path / "out.jsonl"]
    error = fails([*argv, "--top-k", "21"], capsys)
    assert "--top-k 21: 20 answers are weighed per question; add --n-best 21" in error
    assert list(tmp_path.iterdir()) == []
    main([str(a) for a in [*argv, "--top-k", "21", "--n-best", "21"]])
    assert len(records(tmp_path / "out.jsonl")[0]["answers"]) == 21


def test_a_submission_has_the_columns_that_it_needs(reader_folder, tmp_path, capsys):
    run(reader_folder, tmp_path / "all.json")
    best = json.loads((tmp_path / "all.json").read_text("utf-8"))
    capsys.readouterr()
    run(reader_folder, tmp_path / "out.csv", "--columns", "Id=id,Predicted=answer")
    shown = capsys.readouterr().out
    assert "Next:" not in shown
    assert "note:" not in shown
    text = (tmp_path / "out.csv").read_text("utf-8")
    assert text.startswith("Id,Predicted\n") or text.startswith("Id,Predicted\r\n")
    assert {row["Id"]: row["Predicted"] for row in rows(tmp_path / "out.csv")} == best
    run(reader_folder, tmp_path / "out.jsonl", "--columns", "guid=id, text = answer, start")
    assert "note:" not in capsys.readouterr().out
    # Names that mrc evaluate does not know.
    run(reader_folder, tmp_path / "named.csv", "--columns", "Nr=id,Reply=answer")
    shown = capsys.readouterr().out
    assert "note: mrc evaluate --predictions needs the id under one of the names id, " in shown
    lines = records(tmp_path / "out.jsonl")
    assert [list(line) for line in lines] == [["guid", "text", "start"]] * len(best)
    assert {line["guid"]: line["text"] for line in lines} == best


@pytest.mark.parametrize(
    ("output", "columns", "message"),
    [
        (
            "x.csv",
            "Id=id,Predicted=anwser",
            "--columns Id=id,Predicted=anwser: there is no 'anwser' to write; did you mean "
            "'answer'? There is id, question, rank, answer, score, start, end.",
        ),
        ("x.csv", "Id=title", "there is no 'title' to write. There is"),
        ("x.jsonl", "rank", "There is id, question, answer, score, start, end, answers."),
        ("x.csv", "Id=id,Id=answer", "'Id' is there twice"),
        ("x.csv", "Id=", "'Id'"),
        ("x.json", "Id=id", "--columns and --output x.json: write .csv or .jsonl"),
    ],
)
def test_columns_that_cannot_be_written(reader_folder, capsys, output, columns, message):
    argv = ["predict", reader_folder, "--data", SQUAD, "--output", output, "--columns", columns]
    assert message in fails(argv, capsys)


def test_an_interrupted_prediction_goes_on(reader_folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out.json"
    asked = []
    answer_part = predict.answer_part

    def interrupted(answerer, examples, path):
        asked.extend(example.id for example in examples)
        if len(asked) == 6:
            raise KeyboardInterrupt
        return answer_part(answerer, examples, path)

    monkeypatch.setattr(predict, "answer_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(reader_folder, output, "--part-size", "2")
    assert not output.exists()
    assert len(list((tmp_path / "out.json.parts").glob("part-*.jsonl"))) == 2
    argv = ["predict", reader_folder, "--data", SQUAD, "--output", output, "--part-size", "2"]
    for other in (["--max-answer-length", "9"], ["--scoring", "pipeline"]):
        assert "with other questions, settings or weights" in fails([*argv, *other], capsys)
    run(reader_folder, output, "--part-size", "2", "--batch-size", "1")
    assert "2 of them already answered" in capsys.readouterr().out
    examples = load_examples(SQUAD)
    # Only the third part was begun again.
    assert asked == [e.id for e in examples[:6]] + [e.id for e in examples[4:]]
    predictions, _ = evaluated(reader_folder, tmp_path / "evaluated")
    assert json.loads(output.read_text("utf-8")) == predictions
    assert "already exists" in fails(argv, capsys)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--data is needed"),
        (["--data", "sample"], "--output is needed"),
        (["--data", "sample", "--output", "x.txt"], "end the name in .json, .jsonl or .csv"),
        (
            ["--data", "sample", "--output", "x.json", "--top-k", "2"],
            ".json holds one answer per question",
        ),
        (["--data", "sample", "--output", "absent/x.json"], "the folder absent does not exist"),
        (["--data", "absent.json", "--output", "x.json"], "absent.json: no such file"),
        (
            ["--data", "sample", "--output", "x.json", "--align-to-words"],
            "--align-to-words needs --scoring pipeline",
        ),
        (
            ["--data", "sample", "--output", "x.json", "--scoring", "pipeline", "--n-best", "9"],
            "--n-best needs --scoring n_best",
        ),
    ],
)
def test_bad_input_to_predict(reader_folder, tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails(["predict", reader_folder, *argv], capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_share_the_questions(reader_folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parents[1]
    torchrun = "torch.distributed.run --nproc-per-node 2 --master-port"
    command = [sys.executable, "-m", *torchrun.split(), str(port), "-m", "mrc", "predict"]
    flags = ["--data", "sample:en", "--max-eval-examples", "50", "--part-size", "8"]
    done = subprocess.run(
        [*command, str(reader_folder), *flags, "--output", str(tmp_path / "out.jsonl")],
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    assert "50 questions in 7 parts" in done.stdout
    assert all(f"part {n}/7" in done.stdout for n in range(1, 8))
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    predictions, _ = evaluated(
        reader_folder, tmp_path / "evaluated", "--max-eval-examples", "50", data="sample:en"
    )
    examples = load_sample("sample:en", "validation")[:50]
    lines = records(tmp_path / "out.jsonl")
    assert [(line["id"], line["answer"]) for line in lines] == [
        (e.id, predictions[e.id]) for e in examples
    ]
