"""Answers of any program are read in the usual forms, and scored or refused with a reason."""

import csv
import gzip
import io
import json

import pytest
from conftest import DATA
from hypothesis import given
from hypothesis import strategies as st

import mrc
from mrc.commands import evaluate
from mrc.commands.answer_files import read_answers
from mrc.data.loading import load_examples
from mrc.errors import InputError, command_line

SQUAD = str(DATA / "squad.json")
SQUAD_V2 = str(DATA / "squad_v2.json")
RIGHT = {e.id: e.answers[0].text for e in load_examples(SQUAD)}


def scores(predictions, data=SQUAD, **settings):
    return mrc.evaluate(mrc.EvalConfig(predictions=str(predictions), data=data, **settings))


def fails(capsys, *argv):
    """evaluate.py's one line on standard error."""
    with pytest.raises(SystemExit) as raised, command_line("evaluate.py"):
        evaluate.main([str(a) for a in argv])
    error = capsys.readouterr().err
    assert raised.value.code == 2
    assert error.count("\n") == 1
    return error


def table(header, rows, **style):
    buffer = io.StringIO()
    writer = csv.writer(buffer, **style)
    writer.writerows([header, *rows])
    return buffer.getvalue()


def lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


# A file's name, and answers (id -> text) to its content.
FORMS = {
    "object.json": json.dumps,
    "hugging_face.json": lambda answers: json.dumps(
        [{"id": i, "prediction_text": text} for i, text in answers.items()]
    ),
    "lines.jsonl": lambda answers: lines(
        {"id": i, "question": "Who?", "answer": text, "score": 0.5} for i, text in answers.items()
    ),
    "lines.json": lambda answers: lines({"guid": i, "text": t} for i, t in answers.items()),
    "several.csv": lambda answers: table(
        ["id", "question", "rank", "answer"],
        [[i, "", n, t] for i, text in answers.items() for n, t in ((1, text), (2, "other"))],
    ),
    "submission.csv": lambda answers: "\ufeff" + table(["Id", "Predicted"], answers.items()),
    "table.tsv": lambda answers: table(
        ["question_id", "prediction"], answers.items(), delimiter="\t"
    ),
    "table": lambda answers: table(["id", "answer"], answers.items()),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("is_gzipped", [False, True])
def test_answers_come_in_every_form(tmp_path, name, is_gzipped):
    content = FORMS[name](RIGHT).encode()
    path = tmp_path / (f"{name}.gz" if is_gzipped else name)
    path.write_bytes(gzip.compress(content) if is_gzipped else content)
    result = scores(path)
    assert result["exact_match"] == 100
    assert (result["missing"], result["foreign"]) == (0, 0)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(
    answers=st.dictionaries(texts.filter(bool), texts, min_size=2, max_size=5),
    name=st.sampled_from(sorted(FORMS)),
)
def test_every_form_keeps_every_character(tmp_path_factory, answers, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(FORMS[name](answers).encode())
    assert read_answers(str(path)).texts == answers


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


@given(
    content=st.text(max_size=40)
    | anything.map(json.dumps)
    | st.lists(anything.map(json.dumps), max_size=3).map("\n".join)
    | st.text('id,\t\n"answer1 \0', max_size=40).map("id,answer\n".__add__),
    name=st.sampled_from(sorted(FORMS)),
)
def test_whatever_a_file_holds_ends_in_answers_or_one_sentence(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    try:
        problem = ""
        answers = read_answers(str(path)).texts
    except InputError as error:
        problem = str(error)
        answers = {}
    assert all(isinstance(text, str) for text in answers.values())
    assert answers or str(path) in problem
    assert "\n" not in problem


def test_probabilities_come_with_the_answers_or_beside_them(tmp_path, write, capsys):
    answers = {"v2-1": "1784", "v2-2": "Eli Crane"}
    probabilities = {"v2-1": 0.2, "v2-2": 0.9}
    records = [
        {"id": i, "prediction_text": text, "no_answer_probability": probabilities[i]}
        for i, text in answers.items()
    ]
    header = ["id", "prediction_text", "no_answer_probability"]
    beside = write(answers, "p.json"), str(write(probabilities, "na.json"))
    within = [
        write(records, "r.json"),
        write(table(header, [list(record.values()) for record in records]), "r.csv"),
    ]
    for threshold in (None, 0.5):
        expected = scores(beside[0], SQUAD_V2, na_probs=beside[1], null_threshold=threshold)
        assert expected["best_exact"] == 100
        assert expected["exact"] == (50 if threshold is None else 100)
        for file in within:
            assert scores(file, SQUAD_V2, null_threshold=threshold) == expected

    argv = ["--data", SQUAD_V2, "--predictions", within[0]]
    assert "has such probabilities itself" in fails(capsys, *argv, "--na-probs", beside[1])
    threshold = ["--data", SQUAD_V2, "--predictions", beside[0], "--null-threshold", "0.5"]
    assert "says no probabilities of no answer; add --na-probs FILE" in fails(capsys, *threshold)
    del records[1]["no_answer_probability"]
    argv[-1] = write(records, "r.json")
    assert "r.json: has no probability for question 'v2-2'" in fails(capsys, *argv)
    # A question that is missing has no probability, whether it counts or not.
    argv[-1] = write([{**records[0]}], "r.json")
    for scorer in ("squad", "squad_v2"):
        evaluate.main([*map(str, argv), "--scorer", scorer])


def test_ids_on_one_side_only_are_counted_and_shown(write, capsys):
    answers = {"v2-1": "1784", "a": "x", "b": "y"}
    assert scores(write(answers), SQUAD_V2)["total"] == 1
    shown = capsys.readouterr().out
    assert "missing      questions without a prediction: 1, 'v2-2'; left out\n" in shown
    assert "predictions for ids that are not in the data: 2, such as 'a'; unused\n" in shown
    result = scores(write(answers), SQUAD_V2, scorer="squad")
    assert (result["total"], result["missing"], result["foreign"]) == (2, 1, 2)
    assert "without a prediction: 1, 'v2-2'; scored as wrong\n" in capsys.readouterr().out
    argv = ["--data", SQUAD_V2, "--predictions", write({"a": "x"})]
    error = fails(capsys, *argv)
    assert "answers none of the questions of" in error
    assert "The first are 'a' and 'v2-1'." in error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", '"text"', "p.json: must be an object of question id -> answer"),
        ("p.json", {"1": 2}, "the value of '1' must be a string"),
        ("p.json", [{"id": "1", "reply": "x"}], "[0]: has none of the fields prediction_text, "),
        ("p.json", [{"id": "1", "reply": "x"}], "; there is id, reply."),
        ("p.json", [{"id": "1", "answer": None}], "[0]: 'answer' must be a text"),
        ("p.json", ["x"], "[0]: must be an object with an id and an answer"),
        ("p.json", [], "p.json: holds no answer"),
        ("p.json", "", "p.json: is empty"),
        ("p.jsonl", '{"id": 1, "answer": ""}\n{"id"', "broken JSON at line 2"),
        ("p.jsonl", '{"id": 1, "answer": ""}\n{"id": 1, "answer": ""}', "'1' is answered at"),
        ("p.csv", "id,answer\n1,a\n1,b\n", "row 3: '1' is answered at"),
        ("p.csv", "id,answer\n1\n", "row 2: has fewer cells than the header has names"),
        ("p.csv", 'id,answer\n1,"a\n', "broken CSV"),
        ("p.csv", "question,answer\n1,a\n", "has a column id or guid or qid or question_id; it "),
        ("p.csv", "id,question\n1,a\n", "row 2: has none of the fields prediction_text, answer"),
        ("README.md", "# mrc\n\nWords, words\n", "is neither JSON nor a table of answers"),
        ("p.csv", "id,answer,no_answer_probability\n1,a,x\n", "'no_answer_probability' must be"),
        ("p.csv", "id,answer,no_answer_probability\n1,a,nan\n", "'no_answer_probability' must be"),
    ],
)
def test_what_cannot_be_read_is_named(write, capsys, name, content, message):
    path = write(content, name)
    assert message in fails(capsys, "--predictions", path, "--data", SQUAD)


@pytest.fixture
def runs(tmp_path):
    """Two runs: one has been evaluated once, the other twice."""
    for folder, answers in (
        ("a/best-on-dev", dict.fromkeys(RIGHT, "x")),
        ("b/best-on-dev", RIGHT),
        ("b/best-on-test", RIGHT),
    ):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "predictions.json").write_text(json.dumps(answers))
    for checkpoint in ("a/best", "b/best"):
        (tmp_path / checkpoint).mkdir()
        (tmp_path / checkpoint / "model.safetensors").touch()
    return tmp_path


@pytest.mark.parametrize(
    "first", ["a", "a/best", "a/best-on-dev", "a/best-on-dev/predictions.json"]
)
def test_runs_and_folders_of_results_are_compared(runs, capsys, first):
    second = str(runs / "b" / "best-on-test")
    result = mrc.evaluate(mrc.EvalConfig(compare=[str(runs / first), second], data=SQUAD))
    assert result["only_b_exact"] == len(RIGHT)
    assert f"A {runs}/a/best-on-dev/predictions.json\nB {second}" in capsys.readouterr().out
    assert scores(runs / first)["exact_match"] == 0


def test_which_results_of_a_run_are_meant_has_to_be_said(runs, capsys):
    for several in (runs / "b", runs / "b" / "best"):
        error = fails(capsys, "--compare", runs / "a", several, "--data", SQUAD)
        assert f"{several}: was evaluated 2 times; name one of {runs}/b/best-on-dev, " in error
    (runs / "c").mkdir()
    error = fails(capsys, "--predictions", runs / "c", "--data", SQUAD)
    assert f"{runs}/c: holds no predictions.json; mrc evaluate --checkpoint {runs}/c" in error
