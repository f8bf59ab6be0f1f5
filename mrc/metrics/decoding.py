"""Decoding: the n best spans of a batch, found in tensor operations on the logits' device."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Spans:
    """The n best spans of each feature of a batch, best first.

    Attributes:
        start, end: (batch, n) int64, the first and the last token of each span.
        start_logit, end_logit: (batch, n) float32.
        valid: (batch, n) bool, false where a feature has fewer than n spans.
        null_score: (batch,) float32, start logit plus end logit of the null position.
        is_nan: (batch,) bool, true where some logit is NaN.
    """

    start: Tensor
    end: Tensor
    start_logit: Tensor
    end_logit: Tensor
    valid: Tensor
    null_score: Tensor
    is_nan: Tensor


def best_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    *,
    tokens: Tensor,
    context: Tensor,
    null_position: Tensor,
    n_best: int = 20,
    max_answer_length: int = 30,
    search: str = "pruned",
    starts: Tensor | None = None,
) -> Spans:
    """Find the n best spans of each feature.

    A span is valid if it lies within the context, does not end before it starts and has at most
    `max_answer_length` tokens. Of equal scores, the earlier start comes first, then the earlier
    end.

    Args:
        start_logits: (batch, length), of any float type; the arithmetic is float32.
        end_logits: (batch, length); with `starts`, (batch, beam, length).
        tokens: (batch, 2) int64, the first position of each feature and the one after its last.
        context: (batch, 2) int64, the same for its context.
        null_position: (batch,) int64, the position that stands for "no answer".
        n_best: spans to find.
        max_answer_length: tokens of the longest span.
        search: "pruned" pairs the n best starts with the n best ends over all tokens, as BERT's
            run_squad and Hugging Face's run_qa do; "exact" considers every valid span.
        starts: (batch, beam) int64, for a model whose end logits depend on the start; row b, k of
            `end_logits` holds the ends of spans that begin at starts[b, k]. The null position must
            be among them.
    """
    if starts is not None:
        return _beam_spans(
            start_logits.float(),
            end_logits.float(),
            starts,
            tokens=tokens,
            context=context,
            null_position=null_position,
            n_best=n_best,
            max_answer_length=max_answer_length,
        )
    # (2, batch, length)
    logits = torch.stack([start_logits, end_logits]).float()
    position = torch.arange(logits.shape[2], device=logits.device)
    logits = logits.masked_fill(_outside(position, tokens), -torch.inf)

    find = _pruned_search if search == "pruned" else _exact_search
    score, start, end = find(logits, context, n_best, max_answer_length)
    null_columns = null_position.expand(2, -1)[:, :, None]
    return Spans(
        start=start,
        end=end,
        start_logit=logits[0].gather(1, start),
        end_logit=logits[1].gather(1, end),
        valid=score > -torch.inf,
        null_score=logits.gather(2, null_columns).sum(dim=(0, 2)),
        is_nan=logits.sum(dim=(0, 2)).isnan(),
    )


def log_probabilities(
    start_logits: Tensor, end_logits: Tensor, context: Tensor, null_position: Tensor
) -> tuple[Tensor, Tensor]:
    """Normalize each feature's logits over its context and its null position.

    Args:
        start_logits: (batch, length), of any float type.
        end_logits: (batch, length), the same.
        context: (batch, 2) int64, the first position of the context and the one after its last.
        null_position: (batch,) int64.

    Returns:
        Log-probabilities of start and end, (2, batch, length), -inf outside the context and the
        null position; and what was subtracted from the logits, (2, batch). Both are float32.
    """
    logits = torch.stack([start_logits, end_logits]).float()
    position = torch.arange(logits.shape[2], device=logits.device)
    is_null = position == null_position[:, None]
    logits = logits.masked_fill(_outside(position, context) & ~is_null, -torch.inf)
    total = logits.logsumexp(dim=2)
    return logits - total[:, :, None], total


def _outside(position: Tensor, borders: Tensor) -> Tensor:
    """Which positions lie outside each row's [first, end): (n,) or (batch, n) -> (batch, n)."""
    return (position < borders[:, :1]) | (position >= borders[:, 1:])


def _pruned_search(
    logits: Tensor, context: Tensor, n_best: int, max_answer_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Pair the n best starts with the n best ends: scores, starts, ends, each (batch, n)."""
    _, batch, _ = logits.shape
    rows = rearrange(logits, "two batch length -> (two batch) length")
    # In the order of their positions, so that of equal scores the earlier pair comes first.
    best = _largest(rows, n_best).sort(dim=1).values
    best = rearrange(best, "(two batch) n -> two batch n", batch=batch)
    is_outside = (best < context[:, :1]) | (best >= context[:, 1:])
    start_logit, end_logit = logits.gather(2, best).masked_fill(is_outside, -torch.inf)
    start, end = best

    # (batch, n starts, n ends)
    length = end[:, None, :] - start[:, :, None] + 1
    is_invalid = (length < 1) | (length > max_answer_length)
    score = start_logit[:, :, None] + end_logit[:, None, :]
    score = score.masked_fill(is_invalid, -torch.inf).flatten(1)
    pair = _largest(score, n_best)
    n = best.shape[2]
    return score.gather(1, pair), start.gather(1, pair // n), end.gather(1, pair % n)


def _exact_search(
    logits: Tensor, context: Tensor, n_best: int, max_answer_length: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Consider every span: scores, starts, ends, each (batch, n)."""
    length = logits.shape[2]
    position = torch.arange(length, device=logits.device)
    start_logit, end_logit = logits.masked_fill(_outside(position, context), -torch.inf)
    # Row i of the band holds the end logits at i, i + 1, ...: (batch, length, max_answer_length)
    padded = F.pad(end_logit, (0, max_answer_length - 1), value=-torch.inf)
    band = padded.unfold(1, max_answer_length, 1)
    score = (start_logit[:, :, None] + band).flatten(1)
    place = _largest(score, n_best)
    start = place // max_answer_length
    # Places that are no span may point beyond the row; they are not valid, but are gathered.
    end = (start + place % max_answer_length).clamp(max=length - 1)
    return score.gather(1, place), start, end


def _beam_spans(
    start_logits: Tensor,
    end_logits: Tensor,
    starts: Tensor,
    *,
    tokens: Tensor,
    context: Tensor,
    null_position: Tensor,
    n_best: int,
    max_answer_length: int,
) -> Spans:
    """Find the n best of the spans that begin at `starts` (batch, beam), with any end."""
    # In order of position, so that of equal scores the earlier start comes first.
    starts, order = starts.sort(dim=1)
    end_logits = end_logits.gather(1, order[:, :, None].expand_as(end_logits))
    position = torch.arange(start_logits.shape[1], device=start_logits.device)
    start_logit = start_logits.gather(1, starts)

    # (batch, beam, length)
    score = start_logit[:, :, None] + end_logits
    is_invalid = _invalid_beam_spans(starts, position, context, max_answer_length)
    score = score.masked_fill(is_invalid, -torch.inf).flatten(1)
    place = _largest(score, n_best)
    beam = place // len(position)
    return Spans(
        start=starts.gather(1, beam),
        end=place % len(position),
        start_logit=start_logit.gather(1, beam),
        end_logit=end_logits.flatten(1).gather(1, place),
        valid=score.gather(1, place) > -torch.inf,
        null_score=_beam_null_score(start_logits, end_logits, starts, null_position),
        is_nan=_beam_is_nan(start_logits, end_logits, _outside(position, tokens)),
    )


def _invalid_beam_spans(
    starts: Tensor, position: Tensor, context: Tensor, max_answer_length: int
) -> Tensor:
    """Which pairs of a start (batch, beam) and an end are no span: (batch, beam, length)."""
    # A start that is there twice counts once.
    is_repeated = F.pad(starts[:, 1:] == starts[:, :-1], (1, 0))
    is_bad_start = _outside(starts, context) | is_repeated
    length = position - starts[:, :, None] + 1
    is_bad_length = (length < 1) | (length > max_answer_length)
    is_bad_end = position >= context[:, 1:]
    return is_bad_start[:, :, None] | is_bad_length | is_bad_end[:, None]


def _beam_null_score(
    start_logits: Tensor, end_logits: Tensor, starts: Tensor, null_position: Tensor
) -> Tensor:
    """Start logit plus end logit of the null position, which is one of the starts: (batch,)."""
    row = torch.arange(len(starts), device=starts.device)
    beam = (starts == null_position[:, None]).long().argmax(dim=1)
    null_start = start_logits.gather(1, null_position[:, None]).squeeze(1)
    return null_start + end_logits[row, beam, null_position]


def _beam_is_nan(start_logits: Tensor, end_logits: Tensor, is_padding: Tensor) -> Tensor:
    """Which rows have a NaN at one of their tokens: (batch,)."""
    start_is_nan = start_logits.masked_fill(is_padding, 0.0).isnan().any(dim=1)
    end_is_nan = end_logits.masked_fill(is_padding[:, None], 0.0).isnan().any(dim=(1, 2))
    return start_is_nan | end_is_nan


def _largest(values: Tensor, n: int) -> Tensor:
    """The indices of each row's n largest values, largest first; of equals, the earlier first.

    `topk` alone takes equals in any order, and a stable sort of the whole row takes ten times as
    long. So topk gets integers that all differ: the value's bits, which for floats of one sign
    sort as the values do, above its place in the row.

    Args:
        values: (rows, length) float32.
        n: how many; fewer if the rows are shorter.
    """
    # Adding 0.0 turns -0.0, whose bits differ, into 0.0.
    bits = (values + 0.0).view(torch.int32)
    # The bits of negative floats sort in reverse: flip all but the sign.
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    last = values.shape[1] - 1
    place = torch.arange(last, -1, -1, device=values.device)
    keys = (ascending.long() << 32) + place
    best = keys.topk(min(n, last + 1), dim=1, sorted=False).values
    # Sorting the few afterwards is faster than a sorted topk.
    best = best.sort(dim=1, descending=True).values
    return last - (best & 0xFFFFFFFF)
