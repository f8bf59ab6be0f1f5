"""Exercise 4: the end of a step in fp16, in the right order. Page: 04-the-other-lines."""

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def unscale_clip_step(
    loss: Tensor,
    model: nn.Module,
    optimizer: Optimizer,
    scaler: GradScaler,
    schedule: LRScheduler,
    max_grad_norm: float,
) -> tuple[Tensor, bool]:
    """Do what follows a forward pass in fp16: backward, clip, step, and make ready for the next.

    The loss is scaled up before the backward pass, so that small gradients do not vanish in fp16.
    Where that makes a gradient overflow to infinity or NaN, the step is skipped: the weights stay,
    and the scaler lowers its scale.

    Args:
        loss: a scalar with a graph, not scaled.
        model: no parameter has a gradient yet.
        optimizer: of the model's parameters.
        scaler: a `torch.amp.GradScaler`; `get_scale()` returns its present scale.
        schedule: of the optimizer's learning rate.
        max_grad_norm: a gradient whose norm exceeds it is shortened to it.

    Returns:
        grad_norm: the norm of the true gradient, neither scaled nor clipped, as a tensor.
        stepped: whether the optimizer took its step.
        Afterwards no parameter has a gradient that the next step could add to.

    Careful:
        - The weights may not depend on the scale, nor may `grad_norm`.
        - The schedule counts the steps that were taken.
        - After a step that was taken, the scale can stay or grow.
    """
    raise NotImplementedError("Scale, backward, unscale, clip, step and update, in this order.")
