"""A model in several processes: copies with averaged gradients (DDP), or shards (FSDP)."""

import copy
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from mrc.errors import InputError
from mrc.runtime.processes import World

# The names under which optimizers keep what has the shape of a parameter.
MOMENTS = {"exp_avg", "exp_avg_sq", "momentum_buffer"}


def wrap_for_processes(model: nn.Module, world: World) -> nn.Module:
    """Return the model as training calls it, so that its gradients are the processes' mean."""
    if world.size == 1 or is_sharded(model):
        return model
    return DistributedDataParallel(model, gradient_as_bucket_view=True)


def no_sync(model: Any, *, is_last: bool) -> AbstractContextManager[Any]:
    """Return the context of a backward pass in which the processes exchange no gradients.

    Only the last micro-batch of a step exchanges them, those of the others with its own; with
    `is_last` the context does nothing.
    """
    if is_sharded(model):
        model.set_requires_gradient_sync(is_last)
    if isinstance(model, DistributedDataParallel) and not is_last:
        return model.no_sync()
    return nullcontext()


def shard(
    model: nn.Module,
    layers: Sequence[nn.Module],
    world: World,
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> nn.Module | None:
    """Distribute a model's weights over the processes, in place, with PyTorch's fully_shard.

    Gradients and optimizer state are distributed with them. A forward or backward pass gathers
    the layer that it has come to, and frees it afterwards (Zhao et al. 2023, "PyTorch FSDP").

    Args:
        model: on the host, so that no device needs to hold all of it.
        layers: modules to gather one at a time, those inside others first.
        world: the processes.
        device: where the shards go.
        dtype: type in which the weights are gathered to compute with; None for their own.

    Returns:
        In the main process a copy on the host, for `gather_full_model`; None in the others.

    Raises:
        InputError: the model, or the device, does not support sharding.
    """
    # fully_shard calls it.
    lacks_stream_events = not hasattr(torch.cpu.Stream, "record_event")
    if device.type == "cpu" and lacks_stream_events:
        raise InputError(
            f"--fsdp: PyTorch {torch.__version__} shards models on GPUs only; use a later version "
            "for CPUs."
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # The two logits are views of one tensor. PyTorch warns in case someone changes them in place,
    # which the loop never does.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    # The shards must be parts of one model, whatever each process has loaded.
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, 0)
    full_model = copy.deepcopy(model) if world.is_main else None
    # Earlier versions of gloo add where a mean is asked for. For float64, PyTorch asks for a sum
    # and divides it itself.
    reduce_dtype = torch.float64 if device.type == "cpu" else torch.float32
    settings: dict[str, Any] = {
        "mesh": init_device_mesh(device.type, (world.size,)),
        # Inputs are left to autocast.
        "mp_policy": MixedPrecisionPolicy(dtype, reduce_dtype, cast_forward_inputs=False),
    }
    try:
        for layer in layers:
            fully_shard(layer, **settings)
        fully_shard(model, **settings)
    except ValueError as error:
        # For example, a parameter without dimensions.
        name = type(model).__name__
        raise InputError(f"--fsdp: {name} cannot be sharded ({error}).") from error
    return full_model


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` distributed this model."""
    return hasattr(model, "set_requires_gradient_sync")


def dummy_input(device: torch.device) -> torch.Tensor:
    """Return token ids (1, 8) for a forward pass whose result nobody reads."""
    return torch.ones(1, 8, dtype=torch.long, device=device)


def gather_full_model(model: nn.Module, full_model: nn.Module | None) -> nn.Module | None:
    """Return the model as it can be saved. All processes must call it.

    A sharded model gives `full_model`, which is what `shard` returned, with its present weights;
    any other gives itself.
    """
    if not is_sharded(model):
        return model
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    state = get_model_state_dict(model, options=options)
    if full_model is not None:
        full_model.load_state_dict(state)
    return full_model


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor unsharded, on this process's device. All processes must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def optimizer_state(optimizer: torch.optim.Optimizer, world: World) -> dict[str, Any]:
    """Return an optimizer's `state_dict` as one process with the full model would have it.

    All processes must call it; only the main process may use it. What was sharded comes back on
    the host, which has room for all of it.
    """
    state = optimizer.state_dict()

    def gathered(value: Any) -> Any:
        if not hasattr(value, "full_tensor"):
            return value
        full = value.full_tensor()
        return full.cpu() if world.is_main else None

    full_state = {
        index: {name: gathered(value) for name, value in kept.items()}
        for index, kept in state["state"].items()
    }
    return {**state, "state": full_state}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Set an optimizer to what `optimizer_state` returned, whatever the number of shards then.

    All processes must call it.
    """
    groups = optimizer.param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    for index, kept in state["state"].items():
        _check_moments(kept, parameters[index])
    own_state = {
        index: {name: _own_part(value, parameters[index]) for name, value in kept.items()}
        for index, kept in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": own_state})


def _check_moments(kept: dict[str, Any], parameter: torch.Tensor) -> None:
    """Raise ValueError if moments are of another parameter: PyTorch notices only when it steps."""
    for name in MOMENTS & kept.keys():
        moment = kept[name]
        if isinstance(moment, torch.Tensor) and moment.shape != parameter.shape:
            raise ValueError(f"{name} has shape {list(moment.shape)}, not {list(parameter.shape)}")


def _own_part(value: Any, parameter: Any) -> Any:
    """Of a parameter's moments, take the part that this process has of the parameter."""
    if not hasattr(parameter, "full_tensor"):
        return value
    # The number of steps has no shape of the parameter's, and is not sharded.
    if getattr(value, "shape", None) != parameter.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, parameter.device_mesh, parameter.placements)
