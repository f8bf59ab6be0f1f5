"""Solution of exercise 10."""

from collections.abc import Callable

import torch
from torch import Tensor


def ddp_weighting(
    losses: Tensor, all_reduce_sum: Callable[[Tensor], Tensor], world_size: int
) -> Tensor:
    """Return the loss on which this process calls `backward()`."""
    count = torch.tensor(len(losses), device=losses.device)
    features = all_reduce_sum(count).clamp(min=1)
    # DDP divides by the number of processes. The sum of no losses is 0, and has a graph.
    return losses.sum() * world_size / features
