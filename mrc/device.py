"""The device that a run computes on, the precision it computes in, and the memory it takes."""

import ctypes
import os
import sys

import torch
from torch import nn

from mrc.config import InputError

# Dense matrix products of half precision, in TFLOP/s, by what the device's name holds (the makers' data sheets).
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "L4": 121, "A10": 125, "V100": 125, "T4": 65,
               "RTX 4090": 165, "RTX 3090": 71}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h
LARGE_BLOCK = 2**23  # bytes; with 2**20 memory is steadier still, and a step takes a quarter longer
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


def steady_memory(device):
    """Let the C library give large blocks of memory back to the system when they are freed, where it would keep them (glibc).

    It does not find an aligned block again among those that it has kept (its bug 14581), and tensors are aligned: with batches
    of many lengths, a process would come to hold up to twice the memory that its tensors take.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)  # the small ones stay: growing and shrinking by them costs time


class Work:
    """The matrix products of a training step, and how much of them a device does in a second.

    model: its `encoder.config` gives the layers and the width that attention has; without one, attention is not counted.
    """

    def __init__(self, model, device, precision, processes=1):
        config = getattr(getattr(model, "encoder", None), "config", None)
        self.attention = getattr(config, "num_hidden_layers", 0) * getattr(config, "hidden_size", 0)
        self.weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        peak = next((peak for key, peak in PEAK_TFLOPS.items() if key in name), None) if precision in DTYPES else None
        self.peak = peak and peak * processes

    def flops(self, tokens, length):
        """Of a step on so many tokens in windows of that length, forward and backward (twice the forward)."""
        return 3 * tokens * (2 * self.weights + 4 * self.attention * length)

    def rates(self, flops_per_second):
        """What a log line says of it: TFLOP/s, and on a known device their share of the most that it can do."""
        tflops = flops_per_second / 1e12
        return {"tflops": tflops, **({"share_of_peak": tflops / self.peak} if self.peak else {})}


def set_up(device, deterministic=False, tf32=False):
    """Choose how a device computes: always the same bits, or float32 products in TF32."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    if tf32:
        torch.set_float32_matmul_precision("high")
