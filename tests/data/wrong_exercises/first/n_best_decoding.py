"""Takes equal scores in any order, and fails where there are fewer than n pairs."""

import torch


def n_best_decoding(start_logits, end_logits, is_context, n, max_answer_length):
    start_logits = start_logits.float().masked_fill(~is_context, -torch.inf)
    end_logits = end_logits.float().masked_fill(~is_context, -torch.inf)
    length = start_logits.shape[1]
    if (start_logits.isnan() | end_logits.isnan()).any():
        raise ValueError("NaN")
    position = torch.arange(length)
    size = position[None] - position[:, None] + 1
    is_valid = (size >= 1) & (size <= max_answer_length)
    pairs = start_logits[:, :, None] + end_logits[:, None]
    pairs = pairs.masked_fill(~is_valid, -torch.inf).flatten(1)
    scores, places = pairs.topk(min(n, length * length), dim=1)
    places = places.masked_fill(scores == -torch.inf, 0)
    return scores, places // length, places % length
