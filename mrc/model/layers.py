"""The layers of an encoder: how deep each parameter lies, and which of them are trained."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from mrc.errors import InputError
from mrc.model.span_model import span_logits


def layer_depths(model: nn.Module) -> dict[int, int]:
    """Return how deep each parameter of a model lies, by the parameter's `id`.

    The embeddings of `model.encoder` have depth 0, its layers 1 to n, and whatever follows has
    n + 1. Parameters outside of the layers count as embeddings if the encoder defines them before
    its layers, and as following otherwise.

    Raises:
        InputError: the encoder has no list of layers (ALBERT's layers are a single one).
    """
    encoder = getattr(model, "encoder", None)
    if encoder is None:
        raise InputError(
            "--layer-decay and --freeze-layers need a model with an encoder; the layers of a model "
            "of your own are not known."
        )
    found = list(layer_lists(encoder))
    if not found:
        raise InputError(
            f"--layer-decay and --freeze-layers: {type(encoder).__name__} has no layers that can "
            "be told apart."
        )
    list_name, layers = found[0]
    top = len(layers) + 1
    depths = {id(parameter): top for parameter in model.parameters()}
    depth_outside = 0
    for name, parameter in encoder.named_parameters():
        if name.startswith(f"{list_name}."):
            depth_outside = top
        depths[id(parameter)] = depth_outside
    for depth, layer in enumerate(layers, start=1):
        for parameter in layer.parameters():
            depths[id(parameter)] = depth
    return depths


def sharded_layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers that several processes gather one at a time, inner ones first.

    They are the layers of every encoder (and decoder) in the model.
    """
    layers = [layer for _, layers in layer_lists(model) for layer in layers]
    # A list of lists, as Funnel's blocks are, is no layer that could be called.
    callable_layers = [layer for layer in layers if not isinstance(layer, nn.ModuleList)]
    return callable_layers[::-1]


def layer_lists(model: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    """Yield the name and the modules of each list of layers in a model.

    A list of layers is a module list as long as some configuration in the model has hidden layers.
    """
    configs = [getattr(module, "config", None) for module in model.modules()]
    counts = {getattr(config, "num_hidden_layers", None) for config in configs}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) in counts:
            yield name, module


def freeze(model: nn.Module, layers: int) -> None:
    """Exclude the embeddings and the first `layers` layers of `model.encoder` from training.

    Raises InputError if the encoder has fewer layers.
    """
    depths = layer_depths(model)
    count = max(depths.values()) - 1
    if layers > count:
        raise InputError(f"--freeze-layers {layers}: the encoder has {count} layers.")
    for parameter in model.parameters():
        if depths[id(parameter)] <= layers:
            parameter.requires_grad_(False)


def freeze_unused_parameters(
    model: nn.Module,
    inputs: Mapping[str, Any],
    loss: Callable[[Any], torch.Tensor] | None = None,
) -> None:
    """Exclude from training what the loss does not depend on, such as a pooler.

    Several processes would wait for the gradients of such parameters. A single process excludes
    them too, so that its run can be resumed with several.

    Args:
        model: called as `model(**inputs)`, in training mode.
        inputs: one batch, without what the model does not take.
        loss: from the model's output to a scalar; None for the sum of its logits.
    """
    if loss is None:
        loss = _sum_of_logits
    device = next(model.parameters()).device
    devices = [device] if device.type == "cuda" else []
    # The random numbers of dropout are given back, as if there had been no forward pass.
    with torch.random.fork_rng(devices):
        model.train()
        loss(model(**inputs)).backward()
    for parameter in model.parameters():
        is_used = parameter.grad is not None
        parameter.requires_grad_(parameter.requires_grad and is_used)
    model.zero_grad(set_to_none=True)


def _sum_of_logits(output: Any) -> torch.Tensor:
    """Return a scalar that depends on every logit."""
    return torch.stack([logits.sum() for logits in span_logits(output)]).sum()
