"""The device that a run computes on, and the precision it computes in."""

import os

import torch

from mrc.errors import InputError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name="auto"):
    """A torch.device by name; "auto" takes a GPU where there is one. Raises InputError if the device is not there."""
    if name == "auto":
        name = (
            "cuda"
            if torch.cuda.is_available()
            else "mps"
            if torch.backends.mps.is_available()
            else "cpu"
        )
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {name}: not to be had here ({str(error).splitlines()[0]})."
        ) from error
    return device


def choose_precision(name, device):
    """Resolve "auto" to "bf16" on a GPU that computes in it, else "fp32"."""
    if name != "auto":
        return name
    return (
        "bf16"
        if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        else "fp32"
    )


def autocast(device, precision):
    """The context in which a forward pass of that precision runs; for fp32, one that changes nothing."""
    return torch.autocast(device.type, dtype=DTYPES.get(precision), enabled=precision in DTYPES)


def configure_backends(device, deterministic=False, tf32=False):
    """Choose how a device computes: always the same bits, or float32 products in TF32."""
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    if tf32:
        torch.set_float32_matmul_precision("high")
