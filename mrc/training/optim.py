"""The optimizer, its schedule, and the moving average of the weights."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _NormBase)


def parameter_groups(
    model: nn.Module,
    weight_decay: float,
    learning_rate: float | None = None,
    *,
    layer_decay: float = 1.0,
    depths: Mapping[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Split the trainable parameters by whether they decay, and by how deep they are.

    Biases and normalization weights do not decay. The type of the module and the shape of the
    parameter decide, never its name: what belongs to a normalization layer, and every vector (a
    bias, or the scale of a normalization layer that a model defines itself).

    Args:
        model: the model.
        weight_decay: of the parameters that decay.
        learning_rate: of the top layer; needed with a layer_decay.
        layer_decay: the learning rate of each layer as a share of the layer above it (Howard and
            Ruder 2018).
        depths: the depth of each parameter, by its id; needed with a layer_decay.
    """
    depths = depths or {}
    top = max(depths.values(), default=0)
    # (depth, whether it decays) -> parameters. The top layer comes first: a log line shows the
    # learning rate of the first group.
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {(top, True): [], (top, False): []}
    seen = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            # Tied parameters stand in several modules.
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            decays = not isinstance(module, NORMS) and parameter.ndim >= 2
            depth = depths.get(id(parameter), top)
            groups.setdefault((depth, decays), []).append(parameter)

    result = []
    for (depth, decays), parameters in groups.items():
        group: dict[str, Any] = {"params": parameters}
        group["weight_decay"] = weight_decay if decays else 0.0
        if depths and learning_rate is not None:
            group["lr"] = learning_rate * layer_decay ** (top - depth)
        result.append(group)
    return result


def make_optimizer(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float,
    *,
    layer_decay: float = 1.0,
    depths: Mapping[int, int] | None = None,
) -> Optimizer:
    """Return AdamW (Loshchilov and Hutter 2019), fused: one kernel for all parameters.

    Arguments are those of `parameter_groups`.
    """
    groups = parameter_groups(
        model, weight_decay, learning_rate, layer_decay=layer_decay, depths=depths
    )
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def make_schedule(
    optimizer: Optimizer, name: str, *, warmup_steps: int, total_steps: int
) -> LambdaLR:
    """Return a schedule that is stepped after each optimizer step.

    The learning rate rises linearly over the warm-up steps. Then "linear" and "cosine" take it
    down to 0 at `total_steps`, and "constant" leaves it.
    """

    def factor(step: int) -> float:
        if step < warmup_steps:
            # Counted from one, so that the first step is not wasted on a rate of 0.
            return (step + 1) / (warmup_steps + 1)
        steps_after_warmup = max(1, total_steps - warmup_steps)
        done = min(1.0, (step - warmup_steps) / steps_after_warmup)
        if name == "linear":
            return 1 - done
        if name == "cosine":
            return (1 + math.cos(math.pi * done)) / 2
        return 1.0

    return LambdaLR(optimizer, factor)


def step_unless_bad(optimizer: Optimizer, is_bad: torch.Tensor) -> None:
    """Take the optimizer's step, unless the loss or the gradient was not finite.

    One step with NaN would leave NaN in every weight, and in AdamW's moments for good.

    Args:
        optimizer: any.
        is_bad: bool scalar, on the device that computes.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        # A fused optimizer decides on the device. Asking there would make every step wait, so it
        # is told as torch.amp.GradScaler tells it, by these two attributes.
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        optimizer.found_inf = is_bad.float()  # type: ignore[attr-defined]
        optimizer.step()
    elif not is_bad:
        optimizer.step()


class WeightAverage:
    """The exponential moving average of a model's weights.

    torch.optim.swa_utils.AveragedModel would copy a counter to the device at each update, and so
    wait for it.

    model: whose trained weights are averaged. decay: of itself that the average keeps at an
    update. Attribute `module`: a copy of the model with the averaged weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        # Frozen weights are shared with the copy.
        self.module = copy.deepcopy(model, {id(parameter): parameter for parameter in frozen})
        pairs = zip(model.parameters(), self.module.parameters(), strict=True)
        trained = [(own, averaged) for own, averaged in pairs if own.requires_grad]
        self.trained: list[torch.Tensor] = [own for own, _ in trained]
        self.averaged: list[torch.Tensor] = [averaged for _, averaged in trained]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        torch._foreach_lerp_(self.averaged, self.trained, 1 - self.decay)
