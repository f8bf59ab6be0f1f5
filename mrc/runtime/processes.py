"""The processes that torchrun starts: which of them this is, and what they tell each other."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist

from mrc.errors import InputError
from mrc.runtime.device import choose_device
from mrc.runtime.torchrun import is_under_torchrun, torchrun_place


@dataclass(frozen=True)
class World:
    """The processes of a run, and which of them this is.

    In a world of one, each method returns what it is given.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum a tensor over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def max(self, *numbers: int) -> tuple[int, ...]:
        """Return the maximum of each whole number over the processes.

        The numbers travel between hosts, so that no process waits for a device.
        """
        if self.size == 1:
            return numbers
        tensor = torch.tensor(numbers)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return tuple(tensor.tolist())

    def gather(self, value: Any) -> list[Any] | None:
        """Return every process's value, by rank, in the main process; None in the others."""
        if self.size == 1:
            return [value]
        values = [None] * self.size if self.is_main else None
        dist.gather_object(value, values)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return the main process's value in every process."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box)
        return box[0]


ALONE = World()


def local_device(device: str) -> str:
    """Return what --device means for this process: under torchrun, each takes a GPU of its own.

    Raises InputError if it names one GPU for all of them.
    """
    if not is_under_torchrun():
        return device
    if device.startswith("cuda:"):
        raise InputError(
            f"--device {device}: each of torchrun's processes takes a GPU of its own; use "
            "--device cuda, and choose the GPUs with CUDA_VISIBLE_DEVICES."
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    _, _, local_rank = torchrun_place()
    return f"cuda:{local_rank}" if device == "cuda" else device


@contextmanager
def processes(device: str) -> Iterator[World]:
    """Join the processes that torchrun started, if it did, and give the World.

    Only the main process prints; an error is shown by whichever process meets it. If one dies,
    torchrun ends the others.

    Args:
        device: what --device asks for.
    """
    if not is_under_torchrun():
        yield ALONE
        return
    rank, size, _ = torchrun_place()
    own_device = choose_device(local_device(device))
    on_gpu = own_device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(own_device)
    # gloo serves what goes from host to host, the stop signals for one.
    dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo")
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        yield World(rank, size)
    finally:
        # PyTorch 2.6 joins gloo's threads while it holds the interpreter's lock, for which a thread
        # that frees the tensors of the last exchange may wait: let it have the lock first.
        time.sleep(0.1)
        dist.destroy_process_group()
