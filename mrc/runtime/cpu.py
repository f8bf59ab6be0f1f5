"""The processor: its name, the cores that this process may use, and its instructions for bf16."""

import os
import platform
import subprocess
import sys
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
# Flags of Linux's /proc/cpuinfo, on x86 and on ARM.
BF16_FLAGS = {
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX",
    "bf16": "Arm BF16",
    "svebf16": "Arm SVE BF16",
}
MAC_BF16 = "hw.optional.arm.FEAT_BF16"


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


def _cpu_info(field: str) -> str:
    """A field of the first core in /proc/cpuinfo; an empty text where there is none."""
    if not CPU_INFO.is_file():
        return ""
    for line in CPU_INFO.read_text("utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return ""


def _sysctl(name: str) -> str:
    """A value of macOS's sysctl; an empty text where it has none."""
    found = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=False)
    return found.stdout.strip()
