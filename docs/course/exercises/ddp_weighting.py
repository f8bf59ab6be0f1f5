"""Exercise 10: the loss of one process among several. Page: 10-processes."""

from collections.abc import Callable

from torch import Tensor


def ddp_weighting(
    losses: Tensor, all_reduce_sum: Callable[[Tensor], Tensor], world_size: int
) -> Tensor:
    """Return the loss on which this process calls `backward()`.

    Each process runs this function on its own features of a step. DistributedDataParallel then
    *averages* the processes' gradients. What is wanted is the gradient of the mean loss over all
    features of the step, in whatever way they are divided among the processes.

    Args:
        losses: (features of this process,), the loss of each, with a graph. A process can have
            fewer features than the others, or none: (0,), also with a graph.
        all_reduce_sum: takes a tensor and returns its sum over all processes, without a graph. It
            waits until every process has called it, so all must call it equally often.
        world_size: the number of processes.

    Returns:
        A scalar with a graph. If no process has any features, it is 0.

    Careful:
        - The mean of nothing is NaN.
        - A process without features must take part in everything: in `all_reduce_sum`, and in the
          backward pass, where the others wait for its gradients of 0.
    """
    raise NotImplementedError("Weight this process's losses by the features of all processes.")
