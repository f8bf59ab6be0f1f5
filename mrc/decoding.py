"""Decoding: from the logits of a batch to its n best spans, in tensor operations on the device that holds the logits."""

from dataclasses import dataclass

import torch


@dataclass
class Spans:
    """The n best spans of each feature of a batch, best first.

    start, end: (batch, n) int64 token positions, the end included; start_logit, end_logit: (batch, n) float32;
    valid: (batch, n) bool, false where a feature has fewer than n spans; null_score: (batch,) float32, the sum of the
    start and end logit of the null position.
    """

    start: torch.Tensor
    end: torch.Tensor
    start_logit: torch.Tensor
    end_logit: torch.Tensor
    valid: torch.Tensor
    null_score: torch.Tensor


def best_spans(start_logits, end_logits, attention_mask, context_mask, null_position, n_best=20, max_answer_length=30, search="pruned"):
    """Find the n best spans of each feature.

    A span is valid if it lies within the context, does not end before it starts, and has at most `max_answer_length`
    tokens. "pruned" looks where the reference recipe for SQuAD looks (BERT's run_squad; Hugging Face's run_qa): at the
    pairs of the best n starts and the best n ends over all positions of a feature. "exact" looks at every valid span.
    Of equal scores, the earlier start and then the earlier end comes first.

    start_logits, end_logits: (batch, length), of any float type, computed with in float32; attention_mask, context_mask:
    (batch, length) bool, the feature's tokens and those of its context; null_position: (batch,). Returns Spans.
    """
    start_logits, end_logits = start_logits.float(), end_logits.float()
    if search == "pruned":
        start, end = _pruned_candidates(start_logits, end_logits, attention_mask, n_best)
    else:
        start, end = _all_candidates(start_logits, max_answer_length)

    span_length = end - start + 1  # (batch, candidates), ascending in (start, end)
    valid = context_mask.gather(1, start) & context_mask.gather(1, end) & (span_length >= 1) & (span_length <= max_answer_length)
    score = (start_logits.gather(1, start) + end_logits.gather(1, end)).masked_fill(~valid, -torch.inf)
    best = _largest(score, n_best)

    start, end, null = start.gather(1, best), end.gather(1, best), null_position[:, None]
    null_score = start_logits.gather(1, null) + end_logits.gather(1, null)
    return Spans(start, end, start_logits.gather(1, start), end_logits.gather(1, end), valid.gather(1, best), null_score.squeeze(1))


def _pruned_candidates(start_logits, end_logits, attention_mask, n):
    """The pairs of each feature's best n starts and ends: start, end (batch, n * n), ascending in (start, end)."""
    start, end = (_best_positions(logits, attention_mask, n) for logits in (start_logits, end_logits))
    n = start.shape[1]
    return start.repeat_interleave(n, dim=1), end.repeat(1, n)


def _best_positions(logits, mask, n):
    """Each row's n best positions, in ascending order: (batch, n), fewer where the row is shorter."""
    return _largest(logits.masked_fill(~mask, -torch.inf), n).sort(dim=1).values


def _largest(values, n):
    """The indices of each row's n largest values, largest first, of equals the earlier: float32 (batch, any) -> (batch, n).

    `topk` alone takes equals in any order, and a stable sort of the whole row takes several times as long. So topk is given
    integers that are all different: the value's bits, which for floats of one sign sort as the values do, above its place.
    """
    bits = (values + 0.0).view(torch.int32)  # + 0.0 makes one zero of the two
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # negative floats sort by their bits the other way round
    place = torch.arange(values.shape[1] - 1, -1, -1, device=values.device)
    return ((ascending.long() << 32) + place).topk(min(n, values.shape[1]), dim=1).indices


def _all_candidates(logits, max_answer_length):
    """Every start with every end that is near enough: start, end (batch, length * max_answer_length), ascending."""
    batch, length = logits.shape
    reach = min(max_answer_length, length)
    start = torch.arange(length, device=logits.device).repeat_interleave(reach)
    end = start + torch.arange(reach, device=logits.device).repeat(length)
    end = end.where(end < length, 0)  # beyond the row: an end before its start, which is no valid span
    return start.expand(batch, -1), end.expand(batch, -1)
