"""What an evaluation leaves behind: its folder, and the table that it prints."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrc.data.examples import ExampleList
from mrc.errors import InputError
from mrc.files import data_name, make_folder, make_numbered_folder
from mrc.metrics.hangul import words_note
from mrc.metrics.scoring import SHORT_NAMES, Gold
from mrc.model.pretrained import WEIGHTS
from mrc.runtime.tables import value_table
from mrc.wording import counted

# The answers, in the folder of an evaluation.
PREDICTIONS = "predictions.json"


def results_folder(output_dir: str | None, checkpoint: str | Path, data: str) -> Path:
    """Make the folder for the results of an evaluation.

    That is `output_dir`, or a new folder beside the checkpoint, named after it and the data.
    """
    if output_dir is not None:
        if (Path(output_dir) / WEIGHTS).exists():
            raise InputError(f"--output-dir {output_dir}: is a checkpoint; choose another folder.")
        return make_folder(Path(output_dir))
    checkpoint = Path(checkpoint)
    # A hub id has no local folder to lie beside.
    beside = checkpoint.parent if checkpoint.is_dir() else Path("checkpoints")
    return make_numbered_folder(beside / f"{checkpoint.name}-on-{data_name(data)}")


def results_table(results: dict[str, Any], scores: Sequence[str], **more: object) -> str:
    """The table at the end of an evaluation.

    Args:
        results: what metrics.json holds.
        scores: which of them are scores, in percent; none if the data has no answers.
        more: rows to add at the end.
    """
    rows: list[tuple[str, object]] = [_score_row(name, results) for name in scores]
    if "eval_loss" in results:
        rows.append(("loss", f"{results['eval_loss']:.4f}"))
    if scores:
        rows.append(("scorer", results["scorer"]))
    else:
        rows.append(("scores", "none: the data has no answers"))
    rows.append(("questions", results["questions"]))
    if "answers_changed_by_exact_search" in results:
        changed = results["answers_changed_by_exact_search"]
        rows.append(("exact search", f"changed {counted(changed, 'answer')}"))
    if "seconds" in results:
        rows.append(("seconds", f"{results['seconds']:.0f}"))
    return "\n" + value_table([*rows, *more.items()])


def report_words(examples: ExampleList, scorer: str) -> None:
    """Print a note if Korean questions are scored by words because nobody chose a scorer."""
    note = words_note(examples, scorer)
    if note:
        print(note)


def report_unsupported(gold: Gold) -> None:
    """Print a note if questions have no answer and the scorer does not know of such questions."""
    if not gold.scorer.allows_no_answer and not all(gold.has_answer.values()):
        print(
            "note: some questions have no answer, which this scorer does not support; "
            "--scorer squad_v2 does."
        )


def score_names(scores: dict[str, float]) -> list[str]:
    """The scores among what a scorer returns, which also counts the questions of each kind."""
    return [name for name in scores if not name.endswith("total")]


def _score_row(name: str, results: dict[str, Any]) -> tuple[str, str]:
    """A score with its interval, and with its value before particles were stripped."""
    text = f"{results[name]:.2f}"
    if f"{name}_interval" in results:
        low, high = results[f"{name}_interval"]
        text += f"  (95 % interval {low:.2f} to {high:.2f})"
    if name in results.get("with_particles", {}):
        text += f"  (with particles {results['with_particles'][name]:.2f})"
    return SHORT_NAMES.get(name, name), text
