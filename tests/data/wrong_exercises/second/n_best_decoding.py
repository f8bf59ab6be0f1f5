"""Keeps n starts and n ends before it pairs them."""

import torch
from torch.nn import functional as F


def n_best_decoding(start_logits, end_logits, is_context, n, max_answer_length):
    start_logits = start_logits.float().masked_fill(~is_context, -torch.inf)
    end_logits = end_logits.float().masked_fill(~is_context, -torch.inf)
    if (start_logits.isnan() | end_logits.isnan()).any():
        raise ValueError("NaN")
    size = min(n, start_logits.shape[1])
    starts = start_logits.sort(dim=1, descending=True, stable=True).indices[:, :size].sort().values
    ends = end_logits.sort(dim=1, descending=True, stable=True).indices[:, :size].sort().values
    lengths = ends[:, None] - starts[:, :, None] + 1
    scores = start_logits.gather(1, starts)[:, :, None] + end_logits.gather(1, ends)[:, None]
    is_valid = (lengths >= 1) & (lengths <= max_answer_length)
    scores = scores.masked_fill(~is_valid, -torch.inf).flatten(1)
    scores, pairs = scores.sort(dim=1, descending=True, stable=True)
    missing = max(n - size * size, 0)
    scores = F.pad(scores[:, :n], (0, missing), value=-torch.inf)
    pairs = F.pad(pairs[:, :n], (0, missing))
    is_missing = scores == -torch.inf
    starts = starts.gather(1, pairs // size).masked_fill(is_missing, 0)
    ends = ends.gather(1, pairs % size).masked_fill(is_missing, 0)
    return scores, starts, ends
