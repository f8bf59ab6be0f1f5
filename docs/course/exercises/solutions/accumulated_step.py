"""Solution of exercise 3."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Loss = Callable[[Tensor, Tensor], Tensor]


def accumulated_step(
    model: nn.Module,
    loss_function: Loss,
    optimizer: Optimizer,
    micro_batches: list[tuple[Tensor, Tensor]],
) -> Tensor:
    """Take one optimizer step whose gradient is that of one large batch."""
    # Each micro-batch counts by its share of the step's examples.
    examples = sum(len(inputs) for inputs, _ in micro_batches)
    total = torch.zeros(())

    optimizer.zero_grad()
    for inputs, targets in micro_batches:
        if len(inputs) == 0:
            continue
        loss = loss_function(model(inputs), targets) * (len(inputs) / examples)
        # Adds to the gradient and frees the graph.
        loss.backward()
        total += loss.detach()
    optimizer.step()
    return total
