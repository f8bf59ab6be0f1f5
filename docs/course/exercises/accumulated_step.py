"""Exercise 3: one optimizer step on several micro-batches. Page: 04-the-other-lines."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.optim import Optimizer

Loss = Callable[[Tensor, Tensor], Tensor]


def accumulated_step(
    model: nn.Module,
    loss_function: Loss,
    optimizer: Optimizer,
    micro_batches: list[tuple[Tensor, Tensor]],
) -> Tensor:
    """Take one optimizer step whose gradient is that of one large batch.

    The large batch does not fit into memory, so it comes in micro-batches. Their number and sizes
    must not matter: the weights end as if the model had seen all examples at once.

    Args:
        model: called with inputs (examples, ...).
        loss_function: called with the model's output and the targets; returns the mean over the
            examples that it was given.
        optimizer: of the model's parameters.
        micro_batches: pairs (inputs, targets), each with the examples in the first dimension. The
            last one is often smaller than the others. One can be empty, but not all.

    Returns:
        The mean loss over all examples of the step: a scalar without a graph.

    Careful:
        - The mean of nothing is NaN, and so is 0 times NaN.
        - Only one micro-batch's graph may be in memory at a time.
        - Parameters can still hold the gradient of an earlier step.
    """
    raise NotImplementedError("Accumulate the gradients of the micro-batches, then take one step.")
