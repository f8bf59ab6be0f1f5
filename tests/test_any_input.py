"""Whatever is given as data: it is read, or refused in one sentence, and never ends in a crash."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrc.data import load_examples
from mrc.errors import InputError

KEYS = (
    *("version", "data", "title", "paragraphs", "context", "qas", "id", "guid", "question"),
    *("answers", "text", "answer_text", "answer_start", "is_impossible"),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["context", "con", '{"text": ["c"], "answer_start": [0]}']),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    ),
    max_leaves=20,
)
# Mostly right, so that the faults lie deep.
ANSWERS = st.one_of(
    VALUES,
    st.lists(st.fixed_dictionaries({"text": SCALARS, "answer_start": SCALARS}), max_size=2),
    st.fixed_dictionaries(
        {
            "text": st.lists(SCALARS, max_size=2),
            "answer_start": st.lists(SCALARS, max_size=2),
        }
    ),
)
RECORDS = st.fixed_dictionaries(
    {
        "id": st.integers(0, 3) | SCALARS,
        "context": st.just("context") | SCALARS,
        "question": st.just("?") | SCALARS,
    },
    optional={"answers": ANSWERS, "is_impossible": SCALARS, "title": VALUES},
)


def is_one_sentence(error):
    return "\n" not in str(error) and str(error).endswith((".", "?"))


def load(source):
    """The examples, twice: with an error for the first fault, and with all faults collected."""
    problems = []
    kept = None
    try:
        kept = load_examples(source, on_problem=problems.append)
    except InputError as error:
        problems.append(error)
    assert all(map(is_one_sentence, problems))
    if problems:
        with pytest.raises(InputError) as raised:
            load_examples(source)
        assert str(raised.value) == str(problems[0])
    else:
        assert load_examples(source) == kept
    return kept


@settings(deadline=None)
@given(VALUES | st.lists(RECORDS, max_size=3))
def test_json(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("any") / "data.json"
    path.write_text(json.dumps(value))
    load(path)


@settings(deadline=None)
@given(st.lists(VALUES | RECORDS, max_size=3) | st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_memory(source):
    load(source)


@settings(deadline=None, max_examples=50)
@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_data_frames(records):
    pandas = pytest.importorskip("pandas")
    load(pandas.DataFrame(records, dtype=object))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=6),
    st.text(max_size=40),
    st.sampled_from([".csv", ".tsv", ".jsonl", ""]),
)
def test_tables_and_lines(tmp_path_factory, header, text, suffix):
    path = tmp_path_factory.mktemp("any") / f"data{suffix or '.unknown'}"
    delimiter = "\t" if suffix == ".tsv" else ","
    path.write_bytes(f"{delimiter.join(header)}\n{text}".encode(errors="surrogatepass"))
    load(path)


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from([".json", ".csv", ".jsonl", ".json.gz"]))
def test_bytes(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("any") / f"data{suffix}"
    path.write_bytes(content)
    load(path)
