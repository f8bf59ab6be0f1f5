"""`mrc predict`: answer a whole file of questions, in parts that an interrupted run keeps."""

import hashlib
import json
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrc.commands.predictions import part_path, read_parts, write_output, write_part
from mrc.config.command_line import parse_args, program
from mrc.config.predict import PredictConfig
from mrc.errors import InputError
from mrc.files import STDIN, read_json, write_json
from mrc.runtime.tables import value_table
from mrc.runtime.terminal import IMPORTING, phase
from mrc.runtime.torchrun import torchrun_place
from mrc.wording import counted

if TYPE_CHECKING:
    from mrc.commands.answerers import Answerer
    from mrc.data.examples import Example, ExampleList

# In the folder of parts: what they were made with.
RUN = "run.json"
POLL_SECONDS = 0.2


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(PredictConfig, argv, "predict")
    try:
        predict(config)
    except OSError as error:
        raise InputError(
            f"--output {config.output}: cannot be written ({error.strerror})."
        ) from error


def predict(config: PredictConfig) -> None:
    """Answer this process's share of the questions; the main process puts all parts together."""
    rank, processes, _ = torchrun_place()
    output = Path(config.output)
    check_output(output, rank)
    with phase(IMPORTING):
        from mrc.commands.answerers import make_answerer
        from mrc.data.loading import load_questions, report_notes

    started = time.perf_counter()
    with phase("reading the questions"):
        examples = load_questions(config.data, config.split, config.max_eval_examples)
    with phase(f"loading {config.checkpoint}"):
        answerer = make_answerer(config, examples)
    parts = [
        examples[at : at + config.part_size] for at in range(0, len(examples), config.part_size)
    ]
    folder = output.with_name(f"{output.name}.parts")
    if not open_parts(folder, fingerprint(config, answerer, examples), rank, output):
        return
    if rank == 0:
        report_notes(examples)
        print(describe_parts(folder, len(examples), len(parts)), flush=True)
    for number in range(rank, len(parts), processes):
        if not part_path(folder, number).exists():
            seconds = answer_part(answerer, parts[number], part_path(folder, number))
            rate = len(parts[number]) / seconds
            print(f"part {number + 1}/{len(parts)}: {rate:.1f} questions/s", flush=True)
    if rank == 0:
        merge(folder, len(parts), config)
        _report(config, answerer, examples, time.perf_counter() - started)


def check_output(output: Path, rank: int) -> None:
    """Raise InputError if --output cannot be written; the first process sees what is there."""
    if output.exists() and rank == 0:
        raise InputError(f"--output {output}: already exists; choose another name, or remove it.")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: the folder {output.parent} does not exist.")


def describe_parts(folder: Path, questions: int, parts: int) -> str:
    """Return a line on how much there is to do, and how much is done already."""
    done = sum(part_path(folder, number).exists() for number in range(parts))
    kept = f", {done} of them already answered" if done else ""
    return f"{counted(questions, 'question')} in {counted(parts, 'part')}{kept}"


def fingerprint(
    config: PredictConfig, answerer: "Answerer", examples: "ExampleList"
) -> dict[str, Any]:
    """What parts must have in common to be put together."""
    from mrc.checkpoint.loading import find_checkpoint
    from mrc.model.pretrained import WEIGHTS

    questions = hashlib.sha256()
    for example in examples:
        questions.update(json.dumps([example.id, example.question, example.context]).encode())
    weights = Path(find_checkpoint(config.checkpoint)) / WEIGHTS
    is_local = weights.exists()
    return {
        "checkpoint": str(Path(config.checkpoint).absolute() if is_local else config.checkpoint),
        "weights_changed": weights.stat().st_mtime_ns if is_local else None,
        "questions": questions.hexdigest(),
        "part_size": config.part_size,
        "scoring": config.scoring,
        "settings": answerer.settings,
    }


def open_parts(folder: Path, made_with: dict[str, Any], rank: int, output: Path) -> bool:
    """Make the folder of parts, or continue with the one that is there.

    The first process makes it, the others wait for it.

    Args:
        folder: the folder.
        made_with: its fingerprint.
        rank: of this process.
        output: the file that the parts become.

    Returns:
        Whether there is anything to do: not for a process that starts after the others have
        finished.

    Raises:
        InputError: the folder holds parts of another run.
    """
    if rank == 0 and not (folder / RUN).exists():
        folder.mkdir(exist_ok=True)
        write_json(folder / RUN, made_with)
    while not (folder / RUN).exists():
        if output.exists():
            return False
        time.sleep(POLL_SECONDS)
    if read_json(folder / RUN) != made_with:
        raise InputError(
            f"{folder}: holds answers of a run with other questions, settings or weights; remove "
            "it, or choose another --output."
        )
    return True


def answer_part(answerer: "Answerer", examples: "Sequence[Example]", path: Path) -> float:
    """Answer some questions, write them to `path`, whole or not at all; return the seconds."""
    started = time.perf_counter()
    write_part(path, examples, answerer.answer(examples))
    return time.perf_counter() - started


def merge(folder: Path, count: int, config: PredictConfig) -> None:
    """Wait for all parts, put them together into --output, and remove them."""
    missing = [n for n in range(count) if not part_path(folder, n).exists()]
    while missing:
        print(f"waiting for {counted(len(missing), 'part')} of other processes", flush=True)
        # If another process fails, torchrun ends this one.
        while not part_path(folder, missing[0]).exists():
            time.sleep(POLL_SECONDS)
        missing = [n for n in missing if not part_path(folder, n).exists()]
    write_output(Path(config.output), read_parts(folder, count), config.column_sources())
    shutil.rmtree(folder)


def _report(
    config: PredictConfig, answerer: "Answerer", examples: "ExampleList", seconds: float
) -> None:
    """Print what was done, and how to score it."""
    rows = [
        ("questions", len(examples)),
        ("seconds", f"{seconds:.0f}"),
        ("answers", config.output),
    ]
    print("\n" + value_table(rows))
    is_scorable = any(example.is_labeled for example in examples) and config.data != STDIN
    # A file with other columns is for another program.
    if is_scorable and config.columns is None:
        print(f"\nNext: {_scoring_command(config, answerer, examples)}")
    note = columns_note(config.column_sources())
    if note:
        print(note)


def columns_note(columns: dict[str, str] | None) -> str:
    """Return a line if `mrc evaluate` cannot read what was written under these names, else ""."""
    from mrc.commands.answer_files import ID_NAMES, TEXT_NAMES, are_readable

    if columns is None or are_readable(columns):
        return ""
    return (
        f"note: mrc evaluate --predictions needs the id under one of the names "
        f"{', '.join(ID_NAMES)}, and the answer under one of {', '.join(TEXT_NAMES)}"
    )


def _scoring_command(config: PredictConfig, answerer: "Answerer", examples: "ExampleList") -> str:
    """The command that gives the scores of mrc evaluate for what was written."""
    from mrc.metrics.scoring import choose_scorer

    flags = ["--predictions", config.output, "--data", config.data]
    if config.split:
        flags += ["--split", config.split]
    if config.max_eval_examples:
        flags += ["--max-eval-examples", str(config.max_eval_examples)]
    if answerer.scorer != choose_scorer(examples):
        flags += ["--scorer", answerer.scorer]
    return f"{program('evaluate')} {shlex.join(flags)}"
