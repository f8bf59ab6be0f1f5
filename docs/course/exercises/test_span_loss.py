"""Grades span_loss.py."""

import math

import pytest
import torch


@pytest.fixture(scope="module")
def span_loss(submission):
    return submission.span_loss


def by_hand(starts, ends, start_positions, end_positions, mask):
    """The loss in plain Python: lists in, a number out."""
    losses = []
    for row, tokens in enumerate(mask):
        if not any(tokens):
            continue
        for logits, position in (
            (starts[row], start_positions[row]),
            (ends[row], end_positions[row]),
        ):
            kept = [logit for logit, is_token in zip(logits, tokens, strict=True) if is_token]
            losses.append(math.log(sum(math.exp(x) for x in kept)) - logits[position])
    return sum(losses) / len(losses)


def a_batch(mask, seed=0):
    """Random logits and positions for a mask."""
    mask = torch.tensor(mask)
    random = torch.Generator().manual_seed(seed)
    start, end = torch.randn(2, *mask.shape, generator=random)
    # The first and the last token of each row.
    first = mask.argmax(dim=1)
    last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    return start.requires_grad_(), end.requires_grad_(), first, last, mask


def expected_loss(batch):
    return by_hand(*(tensor.tolist() for tensor in batch))


def test_without_padding(span_loss):
    batch = a_batch([[1, 1, 1, 1], [1, 1, 1, 1]])
    assert span_loss(*batch).item() == pytest.approx(expected_loss(batch)), (
        "Without padding, it is the mean of two calls of F.cross_entropy."
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding(span_loss, side):
    mask = [[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]]
    if side == "left":
        mask = [row[::-1] for row in mask]
    batch = a_batch(mask)
    assert span_loss(*batch).item() == pytest.approx(expected_loss(batch)), (
        f"Padding on the {side} takes part in the softmax; it must not."
    )


@pytest.mark.parametrize("value", [1e30, torch.inf, torch.nan])
def test_what_stands_at_padding_does_not_count(span_loss, value):
    start, end, first, last, mask = a_batch([[1, 1, 1, 0], [1, 1, 0, 0]])
    expected = expected_loss((start, end, first, last, mask))
    with torch.no_grad():
        start[mask == 0] = value
        end[mask == 0] = value
    loss = span_loss(start, end, first, last, mask)
    assert loss.item() == pytest.approx(expected), (
        f"A logit of {value} at padding changes the loss: replace it, do not add to it."
    )
    loss.backward()
    assert start.grad.isfinite().all(), "The gradient is not finite."
    assert (start.grad[mask == 0] == 0).all(), "Padding has a gradient; it must be exactly 0."
    assert (end.grad[mask == 0] == 0).all(), "Padding has a gradient; it must be exactly 0."


def test_the_gradient(span_loss):
    start, end, first, last, mask = a_batch([[0, 1, 1, 1], [0, 0, 1, 1]])
    span_loss(start, end, first, last, mask).backward()
    for logits, positions in ((start, first), (end, last)):
        expected = torch.zeros(2, 4)
        for row in range(2):
            tokens = mask[row] == 1
            expected[row, tokens] = logits.detach()[row, tokens].softmax(dim=0)
            expected[row, positions[row]] -= 1
        torch.testing.assert_close(
            logits.grad,
            expected / 4,
            msg=lambda text: f"The gradient is not that of the mean cross-entropy. {text}",
        )


def test_rows_of_padding_only(span_loss):
    batch = a_batch([[1, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]])
    loss = span_loss(*batch)
    assert loss.isfinite(), "A row without any token makes the loss NaN or infinite."
    assert loss.item() == pytest.approx(expected_loss(batch)), (
        "Rows without any token are no examples: take the mean over the others."
    )
    loss.backward()
    start = batch[0]
    assert start.grad.isfinite().all(), "A row without any token makes the gradient NaN."
    assert (start.grad[[1, 3]] == 0).all(), "A row without any token has a gradient."


def test_positions_of_rows_of_padding_only(span_loss):
    start, end, first, last, mask = a_batch([[1, 1, 1], [0, 0, 0]])
    expected = expected_loss((start, end, first, last, mask))
    first[1] = last[1] = 999
    problem = None
    try:
        loss = span_loss(start, end, first, last, mask).item()
    except IndexError as error:
        problem = error
    assert problem is None, (
        "A row without any token has positions outside the row: do not look them up."
    )
    assert loss == pytest.approx(expected), (
        "The positions of a row without any token change the loss; they mean nothing."
    )


def test_a_batch_of_padding_only(span_loss):
    start, end, first, last, mask = a_batch([[0, 0, 0], [0, 0, 0]])
    loss = span_loss(start, end, first, last, mask)
    assert loss.item() == 0, "Without any token the loss is 0, not NaN."
    assert loss.requires_grad, "The loss of a batch of padding must still have a backward pass."
    loss.backward()
    assert start.grad is not None, "The loss of 0 is not computed from the logits."
    assert (start.grad == 0).all(), "Without any token the gradient is 0."


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(span_loss, dtype):
    start, end, first, last, mask = a_batch([[1] * 40, [1] * 30 + [0] * 10])
    halves = start.detach().to(dtype), end.detach().to(dtype)
    loss = span_loss(*halves, first, last, mask)
    assert loss.dtype == torch.float32, "The loss must be float32."
    exact = expected_loss((*(half.float() for half in halves), first, last, mask))
    assert loss.item() == pytest.approx(exact, abs=1e-6), (
        "The softmax was computed in half precision: turn the logits into float32 first."
    )


def test_arguments_stay_as_they_are(span_loss):
    batch = [tensor.detach() for tensor in a_batch([[1, 1, 1], [1, 1, 0]])]
    before = [tensor.clone() for tensor in batch]
    span_loss(*batch)
    for tensor, copy in zip(batch, before, strict=True):
        assert torch.equal(tensor, copy), "An argument was changed in place."
