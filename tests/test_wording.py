"""Counts read as English does; a misspelled name is answered with the one that was meant."""

import pytest

from mrc.wording import counted, did_you_mean, nearest


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 questions"), (1, "1 question"), (2, "2 questions")]
)
def test_counts(count, words):
    assert counted(count, "question") == words


def test_an_irregular_plural():
    assert counted(1, "batch", "batches") == "1 batch"
    assert counted(3, "batch", "batches") == "3 batches"


def test_the_nearest_name():
    known = ["answers", "answer_start", "question", "context"]
    assert nearest("anwsers", known) == "answers"
    assert nearest("Question", known) == "question"
    assert nearest("zebra", known) is None
    assert did_you_mean("anwser_start", known) == "; did you mean 'answer_start'?"
    assert did_you_mean("zebra", known) == ""
