"""Solution of exercise 4."""

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.utils import clip_grad_norm_
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
    """Do what follows a forward pass in fp16: backward, clip, step, and make ready for the next."""
    scaler.scale(loss).backward()
    # Before the clip, which must see the true gradient.
    scaler.unscale_(optimizer)
    grad_norm = clip_grad_norm_(model.parameters(), max_grad_norm)

    scale = scaler.get_scale()
    # Skips the optimizer's step where `unscale_` has seen an overflow.
    scaler.step(optimizer)
    scaler.update()
    # It can also grow, after many steps without an overflow.
    stepped = scaler.get_scale() >= scale
    if stepped:
        schedule.step()
    optimizer.zero_grad()
    return grad_norm, stepped
