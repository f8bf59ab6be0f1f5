"""The device that a run computes on, the precision it computes in, and the memory it takes."""

import sys

import torch

from mrc.config import InputError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name="auto"):
    """A torch.device by name; "auto" takes a GPU where there is one. Raises InputError if the device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name}: not to be had here ({str(error).splitlines()[0]}).") from error
    return device


def choose_precision(name, device):
    """Resolve "auto" to "bf16" on a GPU that computes in it, else "fp32"."""
    if name != "auto":
        return name
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


def autocast(device, precision):
    """The context in which a forward pass of that precision runs; for fp32, one that changes nothing."""
    return torch.autocast(device.type, dtype=DTYPES.get(precision), enabled=precision in DTYPES)


def peak_memory_mb(device):
    """The most memory the run has taken so far, in MiB: the GPU's for a CUDA device, else the process's (None on Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 2**10  # ru_maxrss is in bytes on macOS, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
