"""The machine: its processor, its instructions for bf16, and the room in memory and on disk."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

CPU_INFO = Path("/proc/cpuinfo")
MEMORY_INFO = Path("/proc/meminfo")
# The limit of a container, where there is one, and what it uses of it.
CONTAINER = Path("/sys/fs/cgroup")
# Flags of Linux's /proc/cpuinfo, on x86 and on ARM.
BF16_FLAGS = {
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX",
    "bf16": "Arm BF16",
    "svebf16": "Arm SVE BF16",
}
MAC_BF16 = "hw.optional.arm.FEAT_BF16"


class Memory(NamedTuple):
    """The memory of the machine, or of the container, in bytes; None where it does not say."""

    free: int | None
    total: int | None


def bf16_instructions() -> list[str]:
    """Return the processor's instructions for bf16 by name; none where it does not say."""
    if sys.platform == "darwin":
        return ["Arm BF16"] if _sysctl(MAC_BF16) == "1" else []
    flags = set(_cpu_info("flags").split()) | set(_cpu_info("Features").split())
    return [name for flag, name in BF16_FLAGS.items() if flag in flags]


def cpu_name() -> str:
    """Return the name of the processor."""
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    return _cpu_info("model name") or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main_memory() -> Memory:
    """Return the memory that a process may still take, and all that there is.

    What the system uses to cache files counts as free.
    """
    fields = _fields(MEMORY_INFO)
    if "MemAvailable" not in fields:
        return _memory_without_proc()
    free = _bytes(fields["MemAvailable"])
    total = _bytes(fields["MemTotal"])
    limit = _number(CONTAINER / "memory.max")
    used = _number(CONTAINER / "memory.current")
    if limit is None or used is None:
        return Memory(free, total)
    cached = int(_fields(CONTAINER / "memory.stat", " ").get("inactive_file", 0))
    return Memory(min(free, limit - used + cached), min(total, limit))


def free_disk(folder: str | Path) -> int:
    """Return the bytes that are free in a folder, or in the first of its parents that exists."""
    existing = Path(folder).absolute()
    while not existing.exists():
        existing = existing.parent
    return shutil.disk_usage(existing).free


def _memory_without_proc() -> Memory:
    """What other systems than Linux tell: macOS the total, Windows neither."""
    if sys.platform != "darwin":
        return Memory(None, None)
    return Memory(None, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _bytes(field: str) -> int:
    """A field of /proc/meminfo, such as "16384 kB", in bytes; its kB are KiB."""
    return 2**10 * int(field.removesuffix("kB"))


def _cpu_info(field: str) -> str:
    """A field of the first core in /proc/cpuinfo; an empty text where there is none."""
    return _fields(CPU_INFO).get(field, "")


def _fields(path: Path, separator: str = ":") -> dict[str, str]:
    """The fields of a system file, each with its first value; none if there is no such file."""
    fields: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text("utf-8", errors="replace").splitlines():
            name, _, value = line.partition(separator)
            fields.setdefault(name.strip(), value.strip())
    return fields


def _number(path: Path) -> int | None:
    """The number in a system file; None if there is no such file, or no number in it."""
    text = path.read_text("utf-8").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None


def _sysctl(name: str) -> str:
    """A value of macOS's sysctl; an empty text where it has none."""
    found = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    return found.stdout.strip()
