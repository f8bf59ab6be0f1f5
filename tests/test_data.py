"""What a run is trained and scored on: splits that keep contexts and articles whole."""

import pytest
from conftest import DATA, real_data
from hypothesis import given
from hypothesis import strategies as st

from mrc.config.train import TrainConfig
from mrc.data.examples import Answer, Example, ExampleList, load_examples
from mrc.data.loading import (
    bad_answer_records,
    load_data,
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
def test_no_context_and_no_title_is_on_both_sides(rows, fraction, seed):
    examples = examples_of(rows)
    try:
        train, validation = split_examples(examples, fraction, seed)
    except InputError:
        # Contexts and titles link all examples, so that no split is possible.
        group = [examples[0]]
        rest = examples[1:]
        while more := [
            e
            for e in rest
            if any(e.context == g.context or (e.title and e.title == g.title) for g in group)
        ]:
            group = group + more
            rest = [e for e in rest if e not in more]
        assert not rest
        return
    assert train
    assert validation
    assert sorted(train + validation, key=lambda e: int(e.id)) == examples
    assert not {e.context for e in train} & {e.context for e in validation}
    assert not {e.title for e in train if e.title} & {e.title for e in validation}
    assert (train, validation) == split_examples(examples, fraction, seed)
    assert leak_warning(train, validation) == ""


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
