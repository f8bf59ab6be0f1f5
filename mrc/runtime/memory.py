"""The memory that a run takes: its peak, and how the C library gives it back."""

import ctypes
import sys

import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


LARGE_BLOCK = 2**23  # bytes; with 2**20 memory is steadier still, and a step takes a quarter longer


def peak_memory_mb(device):
    """The most memory the run has taken so far, in MiB: the GPU's for a CUDA device, else the process's (None on Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = (
        1 if sys.platform == "darwin" else 2**10
    )  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def tune_malloc(device):
    """Let the C library give large blocks of memory back to the system when they are freed, where it would keep them (glibc).

    It does not find an aligned block again among those that it has kept (its bug 14581), and tensors are aligned: with batches
    of many lengths, a process would come to hold up to twice the memory that its tensors take.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(
            M_TRIM_THRESHOLD, 2**31 - 1
        )  # the small ones stay: growing and shrinking by them costs time
