"""What the precision of a run changes in a training step: autocast, and fp16's loss scale."""

from typing import Any

import torch

from mrc.runtime.device import autocast
from mrc.training.optim import step_unless_bad


class Precision:
    """fp32, in which nothing changes, and bf16, whose forward pass runs under autocast."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.name = name
        self.device = device

    def autocast(self) -> torch.autocast:
        """Return the context of the forward pass."""
        return autocast(self.device, self.name)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss to that of the parameters."""
        loss.backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Do nothing: only fp16's gradient does not have its true size already."""

    def is_bad(self, loss: torch.Tensor, grad_norm: torch.Tensor) -> torch.Tensor:
        """Whether a step must be skipped: a scalar on the device, which nothing waits for."""
        return ~torch.isfinite(loss + grad_norm)

    def step(self, optimizer: torch.optim.Optimizer, is_bad: torch.Tensor) -> bool:
        """Take the optimizer's step unless it is bad; return whether the schedule goes on.

        It goes on even after a bad step: to ask whether it was bad is to wait for the device.
        """
        step_unless_bad(optimizer, is_bad)
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""


class ScaledPrecision(Precision):
    """fp16, whose smallest gradients would vanish: the loss is scaled up, the gradient down again.

    The scale grows until a gradient overflows. Such a step is skipped and the scale halved
    (Micikevicius et al. 2018, section 3.2), which is part of the method and no bad step.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        super().__init__(name, device)
        self.scaler = torch.amp.GradScaler(device.type)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the scaled gradient of a loss to that of the parameters."""
        self.scaler.scale(loss).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Give the gradient its true size, so that it is clipped by it."""
        self.scaler.unscale_(optimizer)

    def is_bad(self, loss: torch.Tensor, grad_norm: torch.Tensor) -> torch.Tensor:
        """Whether the loss itself is not finite; the scaler looks after the gradient."""
        return ~torch.isfinite(loss)

    def step(self, optimizer: torch.optim.Optimizer, is_bad: torch.Tensor) -> bool:
        """Take the step unless it is bad or overflowed; return whether the schedule goes on.

        It does not after a skipped step. The scaler waits for the device anyway.
        """
        scale = self.scaler.get_scale()
        loss_is_finite = not is_bad
        if loss_is_finite:
            # It skips the step itself if it has seen an overflow in `unscale_`.
            self.scaler.step(optimizer)
        self.scaler.update()
        has_overflowed = self.scaler.get_scale() < scale
        return loss_is_finite and not has_overflowed

    def state_dict(self) -> dict[str, Any]:
        """Return the scale and how long it has held."""
        return self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.scaler.load_state_dict(state)


def make_precision(name: str, device: torch.device) -> Precision:
    """Return the Precision of a name: "fp32", "bf16" or "fp16"."""
    kind = ScaledPrecision if name == "fp16" else Precision
    return kind(name, device)
