"""Which rung of the ladder has a run reached, and what is next?

usage: python docs/course/ladder/rung.py RUN [RUN ...]

RUN is the folder of a training run. Its files are believed; `mrc evaluate` scores a run again.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mrc.data.sample import load_sample
from mrc.errors import InputError, command_line
from mrc.files import read_json

DATA = "sample:en"
EPOCHS = 1


class Rung(NamedTuple):
    """A target, and the pages of the course that help to reach it."""

    name: str
    exact_match: float
    question: str
    pages: str


RUNGS = (
    Rung(
        "Simple",
        10,
        "How far does a step move the weights, and how far do random weights have to go?",
        "docs/course/04-the-other-lines.md",
    ),
    Rung(
        "Medium",
        25,
        "What does a token know of the tokens beside it? And how long is an answer?",
        "docs/course/09-your-own.md and docs/course/06-decoding.md",
    ),
    Rung(
        "Strong",
        75,
        "What does a token know of the question?",
        "docs/course/09-your-own.md",
    ),
    Rung(
        "Boss",
        97,
        "Read the wrong answers. How many tokens lie between the name and the answer?",
        "docs/course/01-windows.md",
    ),
)


def read_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings and the scores of a finished run.

    Raises InputError if the folder holds none.
    """
    for name in ("config.json", "metrics.json"):
        if not (folder / name).is_file():
            if any(folder.glob("*/config.json")):
                raise InputError(f"{folder}: holds several folders of runs; give one of them.")
            raise InputError(f"{folder}: has no {name}; give the folder of a finished run.")
    settings, scores = read_json(folder / "config.json"), read_json(folder / "metrics.json")
    is_record = isinstance(settings, dict) and "model_class" in settings
    is_scored = isinstance(scores, dict) and "exact_match" in scores
    if not (is_record and is_scored):
        raise InputError(f"{folder}: is not the folder of a run of `mrc train` with a score.")
    return settings, scores


def check_rules(folder: Path, settings: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Raise InputError if a run does not count, and say why."""
    if settings["model"] != "tiny":
        raise InputError(
            f"{folder}: began with {settings['model']}, which has learned from other texts; the "
            "ladder begins with random weights."
        )
    if is_built_in(settings["model_class"]):
        raise InputError(
            f"{folder}: is the built-in reader, EM {scores['exact_match']:.1f}. It is given marks "
            "of the question's words, and positions that suit it, so it stands on no rung. Begin "
            "with docs/course/ladder/plain.py."
        )
    if settings["data"] != DATA:
        source = settings["data"] or settings["train_file"]
        raise InputError(f"{folder}: ran on {source}; the ladder stands on --data {DATA}.")
    expected = len(load_sample(DATA, "validation"))
    total = scores["total"]
    if total != expected:
        raise InputError(
            f"{folder}: was scored on {total} of {expected} questions; leave out "
            "--max-eval-examples."
        )
    if scores["epochs"] > EPOCHS:
        raise InputError(
            f"{folder}: had {scores['epochs']} epochs; the ladder allows {EPOCHS} (--epochs "
            f"{EPOCHS})."
        )


def is_built_in(model_class: str | None) -> bool:
    """Whether a run's reader is one that `mrc` brings, and not the student's."""
    return model_class is None or model_class.partition(":")[0].partition(".")[0] == "mrc"


def report(folder: Path, model_class: str, exact_match: float) -> str:
    """Return the ladder with what a run has reached, and what is next."""
    lines = [f"{folder}: EM {exact_match:.1f} ({model_class})", ""]
    missing = [rung for rung in RUNGS if exact_match < rung.exact_match]
    for rung in RUNGS:
        mark = "" if rung in missing else "reached"
        lines.append(f"  {rung.name:8} EM {rung.exact_match:3.0f}  {mark}".rstrip())
    lines.append("")
    if not missing:
        lines.append("That is the top.")
        return "\n".join(lines)
    rung = missing[0]
    lines.append(f"Next: {rung.name}, {rung.exact_match - exact_match:.1f} points away.")
    lines += [rung.question, f"Read {rung.pages}."]
    return "\n".join(lines)


def main() -> None:
    """Print the rung of each run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run")
    with command_line(parser.prog):
        for number, folder in enumerate(parser.parse_args().runs):
            settings, scores = read_run(folder)
            check_rules(folder, settings, scores)
            if number:
                print()
            print(report(folder, settings["model_class"], scores["exact_match"]))


if __name__ == "__main__":
    main()
