"""`mrc inspect`: show what a data set holds, and the windows that a tokenizer makes of it."""

import json
from collections.abc import Sequence
from typing import Any

from mrc.config.command_line import parse_args
from mrc.config.inspect import InspectConfig
from mrc.runtime.tables import column_table
from mrc.runtime.terminal import IMPORTING, phase
from mrc.wording import counted

# Characters of the longest bar of the histogram.
BAR = 40
# Refused records and bad answers that are printed; --json has them all.
SHOWN = 5


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(InspectConfig, argv, "inspect")
    # Standard output is for the report.
    with phase(IMPORTING, in_logs=False):
        from mrc.commands.inspection import inspect
    with phase("reading and tokenizing", in_logs=False):
        report = inspect(config)
    print(json.dumps(report, ensure_ascii=False, indent=2) if config.json else as_text(report))


def as_text(report: dict[str, Any]) -> str:
    """The report as tables for people."""
    histogram = report["tokens"]["histogram"]
    parts = [
        "\n".join([*_counts(report), *_faults(report)]),
        _lengths_table("characters", report["characters"]),
        _lengths_table("tokens", report["tokens"]),
        "questions by the tokens of their whole input\n" + _bars(histogram),
        _windows_text(report["windows"], report["model"]),
    ]
    return "\n\n".join(parts)


def _counts(report: dict[str, Any]) -> list[str]:
    source, version = report["source"], report["version"]
    name = f"{source} ({version})" if version and version != source else source
    titles = f" under {counted(report['titles'], 'title')}" if report["titles"] else ""
    counts = [counted(report["answers"], "answer")]
    counts += [f"{report[kind]} {kind}" for kind in ("unanswerable", "unlabeled") if report[kind]]
    contexts = counted(report["contexts"], "context")
    questions = f"{counted(report['questions'], 'question')} on {contexts}{titles}"
    return [name, f"{questions}; {', '.join(counts)}"]


def _faults(report: dict[str, Any]) -> list[str]:
    """What was odd, and the first few records that were refused and answers that were moved."""
    titles = {
        "refused": ("record refused", "records refused"),
        "bad_answers": ("bad answer", "bad answers"),
    }
    lines = list(report["notes"])
    for name, (title, titles_of_several) in titles.items():
        found = report[name]
        if found:
            lines.append(f"{counted(len(found), title, titles_of_several)}:")
            lines += [f"  {text}" for text in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"  and {len(found) - SHOWN} more; --json lists all")
    return lines


def _lengths_table(unit: str, lengths: dict[str, Any]) -> str:
    """Percentiles, a line for each kind of text."""
    rows = {name: row for name, row in lengths.items() if name != "histogram" and row}
    columns = list(next(iter(rows.values())))
    headings = {"100": "longest", "mean": "mean"}
    header = [unit, *(headings.get(column, f"{column} %") for column in columns)]
    cells = [
        [name, *(f"{row[column]:.1f}" if column == "mean" else str(row[column]) for column in row)]
        for name, row in rows.items()
    ]
    return column_table(header, cells)


def _bars(histogram: list[dict[str, Any]]) -> str:
    """A histogram as bars of text."""
    most = max(row["count"] for row in histogram)
    lines = []
    for row in histogram:
        name = f"{row['from']} or more" if row["to"] is None else f"{row['from']} - {row['to']}"
        bar = "█" * round(BAR * row["count"] / most)
        lines.append(f"{name:>14}  {bar:<{BAR}} {row['count']}")
    return "\n".join(lines)


def _windows_text(windows: dict[str, Any], model: str) -> str:
    """What the windows hold, and which length suits the data."""
    lines = [
        f"windows of up to {windows['max_length']} tokens with a stride of {windows['stride']} "
        f"(tokenizer: {model})",
        f"  {counted(windows['count'], 'window')}, {windows['per_question']:.2f} per question on "
        f"average and {windows['most']} at most",
    ]
    if windows.get("answers_in_a_window") is not None:
        off = counted(windows["answers_off_token_borders"], "answer does", "answers do")
        lines += [
            f"  {100 * windows['answers_in_a_window']:.2f} % of the answers fit into a window",
            f"  {off} not begin and end with a token",
        ]
    if windows["questions_cut"]:
        cut = counted(windows["questions_cut"], "question is cut", "questions are cut")
        lines.append(f"  {cut} to {windows['max_question_length']} tokens")
    lines += [
        f"  padding: {100 * windows['padding']:.1f} % in random batches, "
        f"{100 * windows['padding_in_buckets']:.1f} % in length buckets",
        "",
        f"suggested --max-length {windows['suggested_max_length']}: "
        f"{100 * windows['fit_at_suggested']:.1f} % of the questions see their whole context",
    ]
    return "\n".join(lines)
