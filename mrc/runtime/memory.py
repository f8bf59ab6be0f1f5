"""The memory that a run takes: its peak, and how the C library gives it back."""

import ctypes
import sys

import torch

# Options of mallopt, from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
# Bytes. With 2**20, memory is steadier still, but a training step takes a quarter longer.
LARGE_BLOCK = 2**23
# The largest int that mallopt takes: never trim.
NEVER = 2**31 - 1


def peak_memory_mb(device: torch.device) -> float | None:
    """Return the most memory used so far, in MiB: a CUDA device's own, else the process's.

    None on Windows, which does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:
        return None
    # ru_maxrss is in bytes on macOS and in KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def tune_malloc(device: torch.device) -> None:
    """Make glibc return large blocks to the system when they are freed.

    It keeps freed blocks, but does not find an aligned one among them again (its bug 14581), and
    tensors are aligned: with batches of many lengths, a process would come to hold twice the
    memory that its tensors take.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
    # Small blocks stay: growing and shrinking by them costs time.
    mallopt(M_TRIM_THRESHOLD, NEVER)
