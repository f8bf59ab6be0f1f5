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


def best_spans(start_logits, end_logits, attention_mask, context_mask, null_position, n_best=20, max_answer_length=30):
    """Find the n best spans of each feature.

    As in the reference recipe for SQuAD (Hugging Face's run_qa; before it, BERT's run_squad): the best n starts and the
    best n ends over all positions of a feature, their n x n pairs, of which those are kept that lie within the context,
    do not end before they start, and have at most `max_answer_length` tokens. Of equal scores, the earlier start and
    then the earlier end comes first.

    start_logits, end_logits: (batch, length), of any float type, computed with in float32; attention_mask, context_mask:
    (batch, length) bool, the feature's tokens and those of its context; null_position: (batch,). Returns Spans.
    """
    start_logits, end_logits = start_logits.float(), end_logits.float()
    n = min(n_best, start_logits.shape[1])
    start_logit, start = _best_positions(start_logits, attention_mask, n)  # (batch, n), in ascending order of position
    end_logit, end = _best_positions(end_logits, attention_mask, n)

    in_context_start, in_context_end = context_mask.gather(1, start), context_mask.gather(1, end)
    length = end[:, None, :] - start[:, :, None] + 1  # (batch, n starts, n ends)
    valid = in_context_start[:, :, None] & in_context_end[:, None, :] & (length >= 1) & (length <= max_answer_length)
    score = (start_logit[:, :, None] + end_logit[:, None, :]).masked_fill(~valid, -torch.inf)

    score, pair = score.flatten(1).sort(dim=1, descending=True, stable=True)  # stable: of equals, the earlier span first
    score, pair = score[:, :n_best], pair[:, :n_best]
    of_start, of_end = pair // n, pair % n
    null_position = null_position[:, None]
    null_score = start_logits.gather(1, null_position) + end_logits.gather(1, null_position)
    return Spans(start.gather(1, of_start), end.gather(1, of_end), start_logit.gather(1, of_start), end_logit.gather(1, of_end),
                 valid.flatten(1).gather(1, pair), null_score.squeeze(1))


def _best_positions(logits, mask, n):
    """The n best positions of each row, the earlier of equals: logits (batch, n) and positions (batch, n), ascending."""
    best = logits.masked_fill(~mask, -torch.inf).sort(dim=1, descending=True, stable=True).indices[:, :n]
    best = best.sort(dim=1).values
    return logits.gather(1, best), best
