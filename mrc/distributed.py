"""The few lines that torchrun needs: who this process is, and what the processes tell each other."""

import copy
import os
import sys
import warnings
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from mrc.config import InputError
from mrc.device import choose_device
from mrc.optim import layer_lists


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is. Alone, each method gives back what it was given."""

    rank: int = 0
    size: int = 1

    @property
    def launcher(self):
        """How a command line for as many processes begins."""
        return f"torchrun --nproc_per_node={self.size}" if self.size > 1 else "python"

    @property
    def is_main(self):
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def sum(self, tensor):
        """The sum over the processes of a tensor, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def max(self, *numbers):
        """The largest over the processes of each whole number. It goes by way of the host: no process waits for a device."""
        if self.size == 1:
            return numbers
        tensor = torch.tensor(numbers)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tuple(tensor.tolist())

    def gather(self, value):
        """A list of every process's value, by rank, in the main process; None in the others."""
        if self.size == 1:
            return [value]
        values = [None] * self.size if self.is_main else None
        dist.gather_object(value, values)
        return values

    def broadcast(self, value):
        """The main process's value, in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


ALONE = World()


def is_under_torchrun():
    """Whether torchrun has started this process. Clusters set RANK and WORLD_SIZE for their own ends."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def place():
    """-> rank, number of processes, rank on this machine: 0, 1, 0 for a process that torchrun has not started."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    return tuple(int(os.environ[name]) for name in names) if is_under_torchrun() else (0, 1, 0)


def own_device(device):
    """What --device means for this one of torchrun's processes, each of which takes a GPU of its own; without torchrun, just that.
    Raises InputError if it names one GPU for all of them."""
    if not is_under_torchrun():
        return device
    if device.startswith("cuda:"):
        raise InputError(f"--device {device}: torchrun's processes take a GPU each; use --device cuda, and choose among the GPUs with "
                         "CUDA_VISIBLE_DEVICES.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{place()[2]}" if device == "cuda" else device


@contextmanager
def processes(device):
    """Join the processes that torchrun has started, if it has: gives the World. device: what --device asks for.

    Only the main process speaks; an error is shown whichever meets it. Where one dies, torchrun ends the others.
    """
    rank, size, _ = place()
    if not is_under_torchrun():
        yield ALONE
        return
    device = choose_device(own_device(device))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    try:
        yield World(rank, size)
    finally:
        dist.destroy_process_group()


def parallel(model, world):
    """The model as it is called in training: its gradients are the mean of those of all processes."""
    if world.size == 1 or is_sharded(model):
        return model
    return DistributedDataParallel(model, gradient_as_bucket_view=True)


def gradients_stay_here(model, until_last):
    """The context of a backward pass: where more micro-batches follow, the processes need not exchange gradients yet."""
    if is_sharded(model):
        model.set_requires_gradient_sync(not until_last)
    return model.no_sync() if until_last and isinstance(model, DistributedDataParallel) else nullcontext()


def leave_out_unused(model, inputs):
    """Take from training what no logit depends on, such as a pooler: several processes would wait for its gradient.

    inputs: of one batch, as the model is called with them. One process does the same, so that a run can go on with more.
    """
    device = next(model.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        sum(logits.sum() for logits in model.train()(**inputs)).backward()
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.requires_grad and parameter.grad is not None)
    model.zero_grad(set_to_none=True)


def some_input(device):
    """Token ids (1, 8) for a forward pass whose result nobody looks at."""
    return torch.ones(1, 8, dtype=torch.long, device=device)


def shard(model, world, device, dtype=None):
    """Share a model's weights out among the processes, and so its gradients and what the optimiser keeps of them, in place.

    A forward or backward pass gathers the layer that it has come to and lets go of it again: PyTorch's fully_shard (Zhao et al.
    2023, "PyTorch FSDP"). model: on the host, so that no device needs to hold all of it. dtype: what the weights are gathered in
    to compute with; None for their own. Returns, in the main process, a copy in one piece on the host, for `in_one_piece`.
    Raises InputError for a model, or on a device, that cannot be sharded.
    """
    if device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):  # which fully_shard calls
        raise InputError(f"--fsdp: PyTorch {torch.__version__} shards models on GPUs alone; for CPUs, take a later version.")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Logits that are views of one tensor are warned of, in case that they are changed in place; the loop never does.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, 0)  # parts of one model, whatever each process has loaded
    whole_model = copy.deepcopy(model) if world.is_main else None
    # gloo, in earlier versions, adds where a mean is asked for; for float64, PyTorch asks for a sum and divides it itself.
    reduce_dtype = torch.float64 if device.type == "cpu" else torch.float32
    settings = {"mesh": init_device_mesh(device.type, (world.size,)),
                "mp_policy": MixedPrecisionPolicy(dtype, reduce_dtype, cast_forward_inputs=False)}  # that is left to autocast
    layers = [layer for _, layers in layer_lists(model) for layer in layers if not isinstance(layer, torch.nn.ModuleList)]
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


def in_one_piece(model, whole_model):
    """The model as it can be saved: itself, or, where it is sharded, what `shard` returned, with the weights that it has now.

    All processes must call it.
    """
    if not is_sharded(model):
        return model
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if whole_model is not None:
        whole_model.load_state_dict(state)
    return whole_model


def whole(tensor):
    """A tensor in one piece, on this process's device. All processes must call it."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def optimizer_state(optimizer, world):
    """The optimiser's `state_dict` as one process with the whole model would have it; of use in the main process alone.

    All processes must call it. What was sharded is then on the host, where there is room for all of it.
    """
    state = optimizer.state_dict()

    def gathered(tensor):
        full = whole(tensor)
        return full if full is tensor else full.cpu() if world.is_main else None

    kept = {index: {name: gathered(tensor) for name, tensor in kept.items()} for index, kept in state["state"].items()}
    return {**state, "state": kept}


def load_optimizer_state(optimizer, state):
    """Set an optimiser to what `optimizer_state` gave, in however many processes and shards that was. All must call it."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    kept = {index: {name: _part(tensor, parameters[index]) for name, tensor in kept.items()} for index, kept in state["state"].items()}
    optimizer.load_state_dict({**state, "state": kept})


def _part(tensor, parameter):
    """Of a tensor in one piece, such as a parameter's moments, the part that this process has of the parameter."""
    if not hasattr(parameter, "full_tensor") or tensor.shape != parameter.shape:  # the latter: the number of steps
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor, parameter.device_mesh, parameter.placements)
