"""The layers of an encoder: how deep each parameter is, and which are trained."""

import torch
from torch import nn

from mrc.errors import InputError


def layer_depths(model):
    """How far up each parameter is, by its id: 0 for the embeddings, 1 to n for the encoder's layers, n + 1 for what follows.

    What the encoder defines before its list of layers counts as embeddings, what it defines after as following.
    Raises InputError if it has no such list (as ALBERT, whose layers are one).
    """
    encoder = getattr(model, "encoder", None)
    if encoder is None:
        raise InputError(
            "--layer-decay and --freeze-layers: a model of your own has no layers that are known here."
        )
    name, layers = next(layer_lists(encoder), (None, None))
    if layers is None:
        raise InputError(
            f"--layer-decay and --freeze-layers: {type(encoder).__name__} has no layers that can be told apart."
        )
    inside = {
        id(parameter): depth
        for depth, layer in enumerate(layers, start=1)
        for parameter in layer.parameters()
    }
    depths, depth = {}, 0
    for parameter_name, parameter in encoder.named_parameters():
        if parameter_name.startswith(name + "."):
            depth = len(layers) + 1  # from here on, what is in no layer follows them
        depths[id(parameter)] = inside.get(id(parameter), depth)
    return {**{id(parameter): len(layers) + 1 for parameter in model.parameters()}, **depths}


def layer_lists(model):
    """The names and the lists of layers in a model: the module lists that are as long as a configuration in it has hidden layers."""
    counts = {
        getattr(getattr(module, "config", None), "num_hidden_layers", None)
        for module in model.modules()
    }
    return (
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) in counts
    )


def freeze(model, layers):
    """Take the embeddings and the first `layers` layers of `model.encoder` from training. Raises InputError if it has fewer."""
    depths = layer_depths(model)
    count = max(depths.values()) - 1
    if layers > count:
        raise InputError(f"--freeze-layers {layers}: the encoder has {count} layers.")
    for parameter in model.parameters():
        if depths[id(parameter)] <= layers:
            parameter.requires_grad_(False)


def freeze_unused_parameters(model, inputs):
    """Take from training what no logit depends on, such as a pooler: several processes would wait for its gradient.

    inputs: of one batch, as the model is called with them. One process does the same, so that a run can go on with more.
    """
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        sum(logits.sum() for logits in model.train()(**inputs)).backward()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
    model.zero_grad(set_to_none=True)
