"""`mrc export`: write a reader as ONNX."""

from collections.abc import Sequence
from typing import Any

from mrc.config.command_line import parse_args
from mrc.config.export import ExportConfig
from mrc.runtime.tables import column_table, value_table
from mrc.runtime.terminal import IMPORTING, phase
from mrc.wording import counted

NAMES = {"pytorch": "PyTorch", "onnx": "ONNX", "int8": "ONNX int8"}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(ExportConfig, argv, "export")
    with phase(IMPORTING, in_logs=False):
        from mrc.export.folder import export_onnx
    with phase(f"exporting {config.checkpoint}", in_logs=False):
        report = export_onnx(config)
    print(as_text(report, config.out))


def as_text(report: dict[str, Any], out: str) -> str:
    """A report for people.

    Args:
        report: what export.json holds.
        out: the folder that was made.
    """
    shapes = ", ".join(f"{batch} x {length}" for batch, length in report["checked"])
    rows = [
        ("exporter", f"{report['exporter']}, opset {report['opset']}"),
        ("inputs", ", ".join(report["inputs"])),
        ("checked", f"batch x length {shapes}"),
        ("allowed", f"differences of logits up to {report['tolerance']:g} in float32"),
        ("folder", out),
    ]
    parts = [_models_table(report["models"]), value_table(rows)]
    if "data" in report:
        scorer = report["models"]["pytorch"]["scorer"]
        parts.insert(
            0,
            f"{counted(report['questions'], 'question')} of {report['data']}, "
            f"{counted(report['windows'], 'window')}; scorer {scorer}, "
            f"batches of {report['batch_size']}, {counted(report['threads'], 'thread')}",
        )
    return "\n\n".join(parts)


def _models_table(models: dict[str, dict[str, Any]]) -> str:
    """What was measured, a line each, with a column for each model."""
    from mrc.metrics.scoring import SHORT_NAMES

    rows = [("mb", "size (MB)", ".1f"), ("windows_per_second", "windows/s", ".1f")]
    rows += [(name, short, ".2f") for name, short in SHORT_NAMES.items()]
    rows += [
        ("answers_changed", "answers changed", "d"),
        ("largest_difference", "largest difference of logits", ".1e"),
    ]
    lines = []
    for key, title, form in rows:
        cells = [format(found[key], form) if key in found else "" for found in models.values()]
        if any(cells):
            lines.append((title, *cells))
    return column_table(("", *(NAMES[model] for model in models)), lines)
