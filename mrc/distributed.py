"""The few lines that torchrun needs: who this process is, and what the processes tell each other."""

import os
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is. Alone, each method gives back what it was given."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on its machine

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


@contextmanager
def processes(device):
    """Join the processes that torchrun has started, if it has: gives the World. device: what --device asks for.

    Only the main process speaks; an error is shown whichever meets it. Where one dies, torchrun ends the others.
    """
    rank, size, local_rank = place()
    if not is_under_torchrun():
        yield ALONE
        return
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        torch.cuda.set_device(local_rank)
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    try:
        yield World(rank, size, local_rank)
    finally:
        dist.destroy_process_group()


def parallel(model, world):
    """The model as it is called in training: its gradients are the mean of those of all processes."""
    if world.size == 1:
        return model
    return DistributedDataParallel(model, gradient_as_bucket_view=True)


def gradients_stay_here(model, until_last):
    """The context of a backward pass: where more micro-batches follow, the processes need not exchange gradients yet."""
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

