"""`python -m mrc ask`, as it is used."""

import io
import json
from pathlib import Path

import pytest
from conftest import fails

from mrc.__main__ import main
from mrc.commands.shown import in_sentence, show
from mrc.commands.texts import Text
from mrc.reader.reader import Reader
from mrc.runtime.device import choose_device

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
        assert device == choose_device("auto")
        assert dtype == "fp32"
        return reader

    monkeypatch.setattr(Reader, "from_pretrained", classmethod(from_pretrained))


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


def test_several_texts(reader, reader_folder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = "It was a rainy day in Harrow Bend."
    Path("mill.txt").write_text(CONTEXT, encoding="utf-8")
    Path("empty.txt").write_text(" \n", encoding="utf-8")
    expected = reader.read(QUESTION, [other, CONTEXT], top_k=3)
    argv = ["ask", str(reader_folder), "--question", QUESTION, "--context", other]
    # Behind one flag or two, by the path of a file or with an @.
    for more in (["mill.txt"], ["--context", "mill.txt"], ["@mill.txt"]):
        main([*argv, *more, "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["answers"] == expected
        assert found["passages"] == ["text 1", "mill.txt"]
    main([*argv, "mill.txt"])
    lines = capsys.readouterr().out.splitlines()
    names = [found["passages"][answer["passage"]] for answer in expected]
    assert lines[0].startswith(f"{names[0]}: ")
    assert [line.rpartition("  (")[2] for line in lines[1:]] == [f"{name})" for name in names]
    assert "empty.txt: is empty" in fails([*argv, "empty.txt"], capsys)


def test_texts_are_loaded_and_added(reader_folder, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(CONTEXT, encoding="utf-8")
    Path("b c.txt").write_text("Rain fell.", encoding="utf-8")
    typed = [
        ':load a.txt "b c.txt"',
        QUESTION,
        ":load b c.txt",
        ":add a.txt",
        ":show",
        ':load "a.txt',
        ":top 0",
        ":help",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(typed)))
    main(["ask", str(reader_folder)])
    out = capsys.readouterr().out
    both = f"2 texts, {len(CONTEXT) + 10} characters.\n"
    assert out.count(both) == 2
    assert "10 characters.\n" in out
    assert "  (a.txt)\n" in out
    assert f"--- b c.txt\nRain fell.\n--- a.txt\n{CONTEXT}\n" in out
    assert "error: :load: a quotation mark is not closed." in out
    assert "error: :top needs a number" in out
    assert out.rstrip().endswith(":quit           quit (or press Ctrl-D)")
    assert ":show           show these texts" in out


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
    assert "error: :what: no such command" in out
    assert ":load FILE ...  read a text" in out
    assert "Type a question" in out
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
    assert in_sentence(CONTEXT, start, start + len(answer), bold=False) == shown
    assert f"\033[1m{answer}\033[0m" in in_sentence(CONTEXT, start, start + len(answer), bold=True)


def test_long_sentences_and_no_answer():
    text = "word " * 400
    shown = in_sentence(text, 1000, 1004, bold=False)
    assert len(shown) < 350
    assert shown.startswith("… ")
    assert shown.endswith(" …")
    assert "[word]" in shown
    nothing = [{"score": 0.5, "start": 0, "end": 0, "answer": "", "passage": None}]
    assert "does not answer" in show([Text("a", text)], nothing, bold=False)
    assert "No text answers this" in show([Text("a", text), Text("b", text)], nothing, bold=False)


def test_what_a_text_does_to_a_terminal_is_escaped():
    text = Text("a", "Red \x1b[31mink\x1b[0m.")
    answer = {"score": 0.5, "start": 4, "end": 12, "answer": text.content[4:12]}
    assert show([text], [answer], bold=False).splitlines() == [
        "Red [\\x1b[31mink]\\x1b[0m.",
        "   50.0 %  \\x1b[31mink",
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--question", "x"], "--question needs a --context"),
        (["--json"], "--json needs --question"),
        (["--context", "notes.txt"], "--context notes.txt: no such file; give the path of a file"),
        (["--context", "./notes"], "--context ./notes: no such file"),
        (["--context", "a b", "c d", "--scoring", "n_best"], "give one --context"),
        (["--question", "x", "--context", "@absent"], "absent: no such file"),
        (["--question", " ", "--context", "x"], "the question is empty"),
        (["--max-length", "4096"], "--max-length 4096: the model has 512 positions"),
        (["--max-length", "64", "--stride", "60"], "--stride 60: too large"),
        (["--top-k", "0"], "--top-k 0: must be at least 1"),
        (["--scoring", "n_best", "--align-to-words"], "--align-to-words needs --scoring pipeline"),
    ],
)
def test_bad_input_to_ask(reader_folder, capsys, argv, message):
    assert message in fails(["ask", reader_folder, *argv], capsys)
