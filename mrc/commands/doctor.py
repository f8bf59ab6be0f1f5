"""`mrc doctor`: show what mrc finds on this machine, and what is wrong with it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mrc.commands.diagnosis import examine
from mrc.config.command_line import parse_args
from mrc.config.flags import Config, flag
from mrc.runtime.tables import column_table, value_table
from mrc.runtime.units import size_text
from mrc.wording import counted


@dataclass
class DoctorConfig(Config):
    """Show what mrc finds on this machine: versions, devices, memory, disk, extras, and problems.

    Nothing is downloaded and the hub is not asked. The exit status is 1 if something is wrong.
    """

    json: bool = flag(False, "print one JSON object instead of tables", group="output")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(DoctorConfig, argv, "doctor")
    report = examine()
    print(json.dumps(report, ensure_ascii=False, indent=2) if config.json else as_text(report))
    if report["problems"]:
        sys.exit(1)


def as_text(report: dict[str, Any]) -> str:
    """The report as tables for people."""
    programs = [
        ("mrc", f"{report['mrc']} in {report['mrc_folder']}"),
        ("Python", f"{report['python']} in {report['python_path']}"),
        ("system", report["platform"]),
    ]
    versions = [
        (package["name"], package["installed"] or "missing", package["versions"])
        for package in report["packages"]
    ]
    problems = "\n".join(f"problem: {problem}." for problem in report["problems"])
    return "\n\n".join(
        [
            value_table(programs),
            column_table(("package", "installed", "supported"), versions),
            value_table([*_device_rows(report), *_room_rows(report)]),
            _extras_table(report["extras"]),
            problems or "No problem was found.",
        ]
    )


def _device_rows(report: dict[str, Any]) -> list[tuple[str, object]]:
    processor = report["processor"]
    threads = "" if processor["threads"] is None else f", {counted(processor['threads'], 'thread')}"
    bf16 = ", ".join(processor["bf16"]) or "no instructions for it"
    rows: list[tuple[str, object]] = [
        ("processor", f"{processor['name']}, {processor['cores']} cores{threads}"),
        ("bf16", bf16),
    ]
    for gpu in report["gpus"]:
        room = (
            f", {size_text(gpu['free'])} of {size_text(gpu['total'])} free" if "free" in gpu else ""
        )
        precision = ", bf16" if gpu["bf16"] else ""
        rows.append((gpu["device"], f"{gpu['name']}{room}{precision}"))
    if not report["gpus"]:
        rows.append(("GPU", "none that PyTorch can use"))
    return rows


def _room_rows(report: dict[str, Any]) -> list[tuple[str, object]]:
    free, total = report["memory"]["free"], report["memory"]["total"]
    shown_free = "unknown" if free is None else size_text(free)
    shown_total = "" if total is None else f" of {size_text(total)}"
    rows: list[tuple[str, object]] = [("memory", f"{shown_free}{shown_total} free")]
    rows += [("disk", f"{size_text(free)} free in {f}") for f, free in report["disk"].items()]
    return rows


def _extras_table(found: dict[str, dict[str, Any]]) -> str:
    """One line an extra: whether it is there, and what it is for."""
    width = max((len(name) for name in found), default=0)
    lines = ["extras"]
    for name, extra in found.items():
        state = "-" if extra["missing"] else "yes"
        missing = f" (missing: {', '.join(extra['missing'])})" if extra["missing"] else ""
        lines.append(f"  {name:<{width}}  {state:<3}  {extra['purpose']}{missing}")
    return "\n".join(lines)
