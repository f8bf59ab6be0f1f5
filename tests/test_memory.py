"""Data in memory: lists, Datasets and DataFrames hold the same examples as a file of theirs."""

import io
import json

import numpy as np
import pytest
from conftest import DATA
from hypothesis import given, settings
from hypothesis import strategies as st
from test_formats import as_table, flat

from mrc.config.train import TrainConfig
from mrc.data import Answer, Example, ExampleList, load_data, load_examples, load_questions
from mrc.data.loading import (
    data_hashes,
    describe_source,
    load_run_data,
    load_training_data,
    load_validation_data,
)
from mrc.data.memory import is_in_memory
from mrc.errors import InputError

FILES = ("squad", "korquad", "squad_v2", "news_test")


@pytest.fixture(scope="module")
def questions():
    """Answerable, unanswerable and unlabeled questions."""
    return [example for name in FILES for example in load_examples(DATA / f"{name}.json")]


@pytest.fixture(scope="module")
def labeled(questions):
    return [example for example in questions if example.is_labeled]


def paragraph(example):
    return {"title": example.title, "context": example.context, "qas": [flat(example)]}


def article(example):
    return {"title": example.title, "paragraphs": [paragraph(example)]}


LISTS = {
    "flat": flat,
    "listed": lambda example: flat(example, listed=True),
    "paragraphs": paragraph,
    "articles": article,
    "examples": lambda example: example,
}


@pytest.mark.parametrize("form", LISTS)
@pytest.mark.parametrize("kind", [list, tuple, ExampleList])
def test_lists(questions, form, kind):
    examples = load_examples(kind(map(LISTS[form], questions)))
    assert examples == questions
    assert examples.source == f"{len(questions)} records in memory"


def test_a_squad_file_that_is_parsed_already():
    content = json.loads((DATA / "squad.json").read_text("utf-8"))
    examples = load_examples(content)
    assert examples == load_examples(DATA / "squad.json")
    assert examples.version == "1.1"


def test_examples_keep_what_is_known_of_them():
    loaded = load_examples(DATA / "korquad.json")
    again = load_examples(loaded)
    assert again == loaded
    assert (again.source, again.version) == (loaded.source, loaded.version)


def test_bad_answers_of_examples_are_known_once(write):
    answers = {"text": ["1784", "x"], "answer_start": [0, 1]}
    record = {"id": "1", "question": "?", "context": "in 1784", "answers": answers}
    loaded = load_examples(write([record]))
    assert len(loaded.bad_answers) == 2
    assert load_examples(loaded).bad_answers == loaded.bad_answers
    assert load_examples([record]).bad_answers[0].where == "record 0.answers[0]"


@pytest.mark.parametrize("format", [None, "numpy", "pandas"])
def test_datasets(labeled, format):
    datasets = pytest.importorskip("datasets", reason="needs the extra hub")
    dataset = datasets.Dataset.from_list([flat(e) for e in labeled]).with_format(format)
    examples = load_examples(dataset)
    assert examples == labeled
    assert examples.source == f"{len(labeled)} records in memory"
    assert load_examples(dataset.to_iterable_dataset()) == labeled


def test_splits_of_a_dataset_dict(labeled):
    datasets = pytest.importorskip("datasets", reason="needs the extra hub")
    both = datasets.DatasetDict(
        train=datasets.Dataset.from_list([flat(e) for e in labeled[:4]]),
        validation=datasets.Dataset.from_list([flat(e) for e in labeled[4:]]),
    )
    assert load_examples(both) == labeled[:4]
    assert load_data(both) == labeled[4:]
    assert load_examples(both, split="train[:50%]") == labeled[:2]
    with pytest.raises(InputError, match="has the splits train, validation; say which is meant"):
        load_examples(both, usual_split="test")
    with pytest.raises(InputError, match="train_file: cannot give the split 'test'"):
        load_examples(both, split="test", name="train_file")


def test_data_frames(questions):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([flat(e) for e in questions])
    assert frame["is_impossible"].isna().any()
    assert load_examples(frame) == questions
    listed = pandas.DataFrame([flat(e, listed=True) for e in questions])
    assert load_examples(listed[::-1]) == questions[::-1]


def test_data_frames_of_files(questions, labeled, tmp_path):
    pandas = pytest.importorskip("pandas")
    table = io.StringIO(as_table(questions, ","), newline="")
    assert load_examples(pandas.read_csv(table)) == questions
    pytest.importorskip("pyarrow")
    # Parquet gives the lists of texts and starts back as arrays.
    pandas.DataFrame([flat(e) for e in labeled]).to_parquet(tmp_path / "data.parquet")
    assert load_examples(pandas.read_parquet(tmp_path / "data.parquet")) == labeled


def test_a_data_frame_with_answers_in_two_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "id": [1, 2],
            "question": ["When?", "Who?"],
            "context": ["Built in 1784, they say.", "Nobody knows."],
            "answer_text": ["1784", None],
            # Floating point, because one is missing.
            "answer_start": [9, np.nan],
        }
    )
    assert load_examples(frame) == [
        Example("1", "When?", "Built in 1784, they say.", (Answer("1784", 9),)),
        Example("2", "Who?", "Nobody knows."),
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
ROWS = st.lists(
    st.tuples(TEXT, TEXT, st.sampled_from(["answer", "none", "bare"]), st.sampled_from(["", "t"])),
    min_size=1,
    max_size=5,
)


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_any_text_in_any_form(rows):
    datasets = pytest.importorskip("datasets", reason="needs the extra hub")
    pandas = pytest.importorskip("pandas")
    examples = []
    for n, (question, context, kind, title) in enumerate(rows):
        start = len(context) // 2
        answers = (Answer(context[start:], start),) if kind == "answer" else ()
        examples.append(Example(str(n), question, context, answers, kind == "none", title))
    records = [flat(e) for e in examples]
    assert load_examples(records) == examples
    assert load_examples(examples) == examples
    assert load_examples(pandas.DataFrame(records)) == examples
    labeled = [e for e in examples if e.is_labeled]
    dataset = datasets.Dataset.from_list([flat(e) for e in labeled])
    assert load_examples(dataset) == labeled
    forms = [dataset, pandas.DataFrame([flat(e) for e in labeled]), labeled]
    assert len({describe_source(form) for form in forms}) == 1


GOOD = {
    "id": np.int64(1),
    "question": "When?",
    "context": "In 1784.",
    "answers": {"text": np.array(["1784"]), "answer_start": np.array([3])},
    "title": float("nan"),
}


def test_numpy_values_and_nan():
    assert load_examples([GOOD]) == [Example("1", "When?", "In 1784.", (Answer("1784", 3),))]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([GOOD, {**GOOD, "id": "2", "context": ""}], "record 1.context: is empty"),
        ([{**GOOD, "question": None}], "record 0.question: must be a string, not null"),
        (
            [GOOD, {**GOOD, "question": "Who?"}],
            "record 1.id: '1' is the id of train_file: record 0 already",
        ),
        (["squad"], "record 0: must be an object with the key 'context', not a string"),
        (
            [{**GOOD, "answers": [{"text": "1784", "answer_start": "3"}]}],
            "record 0.answers[0].answer_start: must be a whole number, not a string",
        ),
    ],
)
def test_faults_are_named(source, message):
    with pytest.raises(InputError) as raised:
        load_examples(source, name="train_file")
    assert str(raised.value).startswith(f"train_file: {message}")
    with pytest.raises(InputError) as raised:
        load_examples(source)
    assert str(raised.value).startswith(message.replace("train_file: ", ""))


@pytest.mark.parametrize("source", [7, iter([GOOD]), {1}, b"train.json"])
def test_what_is_no_data(source):
    with pytest.raises(InputError, match=r"data: cannot be read from .*; give a path, a hub id"):
        load_examples(source)


def test_faults_of_a_data_frame():
    pandas = pytest.importorskip("pandas")
    row = {"id": "1", "question": "q", "context": "c", "answer_text": "c", "answer_start": "x"}
    with pytest.raises(InputError, match=r"record 0.answer_start: must be a whole number, not 'x'"):
        load_examples(pandas.DataFrame([row]))
    with pytest.raises(InputError, match=r"record 0: the key 'question' is missing"):
        load_examples(pandas.DataFrame([{**row, "question": None, "answer_start": 0}]))


def test_problems_are_collected():
    problems = []
    source = [GOOD, {**GOOD, "context": ""}, {**GOOD, "id": 2}]
    examples = load_examples(source, on_problem=lambda error: problems.append(str(error)))
    assert [e.id for e in examples] == ["1", "2"]
    assert problems == ["record 1.context: is empty."]


def test_there_are_no_splits_of_a_list():
    with pytest.raises(InputError, match="is read whole; a split such as 'train'"):
        load_examples([GOOD], split="train")


def test_questions_to_answer(questions):
    assert load_questions([flat(e) for e in questions], count=2) == questions[:2]
    with pytest.raises(InputError, match="0 records in memory: holds no question"):
        load_questions([])


def test_the_parts_of_a_run(labeled):
    records = [flat(e) for e in labeled]
    config = TrainConfig(train_file=records, validation_file=labeled[:3])
    train, validation = load_training_data(config)
    assert (train, validation) == (labeled, labeled[:3])
    assert load_validation_data(config) == labeled[:3]
    assert load_validation_data(TrainConfig(train_file=records)) is None
    with pytest.raises(InputError, match=r"validation_file: record 0.id: must be"):
        load_training_data(TrainConfig(train_file=records, validation_file=[{**GOOD, "id": 1.5}]))


def test_a_run_counts_what_it_leaves_out(questions, labeled):
    config = TrainConfig(train_file=[flat(e) for e in questions], max_train_examples=3)
    data = load_run_data(config)
    assert data.train == labeled[:3]
    count = len(questions) - len(labeled)
    assert f"{count} of {len(questions)} questions" in data.left_out
    assert data.validation is None


def test_a_frame_as_training_data(labeled):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([flat(e) for e in labeled])
    config = TrainConfig(train_file=frame, validation_fraction=0.3)
    train, validation = load_training_data(config)
    assert sorted(e.id for e in [*train, *validation]) == sorted(e.id for e in labeled)
    assert load_validation_data(config) == validation


def test_what_a_run_records_of_its_data(labeled):
    records = [flat(e) for e in labeled]
    described = describe_source(records)
    assert described.startswith(f"in memory ({len(labeled)} records, sha256 ")
    assert described == describe_source(labeled)
    changed = [{**records[0], "question": "Another?"}, *records[1:]]
    assert describe_source(changed) != described
    assert describe_source("train.json") == "train.json"
    assert describe_source(DATA) == str(DATA)
    assert describe_source(None) is None
    # What was in memory cannot be loaded from what is recorded of it.
    with pytest.raises(InputError, match=r"train_file: .*; give the same data again"):
        load_training_data(TrainConfig(train_file=described))


def test_hashes_tell_whether_data_is_the_same(labeled):
    records = [flat(e) for e in labeled]
    file = str(DATA / "squad.json")
    hashes = data_hashes(TrainConfig(train_file=records, validation_file=file))
    assert list(hashes) == ["train_file", file]
    assert hashes["train_file"][:12] in describe_source(records)
    moved = {**records[0], "answers": {"text": ["Harrow"], "answer_start": [1]}}
    others = data_hashes(TrainConfig(train_file=[moved, *records[1:]], validation_file=file))
    assert others[file] == hashes[file]
    assert others["train_file"] != hashes["train_file"]


def test_what_is_in_memory():
    assert [is_in_memory(source) for source in ("squad", DATA, None)] == [False] * 3
    assert [is_in_memory(source) for source in ([], {}, (), ExampleList())] == [True] * 4
