"""`mrc predict`: answer a whole file of questions, in parts that an interrupted run keeps."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrc.commands.predictions import part_path, read_parts, write_output, write_part
from mrc.config import shared
from mrc.config.command_line import parse_args, program
from mrc.config.flags import flag
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError
from mrc.files import read_json, write_json
from mrc.runtime.tables import value_table

if TYPE_CHECKING:
    from mrc.data.examples import Example, ExampleList
    from mrc.reader.reader import AskSettings, Reader

# In the folder of parts: what they were made with.
RUN = "run.json"
POLL_SECONDS = 0.2


@dataclass
class PredictConfig(ReaderConfig):
    """Let a reader answer a whole file of questions.

    The answers are written in parts: a run that was interrupted continues where it stopped when
    the command is repeated. Under torchrun the processes share the parts:
    torchrun --nproc-per-node 4 -m mrc predict ...
    """

    data: str = flag("", shared.QUESTIONS, group="files")
    split: str | None = shared.split_flag("files")
    output: str = flag(
        "",
        "file to write: .json (id -> answer, for mrc evaluate --predictions), .jsonl (an object "
        "per question) or .csv (a line per answer)",
        group="files",
    )
    max_eval_examples: int | None = shared.max_eval_examples_flag("files")
    part_size: int = flag(1000, "questions per part", group="files", at_least=1)
    top_k: int = flag(
        1, "answers to write per question, to .jsonl and .csv", group="answers", at_least=1
    )

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for what is missing or does not go together."""
        super().__post_init__()
        for name in ("data", "output"):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed; see --help.")
        if not self.output.endswith((".json", ".jsonl", ".csv")):
            raise InputError(f"--output {self.output}: end the name in .json, .jsonl or .csv.")
        if self.top_k > 1 and self.output.endswith(".json"):
            raise InputError(
                f"--top-k {self.top_k} and --output {self.output}: .json holds one answer per "
                "question; write .jsonl or .csv."
            )


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
    # Imported once the flags are known to be right: torch takes seconds to load.
    from mrc.data.loading import load_questions
    from mrc.runtime.processes import local_device
    from mrc.runtime.torchrun import torchrun_place

    rank, processes, _ = torchrun_place()
    output = Path(config.output)
    if output.exists() and rank == 0:
        raise InputError(f"--output {output}: already exists; choose another name, or remove it.")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: the folder {output.parent} does not exist.")
    from mrc.reader.reader import Reader

    started = time.perf_counter()
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    reader, settings = Reader.of(config.changed(device=local_device(config.device)))
    parts = [
        examples[at : at + config.part_size] for at in range(0, len(examples), config.part_size)
    ]
    folder = output.with_name(f"{output.name}.parts")
    made_with = fingerprint(config, settings, examples)
    if not open_parts(folder, made_with, rank, output):
        return
    if rank == 0:
        done = sum(part_path(folder, number).exists() for number in range(len(parts)))
        kept = f", {done} of them already answered" if done else ""
        print(f"{len(examples)} questions in {len(parts)} parts{kept}")
    for number in range(rank, len(parts), processes):
        if not part_path(folder, number).exists():
            part_started = time.perf_counter()
            answer_part(reader, settings, parts[number], part_path(folder, number))
            rate = len(parts[number]) / (time.perf_counter() - part_started)
            print(f"part {number + 1}/{len(parts)}: {rate:.1f} questions/s", flush=True)
    if rank == 0:
        merge(folder, len(parts), output)
        _report(config, examples, time.perf_counter() - started)


def fingerprint(
    config: PredictConfig, settings: "AskSettings", examples: "ExampleList"
) -> dict[str, Any]:
    """What parts must have in common to be put together."""
    from mrc.checkpoint.loading import find_checkpoint
    from mrc.model.pretrained import WEIGHTS

    questions = hashlib.sha256()
    for example in examples:
        questions.update(json.dumps([example.id, example.question, example.context]).encode())
    weights = Path(find_checkpoint(config.checkpoint)) / WEIGHTS
    is_local = weights.exists()
    asked = asdict(settings)
    # Only the speed depends on it.
    del asked["batch_size"]
    return {
        "checkpoint": str(Path(config.checkpoint).absolute() if is_local else config.checkpoint),
        "weights_changed": weights.stat().st_mtime_ns if is_local else None,
        "questions": questions.hexdigest(),
        "part_size": config.part_size,
        "precision": config.precision,
        "settings": asked,
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


def answer_part(
    reader: "Reader", settings: "AskSettings", examples: "Sequence[Example]", path: Path
) -> None:
    """Answer some questions, and write them to `path`, whole or not at all."""
    found = reader(examples, **asdict(settings))
    answers = [part if isinstance(part, list) else [part] for part in found]
    write_part(path, examples, answers)


def merge(folder: Path, count: int, output: Path) -> None:
    """Wait for all parts, put them together into `output`, and remove them."""
    missing = [n for n in range(count) if not part_path(folder, n).exists()]
    while missing:
        print(f"waiting for {len(missing)} parts of other processes", flush=True)
        # If another process fails, torchrun ends this one.
        while not part_path(folder, missing[0]).exists():
            time.sleep(POLL_SECONDS)
        missing = [n for n in missing if not part_path(folder, n).exists()]
    write_output(output, read_parts(folder, count))
    shutil.rmtree(folder)


def _report(config: PredictConfig, examples: "ExampleList", seconds: float) -> None:
    """Print what was done, and how to score it."""
    rows = [
        ("questions", len(examples)),
        ("seconds", f"{seconds:.0f}"),
        ("answers", config.output),
    ]
    print("\n" + value_table(rows))
    if config.output.endswith(".json") and any(example.is_labeled for example in examples):
        command = program("evaluate")
        print(f"\nNext: {command} --predictions {config.output} --data {config.data}")
