"""A machine, examined: versions, devices, memory, disk and extras, and what is wrong with them."""

import importlib
import os
import platform
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from mrc.config.extras import PURPOSES, Package, extras, packages
from mrc.errors import in_short
from mrc.runtime.machine import (
    bf16_instructions,
    cpu_name,
    free_disk,
    main_memory,
    usable_cores,
)
from mrc.runtime.units import size_text
from mrc.version import __version__

# Bytes. A run of a base-sized encoder (110M parameters) keeps three checkpoints, two of them with
# the optimizer's state, and takes about as much memory.
ENOUGH_DISK = 4 * 2**30
ENOUGH_MEMORY = 3 * 2**30


def examine() -> dict[str, Any]:
    """Return everything that is found, as a dict that JSON can hold; sizes are in bytes."""
    needed = packages()
    optional = {name: packages(name) for name in extras()}
    devices = examine_devices()
    report = {
        "mrc": __version__,
        "mrc_folder": str(Path(__file__).parents[1]),
        "python": platform.python_version(),
        "python_path": sys.executable,
        "platform": platform.platform(),
        "packages": [_as_dict(package) for package in needed],
        **devices,
        "memory": main_memory()._asdict(),
        "disk": {folder: free_disk(folder) for folder in _folders()},
        "extras": {name: _as_extra(name, found) for name, found in optional.items()},
    }
    report["problems"] = [
        *package_problems(needed, optional),
        *device_problems(devices),
        *room_problems(report),
    ]
    return report


def examine_devices() -> dict[str, Any]:
    """Return the processor, and the GPUs that PyTorch can use."""
    devices: dict[str, Any] = {
        "processor": {
            "name": cpu_name(),
            "cores": usable_cores(),
            "threads": None,
            "bf16": bf16_instructions(),
        },
        "gpus": [],
        "torch_problem": None,
        "torch_cuda": None,
    }
    try:
        # A PyTorch that is damaged must not keep the rest from being told.
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        devices["torch_problem"] = in_short(error)
        return devices
    devices["processor"]["threads"] = torch.get_num_threads()
    devices["torch_cuda"] = torch.version.cuda
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        with torch.cuda.device(number):
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        name = torch.cuda.get_device_name(number)
        gpu = {"device": f"cuda:{number}", "name": name, "bf16": bf16, "free": free, "total": total}
        devices["gpus"].append(gpu)
    if torch.backends.mps.is_available():
        devices["gpus"].append({"device": "mps", "name": "Apple", "bf16": False})
    return devices


def package_problems(needed: list[Package], optional: dict[str, list[Package]]) -> list[str]:
    """What is wrong with the packages that are needed, and with those of extras that are there."""
    problems = []
    if not needed:
        problems.append(
            "mrc is not installed, and its setup.cfg is not there: versions are unknown"
        )
    for package in needed:
        if package.installed is None:
            problems.append(f"{package.name} is missing; {_how_to_install(package)}")
    installed = {package.name: package for found in optional.values() for package in found}
    installed |= {package.name: package for package in needed}
    for package in installed.values():
        if package.installed is not None and not package.is_supported:
            problems.append(
                f"{package.name} {package.installed} is not one of the supported versions, "
                f"{package.versions}; {_how_to_install(package)}"
            )
    return problems


def device_problems(devices: dict[str, Any]) -> list[str]:
    """What is wrong with PyTorch and its devices."""
    if devices["torch_problem"]:
        return [f"PyTorch cannot be imported: {devices['torch_problem']}"]
    has_nvidia_gpu = shutil.which("nvidia-smi") is not None
    if not has_nvidia_gpu or devices["gpus"]:
        return []
    if devices["torch_cuda"] is None:
        return [
            "this machine has an NVIDIA driver, but its PyTorch is one for the CPU only; "
            "https://pytorch.org/get-started/locally names the one for the GPU"
        ]
    return [
        f"PyTorch (built for CUDA {devices['torch_cuda']}) finds no GPU, although there is an "
        "NVIDIA driver; compare with the CUDA version that nvidia-smi shows, and see whether "
        "CUDA_VISIBLE_DEVICES hides the GPU"
    ]


def room_problems(report: dict[str, Any]) -> list[str]:
    """What is wrong with the room in memory and on the disk, and with the folder itself."""
    problems = []
    for folder, free in report["disk"].items():
        if free < ENOUGH_DISK:
            problems.append(
                f"only {size_text(free)} of disk are free in {folder}; a run of a base-sized "
                f"encoder takes about {size_text(ENOUGH_DISK)}"
            )
    free_memory = report["memory"]["free"]
    if free_memory is not None and free_memory < ENOUGH_MEMORY:
        problems.append(
            f"only {size_text(free_memory)} of memory are free; a run of a base-sized encoder "
            f"takes about {size_text(ENOUGH_MEMORY)}"
        )
    if not os.access(".", os.W_OK):
        problems.append(f"{os.getcwd()} cannot be written to; runs need an --output-dir elsewhere")
    return problems


def _as_dict(package: Package) -> dict[str, Any]:
    return {**package._asdict(), "is_supported": package.is_supported}


def _as_extra(name: str, found: list[Package]) -> dict[str, Any]:
    missing = [package.name for package in found if package.installed is None]
    return {
        "purpose": PURPOSES.get(name, ""),
        "packages": [_as_dict(package) for package in found],
        "missing": missing,
    }


def _folders() -> list[str]:
    """Where runs and downloaded models go."""
    folders = [os.getcwd()]
    # If it is missing, that is told with the other packages.
    with suppress(ImportError):
        folders.append(importlib.import_module("huggingface_hub.constants").HF_HOME)
    return list(dict.fromkeys(folders))


def _how_to_install(package: Package) -> str:
    return f'pip install "{package.name}{package.versions}"'
