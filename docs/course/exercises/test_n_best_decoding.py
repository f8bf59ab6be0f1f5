"""Grades n_best_decoding.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode


@pytest.fixture(scope="module")
def n_best_decoding(submission):
    return submission.n_best_decoding


def best_by_hand(starts, ends, context, n, max_answer_length):
    """The n best spans of a row in plain Python: (score, start, end)."""
    tokens = [position for position, inside in enumerate(context) if inside]
    spans = [
        (starts[first] + ends[last], first, last)
        for first in tokens
        for last in tokens
        if 0 <= last - first < max_answer_length
    ]
    spans.sort(key=lambda span: (-span[0], span[1], span[2]))
    return (spans + [(-torch.inf, 0, 0)] * n)[:n]


def decode(function, starts, ends, context, n, max_answer_length):
    """The spans of each row as lists of (score, start, end)."""
    answer = function(
        torch.as_tensor(starts),
        torch.as_tensor(ends),
        torch.as_tensor(context, dtype=torch.bool),
        n,
        max_answer_length,
    )
    for tensor, name in zip(answer, ("scores", "starts", "ends"), strict=True):
        shape = tuple(tensor.shape)
        expected = (len(starts), n)
        assert shape == expected, f"`{name}` has the shape {shape}, it should be {expected}."
    rows = zip(*(tensor.tolist() for tensor in answer), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


def test_two_rows(n_best_decoding):
    starts = [[9.0, 1.0, 2.0, 0.0], [0.0, 0.5, 3.0, 1.0]]
    ends = [[9.0, 0.0, 1.0, 3.0], [0.0, 2.0, 0.0, 1.0]]
    context = [[0, 1, 1, 1], [0, 1, 1, 1]]
    found = decode(n_best_decoding, starts, ends, context, 2, 3)
    assert found == [[(5.0, 2, 3), (4.0, 1, 3)], [(4.0, 2, 3), (3.0, 2, 2)]], (
        "The best spans of the first row are 2-3 and 1-3, those of the second 2-3 and 2-2."
    )


def test_types(n_best_decoding):
    logits = torch.zeros(1, 3, dtype=torch.float16)
    is_context = torch.ones(1, 3, dtype=torch.bool)
    scores, starts, ends = n_best_decoding(logits, logits, is_context, 2, 3)
    assert scores.dtype == torch.float32, "Scores are float32."
    assert starts.dtype == ends.dtype == torch.int64, "Starts and ends are int64."


@pytest.mark.parametrize("max_answer_length", [1, 2, 3])
def test_the_longest_answer(n_best_decoding, max_answer_length):
    starts, ends = [[5.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 2.0, 3.0]]
    found = decode(n_best_decoding, starts, ends, [[1] * 4], 1, max_answer_length)
    last = max_answer_length - 1
    assert found == [[(5.0 + last, 0, last)]], (
        f"With max_answer_length {max_answer_length} the best span is 0-{last}: "
        "a span of one token has length 1."
    )


def test_ties(n_best_decoding):
    zeros = [[0.0] * 40] * 3
    found = decode(n_best_decoding, zeros, zeros, [[1] * 40] * 3, 20, 6)
    expected = best_by_hand([0.0] * 40, [0.0] * 40, [1] * 40, 20, 6)
    assert found == [expected] * 3, (
        "Of equal scores the earlier start comes first, then the earlier end; `topk` takes them "
        "in any order."
    )


def test_all_pairs_compete(n_best_decoding):
    # The three best ends all come before the best starts. No two of the best spans are equal.
    starts = [[0.0, 0.0, 0.0, 7.0, 8.0, 9.0]]
    ends = [[9.0, 8.0, 7.0, 1.0, 1.5, 3.0]]
    found = decode(n_best_decoding, starts, ends, [[1] * 6], 3, 6)
    expected = best_by_hand(starts[0], ends[0], [1] * 6, 3, 6)
    assert found == [expected], (
        "A good span was lost: do not keep n starts and n ends before the pairs are checked."
    )


def test_few_spans(n_best_decoding):
    starts, ends = [[1.0, 2.0, 0.0]], [[0.0, 1.0, 5.0]]
    found = decode(n_best_decoding, starts, ends, [[1, 1, 0]], 12, 3)
    expected = best_by_hand(starts[0], ends[0], [1, 1, 0], 12, 3)
    assert found == [expected], (
        "The row has 3 valid spans; the other 9 places have the score -inf and positions 0."
    )


def test_a_question_that_fills_the_window(n_best_decoding):
    logits = [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    found = decode(n_best_decoding, logits, logits, [[0, 0, 0], [0, 1, 1]], 2, 3)
    assert found[0] == [(-torch.inf, 0, 0)] * 2, "Without context a row has no span."
    assert found[1] == [(6.0, 2, 2), (5.0, 1, 2)], "A row without context changed another row."


@pytest.mark.parametrize("value", [1e30, torch.inf, torch.nan])
def test_what_stands_outside_the_context_does_not_count(n_best_decoding, value):
    # Padding on the left, and a question behind the context.
    starts = [[value, value, 1.0, 2.0, value]]
    ends = [[value, value, 2.0, 1.0, value]]
    found = decode(n_best_decoding, starts, ends, [[0, 0, 1, 1, 0]], 3, 5)
    assert found == [[(3.0, 2, 2), (3.0, 3, 3), (2.0, 2, 3)]], (
        f"A logit of {value} outside the context matters: replace such logits, add nothing."
    )


def test_nan_in_the_context(n_best_decoding):
    logits = torch.zeros(2, 4)
    bad = logits.clone()
    bad[1, 2] = torch.nan
    is_context = torch.ones(2, 4, dtype=torch.bool)
    for pair in ((bad, logits), (logits, bad)):
        try:
            n_best_decoding(*pair, is_context, 2, 3)
        except ValueError:
            continue
        pytest.fail("A NaN in the context must raise ValueError, or it wins or vanishes.")


def test_half_precision(n_best_decoding):
    starts = torch.tensor([[2048.0, 0.0, 0.0]], dtype=torch.float16)
    ends = torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.float16)
    found = decode(n_best_decoding, starts, ends, [[1, 1, 1]], 2, 3)
    assert found == [[(2051.0, 0, 2), (2049.0, 0, 1)]], (
        "The logits were added in half precision, where 2048 + 1 is 2048."
    )


class Operations(TorchDispatchMode):
    """Counts PyTorch's operations."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        return function(*args, **(kwargs or {}))


def test_no_loop(n_best_decoding, monkeypatch):
    def refuse(*args):
        pytest.fail("The logits were turned into Python numbers: stay in tensors.", pytrace=False)

    monkeypatch.setattr(torch.Tensor, "tolist", refuse)
    monkeypatch.setattr(torch.Tensor, "numpy", refuse)
    counts = []
    for batch, length in ((2, 8), (4, 64)):
        logits = torch.randn(2, batch, length, generator=torch.Generator().manual_seed(0))
        is_context = torch.ones(batch, length, dtype=torch.bool)
        with Operations() as operations:
            n_best_decoding(*logits, is_context, 5, 4)
        counts.append(operations.count)
    assert counts[0] == counts[1], (
        f"A small batch takes {counts[0]} operations and a large one {counts[1]}: there is a loop "
        "over rows or tokens."
    )


@st.composite
def batches(draw):
    """Logits with many ties, and a context in each row."""
    length = draw(st.integers(1, 6))
    # Multiples of a half: sums are exact.
    logits = st.lists(st.integers(-4, 4).map(lambda x: x / 2), min_size=length, max_size=length)
    rows = draw(st.integers(1, 2))
    starts = [draw(logits) for _ in range(rows)]
    ends = [draw(logits) for _ in range(rows)]
    context = []
    for _ in range(rows):
        first = draw(st.integers(0, length))
        last = draw(st.integers(first, length))
        context.append([first <= i < last for i in range(length)])
    return starts, ends, context, draw(st.integers(1, 25)), draw(st.integers(1, 7))


@given(case=batches())
def test_any_batch(n_best_decoding, case):
    starts, ends, context, n, max_answer_length = case
    found = decode(n_best_decoding, *case)
    expected = [
        best_by_hand(*row, n, max_answer_length) for row in zip(starts, ends, context, strict=True)
    ]
    assert found == expected, (
        f"For start logits {starts}, end logits {ends}, context {context}, n {n} and "
        f"max_answer_length {max_answer_length}, the spans (score, start, end) should be "
        f"{expected}."
    )
