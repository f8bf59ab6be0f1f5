"""The processes that torchrun starts: which one this is, and what they tell each other."""

import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from mrc.errors import InputError
from mrc.runtime.device import choose_device


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


def torchrun_place():
    """-> rank, number of processes, rank on this machine: 0, 1, 0 for a process that torchrun has not started."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    return tuple(int(os.environ[name]) for name in names) if is_under_torchrun() else (0, 1, 0)


def local_device(device):
    """What --device means for this one of torchrun's processes, each of which takes a GPU of its own; without torchrun, just that.
    Raises InputError if it names one GPU for all of them."""
    if not is_under_torchrun():
        return device
    if device.startswith("cuda:"):
        raise InputError(
            f"--device {device}: torchrun's processes take a GPU each; use --device cuda, and choose among the GPUs with "
            "CUDA_VISIBLE_DEVICES."
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return f"cuda:{torchrun_place()[2]}" if device == "cuda" else device


@contextmanager
def processes(device):
    """Join the processes that torchrun has started, if it has: gives the World. device: what --device asks for.

    Only the main process speaks; an error is shown whichever meets it. Where one dies, torchrun ends the others.
    """
    rank, size, _ = torchrun_place()
    if not is_under_torchrun():
        yield ALONE
        return
    device = choose_device(local_device(device))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    try:
        yield World(rank, size)
    finally:
        # PyTorch 2.6 joins gloo's threads while it holds the interpreter's lock, for which a thread
        # that frees the tensors of the last exchange may wait: let it have the lock first.
        time.sleep(0.1)
        dist.destroy_process_group()
