"""Grades window_labels.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

# [CLS] Who wrote Emma? [SEP] Jane Austen wrote Emma . [SEP]
ENGLISH = [(0, 0), (0, 3), (4, 9), (10, 14), (14, 15), (0, 0)]
ENGLISH += [(0, 4), (5, 11), (12, 17), (18, 22), (22, 23), (0, 0)]
ENGLISH_CONTEXT = [False] * 6 + [True] * 5 + [False]


@pytest.fixture(scope="module")
def window_labels(submission):
    return submission.window_labels


def test_an_answer_of_one_token(window_labels):
    found = window_labels(ENGLISH, ENGLISH_CONTEXT, 0, (18, 22))
    assert found == (9, 9), (
        "'Emma' is token 9, both first and last; the answer's end is the character after it."
    )


def test_an_answer_of_two_tokens(window_labels):
    found = window_labels(ENGLISH, ENGLISH_CONTEXT, 0, (18, 23))
    assert found == (9, 10), "'Emma.' is tokens 9 and 10: count the question's tokens, too."


def test_the_question_is_no_place_for_an_answer(window_labels):
    # Characters 0 to 11 are "Jane Austen" in the context, and "Who wrote E" in the question.
    found = window_labels(ENGLISH, ENGLISH_CONTEXT, 0, (0, 11))
    assert found == (6, 7), (
        "Offsets of question tokens count the question's characters: look at context tokens only."
    )


def test_a_token_that_is_longer_than_the_answer(window_labels):
    # [CLS] 어디 [SEP] 그는 서울에서 산다 [SEP]; the answer is 서울.
    offsets = [(0, 0), (0, 2), (0, 0), (0, 2), (3, 7), (8, 10), (0, 0)]
    is_context = [False, False, False, True, True, True, False]
    found = window_labels(offsets, is_context, 0, (3, 5))
    assert found == (4, 4), (
        "'서울' lies in the token '서울에서': take the token that contains the character, "
        "not one that begins and ends with the answer."
    )
    inside = window_labels(offsets, is_context, 0, (5, 7))
    assert inside == (4, 4), "An answer can also begin in the middle of a token."


def test_a_character_of_several_tokens(window_labels):
    # A rare syllable as three bytes, each with the offsets of the whole character.
    offsets = [(0, 0), (0, 2), (0, 0), (0, 1), (2, 3), (2, 3), (2, 3), (3, 4), (0, 0)]
    is_context = [False] * 3 + [True] * 5 + [False]
    found = window_labels(offsets, is_context, 0, (2, 3))
    assert found == (4, 6), (
        "Three tokens share the answer's only character: start at the first, end at the last."
    )


def test_padding_on_the_left(window_labels):
    # Padding, the context, the question, and [CLS] at the very end, as in XLNet.
    offsets = [(0, 0), (0, 0), (0, 4), (5, 11), (0, 0), (0, 3), (0, 0), (0, 0)]
    is_context = [False, False, True, True, False, False, False, False]
    found = window_labels(offsets, is_context, 7, (0, 4))
    assert found == (2, 2), "Padding on the left has offsets (0, 0) and moves every position."
    missing = window_labels(offsets, is_context, 7, (30, 34))
    assert missing == (7, 7), "[CLS] stands at `cls_position`, which is not 0 in every model."


@pytest.mark.parametrize("span", [(0, 11), (18, 30), (0, 30)], ids=["left", "right", "both"])
def test_a_window_that_holds_a_part_of_the_answer(window_labels, span):
    # The window begins at character 5 of the context and ends at character 22.
    offsets = [(0, 0), (0, 3), (0, 0), (5, 11), (12, 17), (18, 22), (0, 0)]
    is_context = [False, False, False, True, True, True, False]
    found = window_labels(offsets, is_context, 0, span)
    assert found == (0, 0), (
        "The answer is cut by the window's border: label [CLS]; another window holds it whole."
    )


def test_no_answer(window_labels):
    found = window_labels(ENGLISH, ENGLISH_CONTEXT, 0, None)
    assert found == (0, 0), "A question without an answer is labeled [CLS]."


def test_a_question_that_fills_the_window(window_labels):
    offsets = [(0, 0), (0, 3), (4, 9), (10, 14), (0, 0), (0, 0)]
    found = window_labels(offsets, [False] * 6, 0, (0, 3))
    assert found == (0, 0), "There is no context in this window, so the label is [CLS]."


@st.composite
def cases(draw):
    """A window of a random text, and an answer somewhere in the text."""
    tokens = []
    at = 0
    for _ in range(draw(st.integers(1, 12))):
        at += draw(st.integers(0, 1))
        length = draw(st.integers(1, 4))
        tokens += [(at, at + length)] * draw(st.integers(1, 2))
        at += length
    first = draw(st.integers(0, len(tokens) - 1))
    last = draw(st.integers(first, len(tokens)))
    left = draw(st.integers(0, 2))
    question = draw(st.integers(0, 5))
    before = [(0, 0)] * left + [(0, 0)] + [(i, i + 1) for i in range(question)] + [(0, 0)]
    offsets = [*before, *tokens[first:last], (0, 0)]
    is_context = [False] * len(before) + [True] * (last - first) + [False]
    # Each end of the answer is a character that some token covers.
    covered = sorted({c for begin, end in tokens for c in range(begin, end)})
    ends = sorted([draw(st.sampled_from(covered)), draw(st.sampled_from(covered))])
    return offsets, is_context, left, (ends[0], ends[1] + 1)


@given(case=cases())
def test_any_window(window_labels, case):
    offsets, is_context, cls_position, (begin, end) = case
    characters = [
        set(range(*pair)) if inside else set()
        for pair, inside in zip(offsets, is_context, strict=True)
    ]
    first = [position for position, here in enumerate(characters) if begin in here]
    last = [position for position, here in enumerate(characters) if end - 1 in here]
    expected = (first[0], last[-1]) if first and last else (cls_position, cls_position)
    found = window_labels(offsets, is_context, cls_position, (begin, end))
    assert tuple(found) == expected, (
        f"For offsets {offsets}, is_context {is_context} and the answer {(begin, end)}, "
        f"the labels should be {expected}."
    )
