"""The device that a run computes on, and the precision of its forward passes."""

import os

import torch

from mrc.errors import InputError

# What autocast computes in, by the name of the precision; fp32 needs no autocast.
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str | torch.device = "auto", *, is_flag: bool = True) -> torch.device:
    """Return a device by name; "auto" takes a GPU if there is one.

    Args:
        name: of the device.
        is_flag: whether it was given on the command line, as messages say.

    Raises:
        InputError: the machine has no such device.
    """
    given = f"--device {name}" if is_flag else f"device={name!r}"
    if name == "auto":
        name = best_device()
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"{given}: choose cpu, cuda, cuda:N or mps.") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{given}: not available on this machine ({reason}).") from error
    return device


def best_device() -> str:
    """Return the name of the fastest kind of device that the machine has."""
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def choose_precision(name: str, device: torch.device) -> str:
    """Resolve "auto": "bf16" on a GPU that computes in it, else "fp32"."""
    if name != "auto":
        return name
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    return "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context of a forward pass in that precision; for fp32 it does nothing."""
    dtype = DTYPES.get(precision)
    return torch.autocast(device.type, dtype=dtype, enabled=dtype is not None)


def configure_backends(*, deterministic: bool = False, tf32: bool = False) -> None:
    """Choose between operations: the same bits each time, or float32 products in TF32."""
    if deterministic:
        # cuBLAS reads it when it starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    if tf32:
        torch.set_float32_matmul_precision("high")
