"""Grades null_decision.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def null_decision(submission):
    return submission.null_decision


def test_one_window(null_decision):
    found = null_decision([1.0], [(3.0, "서울")])
    assert found == ("서울", -2.0), "The span scores 2 more than no answer, so it is the answer."
    found = null_decision([4.5], [(3.0, "서울")])
    assert found == ("", 1.5), "No answer scores 1.5 more than the span, so the answer is empty."


def test_a_long_context(null_decision):
    # Only the second window holds the answer; the others are sure that they do not.
    found = null_decision([9.0, 1.0, 8.0], [(0.0, "the"), (5.0, "1948"), (1.0, "a")])
    assert found == ("1948", -4.0), (
        "The null score of an example is the smallest of its windows, not the largest."
    )


def test_two_windows_decide(null_decision):
    # The window with the best span is not the one with the smallest null score.
    found = null_decision([6.0, 2.0], [(5.0, "Seoul"), (1.0, "Busan")], threshold=0.0)
    assert found == ("Seoul", -3.0), (
        "Take the smallest null score of all windows, also where another one has the best span."
    )


@pytest.mark.parametrize(
    ("threshold", "expected"), [(1.0, ""), (1.5, "yes"), (2.0, "yes"), (-9.0, "")]
)
def test_the_threshold(null_decision, threshold, expected):
    found = null_decision([4.5], [(3.0, "yes")], threshold)
    assert found == (expected, 1.5), (
        f"The odds are 1.5 and the threshold is {threshold}: the answer is empty where the odds "
        "exceed the threshold, and the odds do not depend on it."
    )


def test_equal_spans(null_decision):
    found = null_decision([0.0, 0.0, 0.0], [(1.0, "a"), (2.0, "first"), (2.0, "second")])
    assert found[0] == "first", "Of equal scores the earlier window's span is the answer."


def test_a_window_without_a_span(null_decision):
    found = null_decision([1.0, 1.0], [None, (2.0, "Emma")])
    assert found == ("Emma", -1.0), "A window without a span is passed over."
    found = null_decision([1.0, 3.0], [None, (2.0, "Emma")])
    assert found == ("Emma", -1.0), "The null score of a window without a span counts as well."


@pytest.mark.parametrize("threshold", [0.0, 1e9, math.inf])
def test_no_span_at_all(null_decision, threshold):
    found = null_decision([-5.0, -7.0], [None, None], threshold)
    assert found == ("", math.inf), (
        "No window has a span: there is no answer whatever the threshold, and the odds are inf."
    )


@pytest.mark.parametrize("place", [0, 1])
def test_nan(null_decision, place):
    null_scores = [0.0, 0.0]
    null_scores[place] = math.nan
    spans = [(1.0, "a"), (1.0, "b")]
    spans[place] = (math.nan, "c")
    for case in ((null_scores, [(1.0, "a"), (1.0, "b")]), ([0.0, 0.0], spans)):
        try:
            null_decision(*case)
        except ValueError:
            continue
        pytest.fail("A score that is NaN must raise ValueError: comparisons with it are false.")


# Halves, so that differences are exact and ties are frequent.
scores = st.integers(-6, 6).map(lambda x: x / 2)
windows = st.lists(
    st.tuples(scores, st.none() | st.tuples(scores, st.sampled_from("가나abc"))),
    min_size=1,
    max_size=5,
)


@given(windows=windows, threshold=scores)
def test_any_example(null_decision, windows, threshold):
    null_scores = [null for null, _ in windows]
    spans = [span for _, span in windows]
    text = ""
    odds = math.inf
    found_spans = [span for span in spans if span]
    if found_spans:
        best = sorted(score for score, _ in found_spans)[-1]
        odds = sorted(null_scores)[0] - best
        if odds <= threshold:
            text = next(answer for score, answer in found_spans if score == best)
    found = null_decision(null_scores, spans, threshold)
    assert found == (text, odds), (
        f"For null scores {null_scores}, spans {spans} and the threshold {threshold}, "
        f"the result should be {(text, odds)}."
    )
