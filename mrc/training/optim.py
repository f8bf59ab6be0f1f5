"""The optimizer, its schedule, and the moving average of the weights."""

import math
from contextlib import contextmanager

import torch
from torch import nn

from mrc.model.layers import layer_depths

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)


def parameter_groups(model, weight_decay, learning_rate=None, layer_decay=1.0):
    """Split the trainable parameters into those that decay and those that do not: biases and normalisation weights.

    The type of the module and the shape of the parameter decide, never its name: what belongs to a normalisation layer,
    and whatever is a vector (a bias, or the scale of a normalisation layer that a model defines for itself).

    layer_decay: below 1, each layer of `model.encoder` has groups of its own, with that share of the learning rate of the
    layer above it (Howard and Ruder 2018). Raises InputError if the encoder has no layers that can be told apart.
    """
    depths = layer_depths(model) if layer_decay != 1.0 else {}
    top = max(depths.values(), default=0)
    groups = {(top, True): [], (top, False): []}
    seen = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                decays = not isinstance(module, NORMS) and parameter.ndim >= 2
                groups.setdefault((depths.get(id(parameter), top), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if decays else 0.0,
            **({"lr": learning_rate * layer_decay ** (top - depth)} if depths else {}),
        }
        for (depth, decays), parameters in groups.items()
    ]


def make_optimizer(model, learning_rate, weight_decay, layer_decay=1.0):
    """AdamW (Loshchilov and Hutter 2019) in PyTorch's fused form, one kernel for all parameters."""
    return torch.optim.AdamW(
        parameter_groups(model, weight_decay, learning_rate, layer_decay),
        lr=learning_rate,
        fused=True,
    )


def make_schedule(optimizer, name, warmup_steps, total_steps):
    """Let the learning rate rise linearly over the warm-up steps; then "linear" and "cosine" let it fall to 0 at
    `total_steps`, "constant" leaves it."""

    def factor(step):
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)  # the first step is not spent on a rate of 0
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        return {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "constant": 1.0}[
            name
        ]

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


class WeightAverage:
    """An exponential moving average of a model's weights: each step it keeps `decay` of itself."""

    def __init__(self, model, decay):
        self.decay, self.parameters = (
            decay,
            [parameter for parameter in model.parameters() if parameter.requires_grad],
        )
        self.values = [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def update(self):
        torch._foreach_lerp_(self.values, self.parameters, 1 - self.decay)

    @contextmanager
    def in_place(self):
        """Within the block, the model has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self):
        for parameter, value in zip(self.parameters, self.values):
            trained = parameter.detach().clone()
            parameter.copy_(value)
            value.copy_(trained)
