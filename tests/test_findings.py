"""Nothing in data is ignored in silence: answers in any form, made ids, unused keys, no data."""

import csv
import gzip
import io
import json
import sys
import warnings

import pytest
from conftest import DATA, real_data
from hypothesis import given
from hypothesis import strategies as st

import mrc
from mrc.config.train import TrainConfig
from mrc.data.examples import Answer, read_examples
from mrc.data.findings import NOT_FOUND
from mrc.data.loading import load_examples, load_questions, load_run_data
from mrc.errors import InputError

CONTEXT = "Bobby met Bob in Rome in 1784. Bob left."
BOB = (Answer("Bob", 10),)

FORMS = {
    "answer": {"answer": "Bob"},
    "answers_text": {"answers": "Bob"},
    "answers_texts": {"answers": ["Bob"]},
    "columns_without_starts": {"answers": {"text": ["Bob"]}},
    "object_without_start": {"answers": {"text": "Bob"}},
    "list_without_start": {"answers": [{"text": "Bob"}]},
    "null_start": {"answers": [{"text": "Bob", "answer_start": None}]},
    "answer_text": {"answer_text": "Bob"},
    "answer_text_and_spaces": {"answer_text": " Bob "},
    "flattened": {"answers.text": ["Bob"]},
}
# In a table, the cell `answer` is a text, brackets or not.
NOT_IN_TABLES = {
    "answer_object": {"answer": {"text": "Bob"}},
    "answer_list": {"answer": ["Bob"]},
}
WITH_START = {
    "object": {"answers": {"text": "Bob", "answer_start": 10}},
    "text_and_start": {"answers": "Bob", "answer_start": 10},
    "answer_and_start": {"answer": "Bob", "answer_start": 10},
    "answer_text_and_start": {"answer_text": "Bob", "answer_start": 10},
    "text_field_and_start": {"text": "Bob", "answer_start": 10},
    "texts_and_starts": {"answers": ["Bob"], "answer_start": [10]},
    "texts_and_a_start": {"answers": {"text": ["Bob"], "answer_start": 10}},
    "flattened": {"answers.text": ["Bob"], "answers.answer_start": [10]},
}


def record(identity="1", **more):
    return {"id": identity, "question": "Who?", "context": CONTEXT, **more}


def as_csv(records, delimiter=","):
    names = list(dict.fromkeys(name for row in records for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter=delimiter)
    writer.writeheader()
    for row in records:
        cells = {k: json.dumps(v) if isinstance(v, (list, dict)) else v for k, v in row.items()}
        writer.writerow(cells)
    return text.getvalue()


def nested(records):
    return {"data": [{"title": "", "paragraphs": [{"context": CONTEXT, "qas": records}]}]}


@pytest.fixture(params=["json", "nested", "jsonl", "csv", "tsv", "semicolons", "list", "frame"])
def read(request, write):
    """Read some records in one of the forms of data."""

    def read(records, **settings):
        if request.param == "frame":
            source = pytest.importorskip("pandas").DataFrame(records)
        else:
            source = {
                "json": lambda: write(records),
                "nested": lambda: write(nested(records)),
                "jsonl": lambda: write("\n".join(map(json.dumps, records)), "data.jsonl"),
                "csv": lambda: write(as_csv(records), "data.csv"),
                "tsv": lambda: write(as_csv(records, "\t"), "data.tsv"),
                "semicolons": lambda: write(as_csv(records, ";"), "data.csv"),
                "list": lambda: records,
            }[request.param]()
        return read_examples(source, **settings)

    return read


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_without_its_place_is_found(read, form):
    examples = read([record(**FORMS[form])])
    assert examples[0].answers == BOB
    assert examples.report() == (
        f"{examples.source}: 1 answer had no answer_start and was found in its context; 1 occurs "
        "several times, the first place is taken."
    )


@pytest.mark.parametrize("form", WITH_START)
def test_an_answer_with_its_place(read, form):
    examples = read([record(**WITH_START[form])])
    assert examples[0].answers == BOB
    assert examples.report() == ""


@pytest.mark.parametrize("form", NOT_IN_TABLES)
def test_a_field_answer_with_more_than_a_text(write, form):
    assert load_examples(write([record(**NOT_IN_TABLES[form])]))[0].answers == BOB


@pytest.mark.parametrize("form", [*FORMS, *NOT_IN_TABLES, *WITH_START])
def test_parquet_and_datasets(tmp_path, form):
    datasets = pytest.importorskip("datasets", reason="needs the extra hub")
    answers = {**FORMS, **NOT_IN_TABLES, **WITH_START}[form]
    dataset = datasets.Dataset.from_list([record(**answers)])
    dataset.to_parquet(tmp_path / "data.parquet")
    assert read_examples(dataset)[0].answers == BOB
    assert read_examples(tmp_path / "data.parquet")[0].answers == BOB


def test_the_news_set_has_answers_as_one_object(write):
    qas = [record("1", answers={"text": "1784", "answer_start": 25}, question_type=1)]
    article = {
        "title": "",
        "news_category": "",
        "source": "",
        "paragraphs": nested(qas)["data"][0]["paragraphs"],
    }
    examples = load_examples(write({"data": [article]}))
    assert examples[0].answers == (Answer("1784", 25),)
    assert examples.report() == ""


def test_an_answer_that_is_nowhere_is_a_bad_answer(read):
    records = [record(answer="Alice")]
    for policy in ("repair", "skip"):
        examples = read(records, on_bad_answer=policy)
        assert examples[0].answers == (Answer("Alice", NOT_FOUND),)
        assert not examples.trainable()
        assert "answers not in their context: 1 found nowhere; first" in examples.report()
        assert "('Alice' without answer_start)" in examples.report()
    with pytest.raises(InputError, match="'Alice' does not stand in the context; correct it"):
        read(records, on_bad_answer="error")


def test_a_word_of_its_own_comes_before_a_part_of_one():
    texts = {"Bob": 10, "ob": 1, "Bobb": 0, "17": 25, "me": 6, "in": 14}
    for text, start in texts.items():
        assert load_examples([record(answer=text)])[0].answers == (Answer(text, start),)
    korean = {"id": "1", "question": "?", "context": "대한민국에서 한국은 한국인", "answer": "한국"}
    assert load_examples([korean])[0].answers == (Answer("한국", 7),)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)


@given(TEXT, st.integers(0, 10), st.integers(1, 10))
def test_any_part_of_a_context_is_found(context, start, length):
    text = context[start : start + length].strip()
    examples = read_examples([{"question": "?", "context": context, "answers": [text]}])
    if not text:
        assert not examples[0].is_labeled
        return
    (answer,) = examples[0].answers
    assert context.startswith(answer.text, answer.start)
    assert answer.text == text
    assert ("several times" in examples.report()) == (context.find(text) != context.rfind(text))


def test_numbers_that_pandas_has_read_are_texts():
    pandas = pytest.importorskip("pandas")
    table = "id,question,context,answer\n1,When?,In 1784.,1784\n2,Who?,Nobody knows.,\n"
    examples = read_examples(pandas.read_csv(io.StringIO(table)))
    assert examples[0].answers == (Answer("1784", 3),)
    assert not examples[1].is_labeled


@pytest.mark.parametrize(
    "answers",
    [
        {"answer": 1784},
        {"answers": 1784},
        {"answers": [1784]},
        {"answers": {"text": 1784}},
        {"answers": [{"text": 1784, "answer_start": 25}]},
    ],
)
def test_a_year_without_quotation_marks_is_a_text(write, answers):
    assert load_examples(write([record(**answers)]))[0].answers == (Answer("1784", 25),)


@pytest.mark.parametrize(
    "answers",
    [
        {"answer": "Bob"},
        {"answers": ["", "Bob"]},
        {"answers": {"text": ["Bob"], "answer_start": [10]}},
        {"answers": [{"text": "Bob", "answer_start": 10}]},
    ],
)
def test_an_answer_to_an_unanswerable_question_is_told(read, answers):
    examples = read([record("1", is_impossible=True, **answers)])
    assert examples[0].answers == ()
    assert "1 question is marked is_impossible: true beside an answer" in examples.report()


@pytest.mark.parametrize(
    "answers",
    [
        {"answer": " "},
        {"answers": []},
        {"answers": {"text": [], "answer_start": []}},
        {"answers": [], "plausible_answers": [{"text": "Bob", "answer_start": 10}]},
    ],
)
def test_no_answer_to_an_unanswerable_question_is_no_news(read, answers):
    assert read([record("1", is_impossible=True, **answers)]).report() == ""


def test_an_empty_answer_is_no_answer_and_is_told():
    examples = load_examples([record("1", answer=""), record("2", answers=["", "Rome"])])
    assert not examples[0].is_labeled
    assert examples[1].answers == (Answer("Rome", 17),)
    assert "2 answers without text passed over" in examples.report()


def test_texts_in_brackets(write):
    cells = "id,question,context,answer\n1,Which?,See [12].,[12]\n"
    assert load_examples(write(cells, "a.csv"))[0].answers == (Answer("[12]", 4),)


# Ids


def test_ids_are_made_from_the_content(read):
    records = [
        {"question": "Who?", "context": CONTEXT, "answer": "Rome"},
        {"question": "Where?", "context": CONTEXT, "answer": "Rome"},
        {"question": "Who?", "context": CONTEXT, "answer": "1784"},
    ]
    examples = read(records)
    first, _, again = (example.id for example in examples)
    assert len({example.id for example in examples}) == 3
    assert again == f"{first}-2"
    assert f"{examples.source}: no id: 3 ids made from the content." in examples.report()
    assert [e.id for e in read(records)] == [e.id for e in examples]
    # In any form and company: predictions for a file belong to its labeled twin.
    assert load_examples([{"question": "Who?", "context": CONTEXT}])[0].id == first


@pytest.mark.parametrize("missing", [{}, {"id": None}, {"id": ""}])
def test_some_ids_may_be_missing(missing):
    examples = load_examples([record("a"), {"question": "?", "context": CONTEXT, **missing}])
    assert examples[0].id == "a"
    assert examples[1].id
    assert "no id: 1 id made" in examples.report()


def test_rows_with_one_id_are_answers_of_one_question(read):
    rows = [record("1", answer="Rome"), record("2", answer="Bob"), record("1", answer="1784")]
    examples = read([*rows, rows[0]])
    assert [example.id for example in examples] == ["1", "2"]
    assert examples[0].answers == (Answer("Rome", 17), Answer("1784", 25))
    assert "2 records repeated the id, question and context of another" in examples.report()


# Keys


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("anwsers", "answers"),
        ("Answer", "answer"),
        ("answers_text", "answer_text"),
        ("label", "answers"),
        ("is_imposible", "is_impossible"),
    ],
)
def test_a_misspelled_key_is_named(read, key, meant):
    records = [record("1", **{key: "Bob"}), record("2", **{key: "Bob"})]
    examples = read(records)
    assert not examples[0].is_labeled
    (sentence,) = examples.report().splitlines()
    said = f"2 records have '{key}', which is not used; did you mean '{meant}'?"
    assert sentence == f"{examples.source}: {said}"


def test_a_key_that_is_misspelled_once_is_named_with_its_place(write):
    path = write([record("1", answer="Bob", answer_start=10), record("2", answer="Bob", start=10)])
    report = load_examples_quietly(path).report()
    assert f"{path}: [1]: 'start' is not used; did you mean 'answer_start'?" in report


def test_other_keys_are_named_together_and_once(read):
    records = [record(str(n), answer="Rome", lang="en", split="a") for n in range(3)]
    examples = read(records)
    assert f"{examples.source}: not used: 'lang', 'split'." in examples.report().splitlines()


def test_keys_of_answers_paragraphs_articles_and_files(write):
    answer = {"text": "Rome", "anwser_start": 17}
    paragraph = {"context": CONTEXT, "lang": "en", "qas": [record(answers=[answer])]}
    content = {"data": [{"author": "x", "paragraphs": [paragraph]}], "licence": "y"}
    report = load_examples_quietly(write(content)).report()
    assert "answers[0]: 'anwser_start' is not used; did you mean 'answer_start'?" in report
    assert "not used: 'licence', 'author', 'lang'." in report


def load_examples_quietly(source):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_examples(source)


def test_python_users_are_warned():
    with pytest.warns(UserWarning, match="'anwsers' is not used; did you mean 'answers'"):
        mrc.load_examples([record(anwsers="Bob")])


def test_a_run_without_labels_says_why():
    config = TrainConfig(train_file=[record(anwsers="Bob")])
    with pytest.raises(
        InputError, match=r"no question that can be trained on\. .* did you mean 'answers'"
    ):
        load_run_data(config)


def test_a_run_without_answers_says_where_they_are_read_from(write):
    path = write([{"question": "Who?", "context": CONTEXT} for _ in range(3)])
    with pytest.raises(InputError) as raised:
        load_run_data(TrainConfig(train_file=str(path)))
    assert str(raised.value) == (
        f"{path}: holds no question that can be trained on: it holds no answers; they are read "
        "from 'answers', 'answer' or 'answer_text' (found: question, context)."
    )


def test_a_run_whose_answers_stand_nowhere_says_so(write):
    path = write([record(str(n), answer="Zed" if n else "ROME") for n in (3, 2, 1, 0)])
    with pytest.raises(InputError) as raised:
        load_run_data(TrainConfig(train_file=str(path)))
    assert str(raised.value) == (
        f"{path}: holds no question that can be trained on: none of its 4 answers stands in its "
        "context; first [0].answer 'Zed'; 1 would be found if case were ignored: write them as "
        "in the context."
    )


@pytest.mark.parametrize(("good", "warning"), [(3, "warning: "), (20, "")])
def test_questions_that_are_left_out_are_counted(good, warning):
    records = [record(str(n), answer="Rome") for n in range(good)]
    records += [record("a", answer="ROME"), record("b", answer="Zed"), record("c")]
    data = load_run_data(TrainConfig(train_file=records))
    assert data.left_out == (
        f"{warning}3 of {good + 3} questions are left out: 1 without an answer, 2 whose answer "
        "does not stand in the context; 1 would be found if case were ignored: write them as in "
        "the context."
    )


def test_well_known_sets_make_no_noise(write, tmp_path):
    for name in ("squad", "korquad", "squad_v2", "news_test"):
        assert load_examples(DATA / f"{name}.json").report() == ""
    klue = record(
        answers={"text": ["Rome"], "answer_start": [17]},
        guid="g",
        question_type=1,
        plausible_answers=None,
        is_impossible=False,
        source="s",
        news_category="n",
        title="t",
    )
    assert load_examples([klue]).report() == ""
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame([record(answers="Rome", answer_start=17)]).to_csv(tmp_path / "a.csv")
    assert load_examples(tmp_path / "a.csv").report() == ""


@pytest.mark.parametrize("name", ["KorQuAD_v1.0_dev", "xquad.en", "xquad.ru", "xquad.vi"])
def test_real_sets_make_no_noise(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_examples(real_data(f"{name}.json")).report() == ""


# Files that hold no questions


@pytest.mark.parametrize("orient", ["columns", "split", "index"])
def test_columns_of_pandas_are_called_so(tmp_path, orient):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([record("1", answer="Bob"), record("2", answer="Rome")])
    path = tmp_path / "data.json"
    frame.to_json(path, orient=orient)
    with pytest.raises(InputError, match=r"a pandas DataFrame; .* to_json\(orient='records'\)"):
        load_examples(path)
    frame.to_json(path, orient="records")
    assert len(load_examples(path)) == 2


def test_korean_in_another_encoding_is_called_so(tmp_path):
    path = tmp_path / "ko.csv"
    path.write_bytes("question,context\n어디?,서울에 있다\n".encode("cp949"))
    with pytest.raises(InputError, match=r"reads as CP949 .* iconv -f cp949 -t utf-8"):
        load_examples(path)
    path.write_bytes("question,context\nOù ?,Né à Orléans\n".encode("latin-1"))
    with pytest.raises(InputError, match="is not UTF-8; convert the file to UTF-8"):
        load_examples(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("README.md", b"# The mill\n\nText, with commas.\n", "begins with '# The mill'"),
        ("README", b"[![badge](x)](y)\n\ntext\n", "begins with '[![badge](x)](y)'"),
        ("page.html", b"\n<!DOCTYPE html>\n<html></html>", "is an HTML page"),
        ("train.json", b"<html><body>Not found</body></html>", "is an HTML page"),
        ("train.csv", b"<?xml version='1.0'?><a/>", "is XML"),
        ("train.json", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00\x00", "is a PNG image"),
        ("a.json", b"%PDF-1.7\n", "is a PDF"),
        ("table.xlsx", b"PK\x03\x04\x14\x00", "is a ZIP archive, as .xlsx and .docx are"),
        ("data", b"PAR1\x15\x04", "is Parquet; give it a name that ends in .parquet"),
        ("a.csv", "id,question,context".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.csv", b"", "is empty"),
        ("notes.txt", b"just text", "begins with 'just text'"),
        ("text.py", b'"""Text, with quotes: a context"""\n', "begins with '"),
        ("loop.py", b"import torch\n", "begins with 'import torch'"),
        ("data", b"\xff\x00\x01", "byte 0 is not UTF-8"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_files_of_another_kind_are_called_so(tmp_path, name, content, message, packed):
    path = tmp_path / f"{name}.gz" if packed else tmp_path / name
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError) as raised:
        load_examples(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)
    assert "row" not in str(raised.value)
    assert "CSV at" not in str(raised.value)


def test_standard_input_of_another_kind(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"# Notes\n\n- one, two\n")))
    with pytest.raises(InputError, match="standard input: is not a data file: it begins with '# N"):
        load_questions("-")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "data"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        load_examples(path)
    assert str(raised.value).startswith(f"{path}: ")
