"""Solution of exercise 6."""

import torch
from torch import Tensor
from torch.nn import functional as F


def n_best_decoding(
    start_logits: Tensor,
    end_logits: Tensor,
    is_context: Tensor,
    n: int,
    max_answer_length: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the n best spans of each row."""
    # Not a sum with -inf: NaN plus anything is NaN.
    start_logits = start_logits.float().masked_fill(~is_context, -torch.inf)
    end_logits = end_logits.float().masked_fill(~is_context, -torch.inf)
    if (start_logits.isnan() | end_logits.isnan()).any():
        raise ValueError("A logit is NaN.")

    length = start_logits.shape[1]
    position = torch.arange(length, device=start_logits.device)
    span_length = position[None, :] - position[:, None] + 1
    is_valid = (span_length >= 1) & (span_length <= max_answer_length)
    # (batch, start, end) -> (batch, start * length + end): in the order that decides ties.
    pairs = start_logits[:, :, None] + end_logits[:, None, :]
    pairs = pairs.masked_fill(~is_valid, -torch.inf).flatten(1)

    # A stable sort keeps equal scores in their order; `topk` does not.
    scores, places = pairs.sort(dim=1, descending=True, stable=True)
    missing = max(n - scores.shape[1], 0)
    scores = F.pad(scores[:, :n], (0, missing), value=-torch.inf)
    places = F.pad(places[:, :n], (0, missing)).masked_fill(scores == -torch.inf, 0)
    return scores, places // length, places % length
