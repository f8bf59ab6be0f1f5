"""The optimiser and its schedule."""

import torch
from torch import nn

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.modules.batchnorm._NormBase)


def parameter_groups(model, weight_decay):
    """Split the trainable parameters into those that decay and those that do not: biases and normalisation weights.

    The type of the module and the shape of the parameter decide, never its name: what belongs to a normalisation layer,
    and whatever is a vector (a bias, or the scale of a normalisation layer that a model defines for itself).
    """
    decay, no_decay = [], []
    seen = set()
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                (no_decay if isinstance(module, NORMS) or parameter.ndim < 2 else decay).append(parameter)
    return [{"params": decay, "weight_decay": weight_decay}, {"params": no_decay, "weight_decay": 0.0}]


def make_optimizer(model, learning_rate, weight_decay):
    """AdamW (Loshchilov and Hutter 2019) in PyTorch's fused form, one kernel for all parameters."""
    return torch.optim.AdamW(parameter_groups(model, weight_decay), lr=learning_rate, fused=True)


def linear_warmup(optimizer, warmup_steps, total_steps):
    """Let the learning rate rise linearly over the warm-up steps, then fall linearly to 0 at `total_steps`."""

    def factor(step):
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)  # the first step is not spent on a rate of 0
        return max(0.0, (total_steps - step) / max(1, total_steps - warmup_steps))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
