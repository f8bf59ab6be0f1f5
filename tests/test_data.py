"""What a run is trained and scored on: splits that keep contexts and articles whole."""

import pytest
from conftest import DATA, real_data
from hypothesis import given
from hypothesis import strategies as st

import mrc
from mrc.config.train import TrainConfig
from mrc.data.examples import Answer, Example, ExampleList
from mrc.data.loading import (
    bad_answer_records,
    load_data,
    load_examples,
    load_training_data,
)
from mrc.data.splitting import leak_warning, split_examples
from mrc.errors import InputError

ROWS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), min_size=2, max_size=40)


def examples_of(rows):
    return ExampleList(
        [
            Example(str(n), "?", f"context {context}", (), False, f"title {title}" if title else "")
            for n, (context, title) in enumerate(rows)
        ],
        source="rows",
    )


@given(ROWS, st.floats(0.01, 0.99), st.integers(0, 3))
def test_no_context_is_on_both_sides_and_no_title_unless_it_is_said(rows, fraction, seed):
    examples = examples_of(rows)
    if len({e.context for e in examples}) == 1:
        with pytest.raises(InputError, match="rows: all its questions are on one context"):
            split_examples(examples, fraction, seed)
        return
    train, validation = split_examples(examples, fraction, seed)
    assert train
    assert validation
    assert sorted(train + validation, key=lambda e: int(e.id)) == examples
    assert not {e.context for e in train} & {e.context for e in validation}
    shared = {e.title for e in train if e.title} & {e.title for e in validation}
    assert ("on both sides" in validation.report()) == bool(shared)
    assert (train, validation) == split_examples(examples, fraction, seed)
    assert leak_warning(train, validation) == ""


def test_few_articles_are_divided_between_contexts():
    """Four articles of 75 questions, five on each context: a tenth is 30, and no article."""
    examples = examples_of([(n // 5, 1 + n // 75) for n in range(300)])
    for seed in range(5):
        train, validation = split_examples(examples, 0.1, seed)
        assert len(validation) == 30
        assert not {e.context for e in train} & {e.context for e in validation}
        assert validation.report().startswith(
            "rows: 30 of 300 questions set aside by whole contexts"
        )
        assert train.report() == ""


def test_articles_that_come_near_the_share_stay_whole():
    examples = examples_of([(n // 5, 1 + n // 10) for n in range(300)])
    train, validation = split_examples(examples, 0.1, 1)
    assert len(validation) == 30
    assert not {e.title for e in train} & {e.title for e in validation}
    assert validation.report() == ""


def test_a_share_that_no_contexts_make_is_told():
    train, validation = split_examples(examples_of([(n // 50, 0) for n in range(100)]), 0.1, 1)
    assert (len(train), len(validation)) == (50, 50)
    assert validation.report() == (
        "rows: 50 of 100 questions set aside: the contexts are too few to come nearer."
    )


def test_the_share_is_about_what_was_asked():
    examples = examples_of([(n, 0) for n in range(200)])
    for fraction in (0.1, 0.25, 0.5):
        assert len(split_examples(examples, fraction, 1)[1]) == 200 * fraction
    ids = [tuple(e.id for e in split_examples(examples, 0.1, seed)[1]) for seed in range(5)]
    assert len(set(ids)) == 5


def test_real_articles_stay_whole():
    examples = load_examples(real_data("KorQuAD_v1.0_dev.json"))
    train, validation = split_examples(examples, 0.1, 42)
    assert 0.08 < len(validation) / len(examples) < 0.12
    assert train.version == validation.version == examples.version
    assert not {e.title for e in train} & {e.title for e in validation}


def test_leaks_are_counted():
    train = examples_of([(1, 0), (2, 0)])
    validation = examples_of([(2, 0), (2, 0), (3, 0)])
    warning = leak_warning(train, validation)
    assert warning.startswith("warning: 1 of the 2 contexts that are scored are also trained on;")
    assert warning.endswith("; the scores will be too high.")


def test_the_parts_of_a_run():
    file = str(DATA / "squad.json")
    train, validation = load_training_data(TrainConfig(train_file=file))
    assert len(train) == 7
    assert validation is None
    train, validation = load_training_data(TrainConfig(train_file=file, validation_fraction=0.3))
    assert {e.title for e in train} | {e.title for e in validation} == {
        e.title for e in load_examples(file)
    }
    train, validation = load_training_data(TrainConfig(data="sample:ko"))
    assert (train[0].id, validation[0].id) == ("train-ko-0-0", "validation-ko-0-0")
    assert load_data("sample:ko") == validation
    with pytest.raises(InputError, match="has the splits train and validation, and not 'test'"):
        load_data("sample", "test")


def test_the_built_in_corpus_is_loaded_by_its_name():
    validation = mrc.load_examples("sample:en", split="validation")
    assert validation[0].id == "validation-en-0-0"
    assert mrc.load_examples("sample:en")[0].id == "train-en-0-0"
    unanswerable = mrc.load_examples("sample:en:unanswerable", split="validation")
    assert any(example.is_impossible for example in unanswerable)
    with pytest.raises(InputError, match="sample:fr: 'fr' is neither 'unanswerable' nor a list"):
        mrc.load_examples("sample:fr")


def test_a_split_to_score_on_comes_from_the_training_data_unless_said_otherwise():
    assert (
        TrainConfig(train_file="squad", validation_split="validation[:10%]").validation_file
        == "squad"
    )


def test_bad_answers_are_listed_once(write):
    record = {
        "id": "1",
        "question": "?",
        "context": "in 1784",
        "answers": [{"text": "1784", "answer_start": 0}, {"text": "x", "answer_start": 1}],
    }
    path = write([record])
    train = load_examples(path)
    validation = load_examples(path)
    assert train[0].answers == (Answer("1784", 3), Answer("x", -1))
    assert bad_answer_records(train, None, validation) == [
        {
            "where": f"{path}: [0].answers[0]",
            "id": "1",
            "text": "1784",
            "answer_start": 0,
            "moved_to": 3,
        },
        {
            "where": f"{path}: [0].answers[1]",
            "id": "1",
            "text": "x",
            "answer_start": 1,
            "moved_to": -1,
        },
    ]
