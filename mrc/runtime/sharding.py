"""A model shared by several processes: copies whose gradients are averaged (DDP), or shards (FSDP)."""

import copy
import warnings
from contextlib import nullcontext

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mrc.errors import InputError
from mrc.model.layers import layer_lists


def wrap_for_processes(model, world):
    """The model as it is called in training: its gradients are the mean of those of all processes."""
    if world.size == 1 or is_sharded(model):
        return model
    return DistributedDataParallel(model, gradient_as_bucket_view=True)


def no_sync(model, until_last):
    """The context of a backward pass: where more micro-batches follow, the processes need not exchange gradients yet."""
    if is_sharded(model):
        model.set_requires_gradient_sync(not until_last)
    return (
        model.no_sync()
        if until_last and isinstance(model, DistributedDataParallel)
        else nullcontext()
    )


def dummy_input(device):
    """Token ids (1, 8) for a forward pass whose result nobody looks at."""
    return torch.ones(1, 8, dtype=torch.long, device=device)


def shard(model, world, device, dtype=None):
    """Share a model's weights out among the processes, and so its gradients and what the optimiser keeps of them, in place.

    A forward or backward pass gathers the layer that it has come to and lets go of it again: PyTorch's fully_shard (Zhao et al.
    2023, "PyTorch FSDP"). model: on the host, so that no device needs to hold all of it. dtype: what the weights are gathered in
    to compute with; None for their own. Returns, in the main process, a copy in one piece on the host, for `in_one_piece`.
    Raises InputError for a model, or on a device, that cannot be sharded.
    """
    if device.type == "cpu" and not hasattr(
        torch.cpu.Stream, "record_event"
    ):  # which fully_shard calls
        raise InputError(
            f"--fsdp: PyTorch {torch.__version__} shards models on GPUs alone; for CPUs, take a later version."
        )
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Logits that are views of one tensor are warned of, in case that they are changed in place; the loop never does.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, 0)  # parts of one model, whatever each process has loaded
    whole_model = copy.deepcopy(model) if world.is_main else None
    # gloo, in earlier versions, adds where a mean is asked for; for float64, PyTorch asks for a sum and divides it itself.
    reduce_dtype = torch.float64 if device.type == "cpu" else torch.float32
    settings = {
        "mesh": init_device_mesh(device.type, (world.size,)),
        "mp_policy": MixedPrecisionPolicy(dtype, reduce_dtype, cast_forward_inputs=False),
    }  # that is left to autocast
    layers = [
        layer
        for _, layers in layer_lists(model)
        for layer in layers
        if not isinstance(layer, torch.nn.ModuleList)
    ]
    try:
        for layer in reversed(layers):  # those within others first
            fully_shard(layer, **settings)
        fully_shard(model, **settings)
    except ValueError as error:  # such as for a parameter without dimensions
        raise InputError(f"--fsdp: {type(model).__name__} cannot be sharded ({error}).") from error
    return whole_model


def is_sharded(model):
    """Whether `shard` has been at the model."""
    return hasattr(model, "set_requires_gradient_sync")


def gather_full_model(model, whole_model):
    """The model as it can be saved: itself, or, where it is sharded, what `shard` returned, with the weights that it has now.

    All processes must call it.
    """
    if not is_sharded(model):
        return model
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state = get_model_state_dict(
        model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)
    )
    if whole_model is not None:
        whole_model.load_state_dict(state)
    return whole_model


def full_tensor(tensor):
    """A tensor in one piece, on this process's device. All processes must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def optimizer_state(optimizer, world):
    """The optimiser's `state_dict` as one process with the whole model would have it; of use in the main process alone.

    All processes must call it. What was sharded is then on the host, where there is room for all of it.
    """
    state = optimizer.state_dict()

    def gathered(tensor):
        full = full_tensor(tensor)
        return full if full is tensor else full.cpu() if world.is_main else None

    kept = {
        index: {name: gathered(tensor) for name, tensor in kept.items()}
        for index, kept in state["state"].items()
    }
    return {**state, "state": kept}


def load_optimizer_state(optimizer, state):
    """Set an optimiser to what `optimizer_state` gave, in however many processes and shards that was. All must call it."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kept = {
        index: {name: _part(tensor, parameters[index]) for name, tensor in kept.items()}
        for index, kept in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": kept})


def _part(tensor, parameter):
    """Of a tensor in one piece, such as a parameter's moments, the part that this process has of the parameter."""
    if (
        not hasattr(parameter, "full_tensor") or tensor.shape != parameter.shape
    ):  # the latter: the number of steps
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements)
