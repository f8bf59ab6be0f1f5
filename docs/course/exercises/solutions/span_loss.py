"""Solution of exercise 2."""

import torch
from torch import Tensor
from torch.nn import functional as F


def span_loss(
    start_logits: Tensor,
    end_logits: Tensor,
    start_positions: Tensor,
    end_positions: Tensor,
    attention_mask: Tensor,
) -> Tensor:
    """Return the mean of the start's and the end's cross-entropy, over the tokens of each row."""
    has_token = attention_mask.any(dim=1)
    is_padding = attention_mask[has_token] == 0
    rows = has_token.sum().clamp(min=1)

    def loss_sum(logits: Tensor, positions: Tensor) -> Tensor:
        # Not a sum with a large negative number: NaN plus anything is NaN.
        logits = logits[has_token].float().masked_fill(is_padding, -torch.inf)
        # The sum over no rows is 0; the mean would be NaN.
        return F.cross_entropy(logits, positions[has_token], reduction="sum")

    start_loss = loss_sum(start_logits, start_positions)
    end_loss = loss_sum(end_logits, end_positions)
    return (start_loss + end_loss) / (2 * rows)
