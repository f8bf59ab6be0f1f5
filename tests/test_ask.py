"""`python -m mrc ask` and `python -m mrc predict`, as they are used."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA

from mrc.__main__ import main
from mrc.commands import ask, evaluate, predict
from mrc.data.examples import load_examples
from mrc.errors import command_line
from mrc.reader.reader import Reader

CONTEXT = (
    "It rains. The old mill at Harrow Bend was built in 1784 by the miller Josiah Crane.\n"
    "It burned down later."
)
QUESTION = "When was the mill built?"


@pytest.fixture(autouse=True)
def loaded(monkeypatch, reader, reader_folder):
    """Hand out the one reader of all tests instead of loading it each time.

    Loading from a folder is tested with the Reader.
    """

    def from_pretrained(cls, checkpoint, device, dtype, **trust):
        assert Path(checkpoint) == reader_folder
        assert device == "auto"
        assert dtype == "fp32"
        return reader

    monkeypatch.setattr(Reader, "from_pretrained", classmethod(from_pretrained))


def fails(argv, capsys):
    with pytest.raises(SystemExit) as raised, command_line("mrc"):
        main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.startswith("mrc: error: ")
    assert error.count("\n") == 1
    return error


def test_a_question_on_the_command_line(reader, reader_folder, capsys, tmp_path):
    (tmp_path / "text.txt").write_text(CONTEXT, encoding="utf-8-sig")
    (tmp_path / "windows.txt").write_bytes(b"\r\n" + CONTEXT.encode())
    expected = reader(question=QUESTION, context=CONTEXT, top_k=3)
    for context in (CONTEXT, f"@{tmp_path / 'text.txt'}"):
        main(["ask", str(reader_folder), "--question", QUESTION, "--context", context, "--json"])
        assert json.loads(capsys.readouterr().out) == {"question": QUESTION, "answers": expected}
    main(
        [
            "ask",
            str(reader_folder),
            "--question",
            QUESTION,
            "--context",
            f"@{tmp_path / 'windows.txt'}",
            "--json",
        ]
    )
    assert [a["start"] for a in json.loads(capsys.readouterr().out)["answers"]] == [
        a["start"] + 2 for a in expected
    ]
    main(["ask", str(reader_folder), "--question", QUESTION, "--context", CONTEXT, "--top-k", "2"])
    lines = capsys.readouterr().out.splitlines()
    # The table shows an answer on one line.
    best, second = (" ".join(answer["answer"].split()) for answer in expected[:2])
    assert f"[{best}]" in lines[0]
    assert len(lines) == 3
    assert lines[1].split(" %")[0].strip() == f"{100 * expected[0]['score']:.1f}"
    assert lines[2].endswith(second)


def test_a_conversation(reader, reader_folder, capsys, monkeypatch, tmp_path):
    (tmp_path / "text.txt").write_text(CONTEXT, encoding="utf-8")
    typed = [
        "The first text",
        "has two lines.",
        "",
        "How many?",
        ":top 1",
        "How many?",
        ":load absent.txt",
        ":load -",
        f":load {tmp_path / 'text.txt'}",
        QUESTION,
        ":paste",
        "Another",
        "",
        "text",
        ".",
        ":show",
        ":what",
        "",
        "   ",
        ":quit",
        "never read",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed) + "\n"))
    main(["ask", str(reader_folder)])
    out = capsys.readouterr().out
    assert "29 characters." in out
    assert "error: absent.txt: no such file" in out
    assert f"{len(CONTEXT)} characters." in out
    assert "error: :load needs the name of a file" in out
    assert "Another\n\ntext" in out
    assert ":load FILE   read a text" in out
    best = " ".join(reader(question=QUESTION, context=CONTEXT)["answer"].split())
    assert f"[{best}]" in out
    assert "never read" not in out
    # Three answers, and one each after `:top 1`.
    assert out.count(" %  ") == 3 + 1 + 1


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("1784", "The old mill at Harrow Bend was built in [1784] by the miller Josiah Crane."),
        ("rains", "It [rains]."),
        ("burned", "It [burned] down later."),
    ],
)
def test_the_sentence_of_an_answer(answer, shown):
    start = CONTEXT.index(answer)
    assert ask.in_sentence(CONTEXT, start, start + len(answer), bold=False) == shown
    assert f"\033[1m{answer}\033[0m" in ask.in_sentence(
        CONTEXT, start, start + len(answer), bold=True
    )


def test_long_sentences_and_no_answer():
    text = "word " * 400
    shown = ask.in_sentence(text, 1000, 1004, bold=False)
    assert len(shown) < 350
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "[word]" in shown
    assert "does not answer" in ask.show(
        text, [{"score": 0.5, "start": 0, "end": 0, "answer": ""}], bold=False
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--question", "x"], "--question needs a --context"),
        (["--json"], "--json needs --question"),
        (["--question", "x", "--context", "@absent"], "absent: no such file"),
        (["--question", " ", "--context", "x"], "the question is empty"),
        (["--max-length", "4096"], "--max-length 4096: the model has 512 positions"),
        (["--max-length", "64", "--stride", "60"], "--stride 60: too large"),
        (["--top-k", "0"], "--top-k 0: must be at least 1"),
    ],
)
def test_bad_input_to_ask(reader_folder, capsys, argv, message):
    assert message in fails(["ask", reader_folder, *argv], capsys)


def test_predictions_in_every_form(reader, reader_folder, tmp_path, capsys):
    data = DATA / "squad.json"
    examples = load_examples(DATA / "squad.json")
    expected = reader(examples, top_k=2)
    for suffix in ("json", "jsonl", "csv"):
        several = [] if suffix == "json" else ["--top-k", "2"]
        output = tmp_path / f"out.{suffix}"
        main(
            [
                "predict",
                str(reader_folder),
                "--data",
                str(data),
                "--output",
                str(output),
                "--part-size",
                "3",
                *several,
            ]
        )
        shown = capsys.readouterr().out
        assert f"{len(examples)} questions in 3 parts\n" in shown
        assert f"answers      {output}" in shown
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == {
        e.id: reader(e)["answer"] for e in examples
    }
    records = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    ]
    assert [(r["id"], r["answer"], len(r["answers"])) for r in records] == [
        (e.id, a[0]["answer"], 2) for e, a in zip(examples, expected, strict=False)
    ]
    rows = list(csv.DictReader((tmp_path / "out.csv").open(encoding="utf-8", newline="")))
    assert [(r["id"], int(r["rank"]), r["answer"]) for r in rows] == [
        (e.id, n + 1, a["answer"])
        for e, two in zip(examples, expected, strict=False)
        for n, a in enumerate(two)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.json", "out.jsonl"]
    # The command that predict suggests next.
    evaluate.main(["--predictions", str(tmp_path / "out.json"), "--data", str(data)])
    assert "EM " in capsys.readouterr().out


def test_n_best_predictions_are_those_of_evaluate(reader_folder, tmp_path, monkeypatch):
    monkeypatch.undo()
    data = str(DATA / "squad.json")
    main(
        [
            "predict",
            str(reader_folder),
            "--data",
            data,
            "--output",
            str(tmp_path / "out.json"),
            "--scoring",
            "n_best",
            "--max-answer-length",
            "30",
        ]
    )
    evaluate.main(
        [
            "--checkpoint",
            str(reader_folder),
            "--data",
            data,
            "--output-dir",
            str(tmp_path / "evaluated"),
        ]
    )
    assert json.loads((tmp_path / "out.json").read_text()) == json.loads(
        (tmp_path / "evaluated" / "predictions.json").read_text()
    )


def test_an_interrupted_prediction_goes_on(reader, reader_folder, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out.json"
    argv = [
        "predict",
        str(reader_folder),
        "--data",
        str(DATA / "squad.json"),
        "--output",
        str(output),
        "--part-size",
        "2",
    ]
    asked = []
    answer_part = predict.answer_part

    def interrupted(reader, settings, examples, path):
        asked.extend(example.id for example in examples)
        if len(asked) == 6:
            raise KeyboardInterrupt
        answer_part(reader, settings, examples, path)

    monkeypatch.setattr(predict, "answer_part", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(argv)
    assert not output.exists()
    assert len(list((tmp_path / "out.json.parts").glob("part-*.jsonl"))) == 2
    assert "with other questions, settings or weights" in fails(
        [*argv, "--max-answer-length", "9"], capsys
    )
    main(argv)
    assert "2 of them already answered" in capsys.readouterr().out
    examples = load_examples(DATA / "squad.json")
    # Only the third part was begun again.
    assert asked == [e.id for e in examples[:6]] + [e.id for e in examples[4:]]
    assert json.loads(output.read_text("utf-8")) == {e.id: reader(e)["answer"] for e in examples}
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
    ],
)
def test_bad_input_to_predict(reader_folder, tmp_path, monkeypatch, capsys, argv, message):
    monkeypatch.chdir(tmp_path)
    assert message in fails(["predict", reader_folder, *argv], capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_processes_share_the_questions(reader, reader_folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = Path(__file__).parents[1]
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        str(port),
        "-m",
        "mrc",
        "predict",
        str(reader_folder),
        "--data",
        "sample:en",
        "--max-eval-examples",
        "50",
        "--output",
        str(tmp_path / "out.jsonl"),
        "--part-size",
        "8",
    ]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr
    assert "50 questions in 7 parts" in done.stdout
    assert all(f"part {n}/7" in done.stdout for n in range(1, 8))
    from mrc.data.sample import load_sample

    examples = load_sample("sample:en", "validation")[:50]
    records = [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    ]
    assert [(r["id"], r["answer"]) for r in records] == [
        (e.id, a["answer"]) for e, a in zip(examples, reader(examples), strict=False)
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
