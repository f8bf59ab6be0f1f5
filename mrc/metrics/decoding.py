"""Decoding: from the logits of a batch to its n best spans, in tensor operations on the device that holds the logits."""

from dataclasses import dataclass

import torch
from einops import rearrange
from torch.nn import functional as F


@dataclass
class Spans:
    """The n best spans of each feature of a batch, best first.

    start, end: (batch, n) int64 token positions, the end included; start_logit, end_logit: (batch, n) float32;
    valid: (batch, n) bool, false where a feature has fewer than n spans; null_score: (batch,) float32, the sum of the
    start and end logit of the null position; is_nan: (batch,) bool, true where some logit is not a number.
    """

    start: torch.Tensor
    end: torch.Tensor
    start_logit: torch.Tensor
    end_logit: torch.Tensor
    valid: torch.Tensor
    null_score: torch.Tensor
    is_nan: torch.Tensor


def best_spans(
    start_logits,
    end_logits,
    tokens,
    context,
    null_position,
    n_best=20,
    max_answer_length=30,
    search="pruned",
    starts=None,
):
    """Find the n best spans of each feature.

    A span is valid if it lies within the context, does not end before it starts, and has at most `max_answer_length`
    tokens. "pruned" looks where the reference recipe for SQuAD looks (BERT's run_squad; Hugging Face's run_qa): at the
    pairs of the best n starts and the best n ends over all tokens of a feature. "exact" looks at every valid span. Of equal
    scores, the earlier start and then the earlier end comes first.

    start_logits, end_logits: (batch, length), of any float type, computed with in float32; tokens, context: (batch, 2)
    int64, the first position of the feature's tokens and of its context, and the one after the last; null_position:
    (batch,). starts: (batch, beam) int64, for a model whose end logits depend on the start: end_logits is then
    (batch, beam, length), the ends of spans that begin at each of `starts`, of which the null position must be one. Returns Spans.
    """
    if starts is not None:
        return _beam_spans(
            start_logits.float(),
            end_logits.float(),
            tokens,
            context,
            null_position,
            n_best,
            max_answer_length,
            starts,
        )
    logits = torch.stack([start_logits, end_logits]).float()  # (2, batch, length)
    position = torch.arange(logits.shape[2], device=logits.device)
    logits = logits.masked_fill(
        (position < tokens[:, :1]) | (position >= tokens[:, 1:]), -torch.inf
    )

    find = _pruned_search if search == "pruned" else _exact_search
    score, start, end = find(logits, context, n_best, max_answer_length)
    start_logit, end_logit = logits[0].gather(1, start), logits[1].gather(1, end)
    null_score = logits.gather(2, null_position.expand(2, -1)[:, :, None]).sum(dim=(0, 2))
    return Spans(
        start,
        end,
        start_logit,
        end_logit,
        score > -torch.inf,
        null_score,
        logits.sum(dim=(0, 2)).isnan(),
    )


def _beam_spans(
    start_logits, end_logits, tokens, context, null_position, n_best, max_answer_length, starts
):
    """`best_spans` over the given starts and every end of each."""
    starts, order = starts.sort(dim=1)  # so that of equal scores the earlier start comes first
    end_logits = end_logits.gather(1, order[:, :, None].expand_as(end_logits))
    position = torch.arange(start_logits.shape[1], device=start_logits.device)
    no_token = (position < tokens[:, :1]) | (position >= tokens[:, 1:])
    is_nan = start_logits.masked_fill(no_token, 0.0).isnan().any(dim=1) | end_logits.masked_fill(
        no_token[:, None], 0.0
    ).isnan().any(dim=(1, 2))
    start_logit = start_logits.gather(1, starts)  # (batch, beam)
    again = F.pad(
        starts[:, 1:] == starts[:, :-1], (1, 0)
    )  # a start that is there twice counts once
    outside = (starts < context[:, :1]) | (starts >= context[:, 1:]) | again
    length = position - starts[:, :, None] + 1  # (batch, beam, length)
    score = (start_logit[:, :, None] + end_logits).masked_fill(
        outside[:, :, None] | (length < 1) | (length > max_answer_length), -torch.inf
    )
    score = score.masked_fill((position >= context[:, 1:])[:, None], -torch.inf)
    place = _largest(score.flatten(1), n_best)
    beam, end = place // len(position), place % len(position)
    best, start = score.flatten(1).gather(1, place), starts.gather(1, beam)
    of_null = (starts == null_position[:, None]).long().argmax(dim=1)  # its row among the starts
    null_end = end_logits[torch.arange(len(starts), device=starts.device), of_null, null_position]
    null_score = start_logits.gather(1, null_position[:, None]).squeeze(1) + null_end
    return Spans(
        start,
        end,
        start_logit.gather(1, beam),
        end_logits.flatten(1).gather(1, place),
        best > -torch.inf,
        null_score,
        is_nan,
    )


def _pruned_search(logits, context, n_best, max_answer_length):
    """The n best of the pairs of the n best starts and the n best ends: scores, starts, ends, each (batch, n)."""
    _, batch, _ = logits.shape
    best = (
        _largest(rearrange(logits, "two batch length -> (two batch) length"), n_best)
        .sort(dim=1)
        .values
    )
    best = rearrange(best, "(two batch) n -> two batch n", batch=batch)
    outside = (best < context[:, :1]) | (best >= context[:, 1:])
    start_logit, end_logit = logits.gather(2, best).masked_fill(
        outside, -torch.inf
    )  # (batch, n) each, ascending in position
    start, end = best
    length = end[:, None, :] - start[:, :, None] + 1  # (batch, n starts, n ends)
    score = (start_logit[:, :, None] + end_logit[:, None, :]).masked_fill(
        (length < 1) | (length > max_answer_length), -torch.inf
    )
    pair = _largest(score.flatten(1), n_best)
    n = best.shape[2]
    return score.flatten(1).gather(1, pair), start.gather(1, pair // n), end.gather(1, pair % n)


def _exact_search(logits, context, n_best, max_answer_length):
    """The n best of all spans: scores, starts, ends, each (batch, n)."""
    position = torch.arange(logits.shape[2], device=logits.device)
    start_logit, end_logit = logits.masked_fill(
        (position < context[:, :1]) | (position >= context[:, 1:]), -torch.inf
    )
    # Row i of the band holds the logits of the ends at i, i + 1, ...: (batch, length, max_answer_length)
    band = F.pad(end_logit, (0, max_answer_length - 1), value=-torch.inf).unfold(
        1, max_answer_length, 1
    )
    score = (start_logit[:, :, None] + band).flatten(1)
    place = _largest(score, n_best)
    start = place // max_answer_length
    end = (start + place % max_answer_length).clamp(
        max=logits.shape[2] - 1
    )  # of what is no span, anything within the row
    return score.gather(1, place), start, end


def _largest(values, n):
    """The indices of each row's n largest values, largest first, of equals the earlier: float32 (rows, any) -> (rows, n).

    `topk` alone takes equals in any order, and a stable sort of the whole row takes ten times as long. So topk is given
    integers that are all different: the value's bits, which for floats of one sign sort as the values do, above its place.
    """
    bits = (values + 0.0).view(torch.int32)  # + 0.0 makes one zero of the two
    ascending = bits ^ (
        (bits >> 31) & 0x7FFFFFFF
    )  # negative floats sort by their bits the other way round
    last = values.shape[1] - 1
    keys = (ascending.long() << 32) + torch.arange(last, -1, -1, device=values.device)
    best = (
        keys.topk(min(n, last + 1), dim=1, sorted=False).values.sort(dim=1, descending=True).values
    )  # faster than a sorted topk
    return last - (best & 0xFFFFFFFF)


def log_probabilities(start_logits, end_logits, context, null_position):
    """Each feature's logits as log-probabilities over its context and its null position; elsewhere they are -inf.

    start_logits, end_logits: (batch, length), of any float type; context: (batch, 2) int64, the first position of the context
    and the one after its last; null_position: (batch,). Returns log-probabilities of start and end, (2, batch, length), and
    what was subtracted from the logits, (2, batch), all float32.
    """
    logits = torch.stack([start_logits, end_logits]).float()
    position = torch.arange(logits.shape[2], device=logits.device)
    kept = (position >= context[:, :1]) & (position < context[:, 1:]) | (
        position == null_position[:, None]
    )
    logits = logits.masked_fill(~kept, -torch.inf)
    total = logits.logsumexp(dim=2)
    return logits - total[:, :, None], total
