"""The same questions in every form: files, folders, globs, standard input, hub data sets."""

import csv
import gzip
import io
import json
import os
import sys

import pytest
from conftest import DATA
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrc.data.examples import Answer, Example
from mrc.data.formats import is_hub_id
from mrc.data.loading import load_examples
from mrc.errors import InputError
from mrc.metrics.scoring import choose_scorer


@pytest.fixture(scope="module")
def questions():
    """Answerable, unanswerable and unlabeled questions in four languages, as Examples."""
    examples = [
        e
        for name in ("squad", "korquad", "squad_v2", "news_test")
        for e in load_examples(DATA / f"{name}.json")
    ]
    assert {e.is_impossible for e in examples} == {True, False}
    assert {e.is_labeled for e in examples} == {True, False}
    return examples


def flat(example, listed=False):
    """An example as `datasets` stores it, or with its answers as a list of objects."""
    record = {
        "id": example.id,
        "title": example.title,
        "context": example.context,
        "question": example.question,
    }
    if not example.is_labeled:
        return record
    answers = [{"text": a.text, "answer_start": a.start} for a in example.answers]
    columns = {
        "text": [a["text"] for a in answers],
        "answer_start": [a["answer_start"] for a in answers],
    }
    return {
        **record,
        "is_impossible": example.is_impossible,
        "answers": answers if listed else columns,
    }


def as_table(examples, delimiter, answers=json.dumps):
    names = ["id", "title", "context", "question", "is_impossible", "answers"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    for record in map(flat, examples):
        writer.writerow(
            {**record, **({"answers": answers(record["answers"])} if "answers" in record else {})}
        )
    return text.getvalue()


FORMS = {
    "list.json": lambda examples: json.dumps([flat(e) for e in examples]),
    "data.json": lambda examples: json.dumps(
        {"version": "x", "data": [flat(e, listed=True) for e in examples]}, indent=1
    ),
    "lines.jsonl": lambda examples: (
        "\r\n".join(json.dumps(flat(e), ensure_ascii=False) for e in examples) + "\r\n\r\n"
    ),
    "lines.ndjson": lambda examples: "\n".join(json.dumps(flat(e)) for e in examples),
    "lines_called.json": lambda examples: "\n".join(json.dumps(flat(e)) for e in examples),
    "paragraphs.jsonl": lambda examples: "\n".join(
        json.dumps({"title": e.title, "context": e.context, "qas": [flat(e)]}) for e in examples
    ),
    "articles.json": lambda examples: json.dumps(
        [
            {"title": e.title, "paragraphs": [{"context": e.context, "qas": [flat(e)]}]}
            for e in examples
        ]
    ),
    "table.csv": lambda examples: as_table(examples, ","),
    "table.tsv": lambda examples: as_table(examples, "\t"),
    "printed.csv": lambda examples: as_table(examples, ",", repr),
    "no_suffix": lambda examples: as_table(examples, ","),
    "no_suffix_either": lambda examples: "\n".join(json.dumps(flat(e)) for e in examples),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_holds_the_same_questions(questions, tmp_path, name, packed):
    content = b"\xef\xbb\xbf" + FORMS[name](questions).encode()
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content) if packed else content)
    assert load_examples(path) == questions


@pytest.mark.parametrize("name", ["data.json", "no_suffix", "no_suffix_either"])
def test_standard_input(questions, monkeypatch, name):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FORMS[name](questions).encode())))
    examples = load_examples("-")
    assert examples == questions
    assert examples.source == "standard input"


def test_one_question_alone(questions, write):
    assert load_examples(write(flat(questions[0]))) == questions[:1]


def test_answers_in_two_columns(write):
    rows = (
        "id,question,context,answer_text,answer_start\n"
        '1,When?,"Built in 1784, they say.",1784,9\n'
        "2,Who?,Nobody knows.,,\n"
    )
    assert load_examples(write(rows, "data.csv")) == [
        Example("1", "When?", "Built in 1784, they say.", (Answer("1784", 9),)),
        Example("2", "Who?", "Nobody knows."),
    ]


def test_folders_and_globs(questions, tmp_path):
    (tmp_path / "b.jsonl").write_text(FORMS["lines.jsonl"](questions[:3]), "utf-8")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(FORMS["table.csv"](questions[3:]).encode()))
    (tmp_path / "notes.txt").write_text("no data")
    # Files are read in the order of their names.
    assert load_examples(tmp_path) == questions[3:] + questions[:3]
    assert load_examples(tmp_path / "b*.jsonl") == questions[:3]
    other = {**flat(questions[2]), "question": "Another?"}
    (tmp_path / "c.json").write_text(json.dumps([other]))
    with pytest.raises(
        InputError, match=r"c.json: \[0\].id: '.*' is the id of .*b.jsonl: line 3 already"
    ):
        load_examples(tmp_path)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            *[
                st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
                    str.strip
                )
            ]
            * 2
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["list.json", "lines.jsonl", "table.csv", "table.tsv"]),
)
def test_any_text_is_read_as_it_is(tmp_path_factory, rows, name):
    """Quotes, NULs, line separators, right-to-left marks: offsets index what was written."""
    examples = [
        Example(str(n), question, context, (Answer(context[1:] or context, int(len(context) > 1)),))
        for n, (question, context) in enumerate(rows)
    ]
    if (
        sys.version_info < (3, 11)
        and name.startswith("table")
        and any("\0" in text for row in rows for text in row)
    ):
        # The csv module of Python 3.10 reads no NUL.
        return
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(FORMS[name](examples).encode())
    assert load_examples(path) == examples


def test_a_million_characters(tmp_path):
    context = "한국어 text 👩‍👩‍👧 " * 70_000
    example = Example("1", "?", context + "end", (Answer("end", len(context)),))
    for name in ("table.csv", "lines.jsonl"):
        (tmp_path / name).write_text(FORMS[name]([example]), "utf-8")
        assert load_examples(tmp_path / name) == [example]


GOOD = {
    "id": "1",
    "question": "When?",
    "context": "In 1784.",
    "answers": {"text": ["1784"], "answer_start": [3]},
}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", json.dumps(GOOD) + "\n{", "broken JSON at line 2, column 2"),
        (
            "a.jsonl",
            json.dumps(GOOD) + '\n{"id": "2"}',
            "line 2: the key 'context' is missing. Records hold",
        ),
        ("a.jsonl", "[1]", "line 1: must be an object with the key 'context', not a list"),
        ("a.json", "\n", "a.json: is empty"),
        ("a.jsonl", json.dumps({**GOOD, "context": " "}), "line 1.context: is empty"),
        (
            "a.jsonl",
            json.dumps({**GOOD, "question": None}),
            "line 1.question: must be a string, not null",
        ),
        (
            "a.jsonl",
            json.dumps(GOOD) + "\n\n" + json.dumps({**GOOD, "question": "Who?"}),
            "line 3.id: '1' is the id of",
        ),
        (
            "a.json",
            json.dumps([{**GOOD, "answers": {"text": 1.5, "answer_start": 3}}]),
            "[0].answers.text: must be a string or a whole number or a list, not a number",
        ),
        (
            "a.json",
            json.dumps([GOOD, {**GOOD, "id": 1.5}]),
            "[1].id: must be a string or a whole number, not a number",
        ),
        (
            "a.csv",
            "id,question,context\n1,When?",
            "row 2: has fewer cells than the header has names",
        ),
        (
            "a.csv",
            "id,question,context\n1,When?,c,d",
            "row 2: has more cells than the header has names",
        ),
        ("a.csv", 'id,question,context\n1,When?,"c', "broken CSV at line"),
        (
            "a.csv",
            "id,question,passage\n1,When?,c",
            "row 1: there is no column 'context'; rename 'passage' to 'context'.",
        ),
        (
            "a.csv",
            "a,b\n1,2",
            "row 1: there is no column 'question' or 'context'; it has 'a', 'b'",
        ),
        (
            "a.csv",
            "ID,Question,Context,Answer\n1,When?,c,c",
            "row 1: there is no column 'question' or 'context'; rename 'Question' to 'question', "
            "'Context' to 'context', 'ID' to 'id', 'Answer' to 'answer'.",
        ),
        ("a.csv", "id,question,context\n1,,c", "row 2.question: is empty"),
        (
            "a.csv",
            "id,question,context,is_impossible\n1,q,c,maybe",
            "row 2.is_impossible: must be true or false, not 'maybe'",
        ),
        (
            "a.csv",
            "id,question,context,answers\n1,q,c,{[1]: 2}",
            "row 2.answers: '{[1]: 2}' is not JSON of a known form",
        ),
        (
            "a.csv",
            "id,question,context,answers\n1,q,c,[print(1)]",
            "row 2.answers: '[print(1)]' is not JSON of a known form",
        ),
        (
            "a.tsv",
            "id\tquestion\tcontext\ttext\tanswer_start\n1\tq\tc\tc\tx",
            "row 2.answer_start: must be a whole number, not 'x'",
        ),
        ("a.json.gz", "not gzip", "broken JSON at line 1"),
    ],
)
def test_faults_are_named(write, name, content, message):
    path = write(content, name)
    with pytest.raises(InputError) as raised:
        load_examples(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


def test_gzip_that_is_cut_short(tmp_path):
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"[]" * 1000)[:-9])
    with pytest.raises(InputError, match="the gzipped content is damaged or incomplete"):
        load_examples(tmp_path / "a.json.gz")


def test_problems_are_collected_where_asked(write):
    lines = [
        json.dumps(GOOD),
        "{",
        json.dumps({**GOOD, "context": ""}),
        json.dumps({**GOOD, "question": "Who?"}),
        json.dumps({**GOOD, "id": "2"}),
    ]
    problems = []
    examples = load_examples(
        write("\n".join(lines), "a.jsonl"),
        on_problem=lambda error: problems.append(str(error)),
    )
    assert [e.id for e in examples] == ["1", "2"]
    assert [p.split(": ", 1)[1].split(":")[0] for p in problems] == [
        "broken JSON at line 2, column 2",
        "line 3.context",
        "line 4.id",
    ]


@pytest.mark.parametrize(
    ("source", "is_id"),
    [
        ("squad", True),
        ("klue:mrc", True),
        ("mlqa:mlqa-translate-train.vi", True),
        ("someone/data", True),
        ("./squad", False),
        ("/a/b", False),
        ("train.json", False),
        ("data/train.jsonl.gz", False),
        ("a/b/c", False),
        ("data/*.json", False),
        ("-", False),
        (str(DATA), False),
    ],
)
def test_what_is_a_hub_id(source, is_id):
    assert is_hub_id(source) == is_id


# What the `datasets` library makes and reads: data sets made here, in the hub's forms.


@pytest.fixture
def library(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="needs the extra hub")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    monkeypatch.chdir(tmp_path)
    return datasets


@pytest.fixture
def labeled(questions):
    return [e for e in questions if e.is_labeled]


def dataset_of(library, examples):
    return library.Dataset.from_list([flat(e) for e in examples])


def test_a_folder_of_save_to_disk(library, labeled):
    library.DatasetDict(
        train=dataset_of(library, labeled[:8]), validation=dataset_of(library, labeled[8:])
    ).save_to_disk("saved")
    assert load_examples("saved") == labeled[:8]
    assert load_examples("saved", usual_split="validation") == labeled[8:]
    assert load_examples("saved", split="train[:25%]") == labeled[:2]
    assert load_examples("saved", split="train[6:]+validation") == labeled[6:]
    with pytest.raises(
        InputError, match="saved: cannot give the split 'test'; it has train, validation"
    ):
        load_examples("saved", split="test")
    with pytest.raises(
        InputError, match="saved: has the splits train, validation; say which is meant"
    ):
        load_examples("saved", usual_split="test")
    dataset_of(library, labeled).save_to_disk("one")
    assert load_examples("one", usual_split="validation") == labeled
    os.remove("one/dataset_info.json")
    with pytest.raises(
        InputError, match=r"one: this folder of datasets.save_to_disk cannot be read"
    ):
        load_examples("one")


def test_hub_data_sets(library, labeled, tmp_path):
    """A folder as a repository on the hub is, with a name that could be a hub id."""
    folder = tmp_path / "klue"
    folder.mkdir()
    for split, part in (("train", labeled[:8]), ("validation", labeled[8:])):
        dataset_of(library, part).to_parquet(folder / f"{split}.parquet")
    files = "".join(
        f"  - split: {split}\n    path: {split}.parquet\n" for split in ("train", "validation")
    )
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: mrc\n  data_files:\n{files}---\n"
    )
    train = load_examples("klue:mrc")
    assert train == labeled[:8]
    assert train.version == "klue:mrc"
    assert choose_scorer(train) == "klue"
    assert load_examples("klue:mrc", usual_split="validation") == labeled[8:]
    assert load_examples("klue:mrc", split="train[:50%]") == labeled[:4]
    assert load_examples(folder / "validation.parquet") == labeled[8:]
    with pytest.raises(
        InputError, match=r"klue:absent: no such file, and no data set of that name could be loaded"
    ):
        load_examples("klue:absent")
    (folder / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load_examples(folder / "broken.parquet")


def test_what_the_library_writes(library, labeled):
    dataset = dataset_of(library, labeled)
    for write, name in ((dataset.to_json, "a.json"), (dataset.to_csv, "a.csv")):
        write(name)
        assert load_examples(name) == labeled


@pytest.mark.parametrize(
    ("name", "scorer"),
    [
        ("squad_kor_v1", "korquad"),
        ("klue:mrc", "klue"),
        ("mlqa:mlqa-translate-train.vi", "mlqa-vi"),
        ("mlqa:mlqa.de.en", "mlqa-de"),
        ("squad", "squad"),
    ],
)
def test_a_hub_data_set_says_how_it_is_scored(labeled, name, scorer):
    examples = load_examples(DATA / "squad.json")
    examples.source = examples.version = name
    assert choose_scorer(examples) == scorer


def test_a_hub_data_set_that_cannot_be_had():
    pytest.importorskip("datasets", reason="needs the extra hub")
    with pytest.raises(
        InputError,
        match="squad_kor_v1: no such file, and no data set of that name could be loaded from "
        "the Hugging Face hub",
    ):
        load_examples("squad_kor_v1")


def test_without_the_library_an_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        InputError, match=r'needs the package datasets: pip install "mrc-reader\[hub\]"'
    ):
        load_examples("squad_v2")


def test_a_file_has_no_splits():
    with pytest.raises(
        InputError,
        match=r"squad.json: is read whole; a split such as 'train\[:10%\]' can be taken of "
        "a hub data set",
    ):
        load_examples(DATA / "squad.json", split="train[:10%]")
