"""`mrc predict`: a whole file of questions, answered in parts that an interrupted run need not do again."""

import csv
import hashlib
import io
import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mrc.config.flags import flag, parse_args
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError
from mrc.files import read_json, write_json, written_whole


@dataclass
class PredictConfig(ReaderConfig):
    """Let a reader answer a whole file of questions.

    The answers are written in parts, so that a run that was cut off goes on where it stopped when it is started again. Under
    torchrun the processes share the parts: torchrun --nproc-per-node 4 -m mrc predict ...
    """

    data: str = flag(
        None,
        "the questions, in any form that train.py reads (files, folders, globs, -, hub data sets), or sample",
        group="files",
    )
    split: str | None = flag(
        None,
        "split of a hub data set or save_to_disk folder, or a slice of it; default: validation",
        group="files",
    )
    output: str = flag(
        None,
        "file to write: .json (id -> answer, what evaluate.py --predictions reads), .jsonl (one object a question) or "
        ".csv (one line an answer)",
        group="files",
    )
    max_eval_examples: int | None = flag(
        None, "take the first N questions only", group="files", at_least=1
    )
    part_size: int = flag(1000, "questions per part", group="files", at_least=1)
    top_k: int = flag(
        1, "answers to write per question, to .jsonl and .csv", group="answers", at_least=1
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("data", "output"):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed; see --help.")
        if not self.output.endswith((".json", ".jsonl", ".csv")):
            raise InputError(f"--output {self.output}: end the name in .json, .jsonl or .csv.")
        if self.top_k > 1 and self.output.endswith(".json"):
            raise InputError(
                f"--top-k {self.top_k} and --output {self.output}: .json holds one answer per question; write .jsonl or .csv."
            )


RUN = "run.json"  # in the folder of parts: what they were made with


POLL_SECONDS = 0.2


COLUMNS = ("id", "question", "rank", "answer", "score", "start", "end")


def main(argv=None):
    config = parse_args(PredictConfig, argv, "predict")
    output = Path(config.output)
    try:
        predict(config, output)
    except OSError as error:
        raise InputError(f"--output {output}: cannot be written ({error.strerror}).") from error


def predict(config, output):
    """Answer the questions of a PredictConfig, this process's share of them; the main one puts all together."""
    from mrc.data.loading import load_questions
    from mrc.runtime.processes import local_device, torchrun_place  # torch takes seconds to load

    rank, processes, _ = torchrun_place()
    if output.exists() and rank == 0:
        raise InputError(f"--output {output}: is there already; choose another name, or remove it.")
    if not output.parent.is_dir():
        raise InputError(f"--output {output}: the folder {output.parent} does not exist.")
    from mrc.reader.reader import Reader

    started = time.perf_counter()
    config.device = local_device(config.device)
    examples = load_questions(config.data, config.split, config.max_eval_examples)
    reader, settings = Reader.of(config)
    parts = [
        examples[at : at + config.part_size] for at in range(0, len(examples), config.part_size)
    ]
    folder = output.with_name(output.name + ".parts")
    if not open_parts(folder, fingerprint(config, settings, examples), rank, output):
        return
    done = sum(_part(folder, n).exists() for n in range(len(parts)))
    if rank == 0:
        print(
            f"{len(examples)} questions in {len(parts)} parts"
            + (f", {done} of them done before" if done else "")
        )
    for n in range(rank, len(parts), processes):
        if not _part(folder, n).exists():
            part_started = time.perf_counter()
            answer_part(reader, settings, parts[n], _part(folder, n))
            rate = len(parts[n]) / (time.perf_counter() - part_started)
            print(f"part {n + 1}/{len(parts)}: {rate:.1f} questions/s", flush=True)
    if rank == 0:
        merge(folder, len(parts), output)
        seconds = time.perf_counter() - started
        print(f"\nquestions    {len(examples)}\nseconds      {seconds:.0f}\nanswers      {output}")
        if output.suffix == ".json" and any(example.is_labeled for example in examples):
            print(f"\nNext: python evaluate.py --predictions {output} --data {config.data}")


def fingerprint(config, settings, examples):
    """What parts must have in common to be put together, as a dict."""
    from mrc.checkpoint.loading import find_checkpoint
    from mrc.model.pretrained import WEIGHTS

    questions = hashlib.sha256()
    for example in examples:
        questions.update(json.dumps([example.id, example.question, example.context]).encode())
    weights = Path(find_checkpoint(config.checkpoint)) / WEIGHTS
    changed = weights.stat().st_mtime_ns if weights.exists() else None
    return {
        "checkpoint": str(Path(config.checkpoint).absolute() if changed else config.checkpoint),
        "weights_changed": changed,
        "questions": questions.hexdigest(),
        "part_size": config.part_size,
        "precision": config.precision,
        "settings": {
            name: value for name, value in asdict(settings).items() if name != "batch_size"
        },
    }


def open_parts(folder, made_with, rank, output):
    """Make the folder of parts, or go on with one of the same making. Raises InputError for one of another making.

    The first process makes it, the others wait for it. Returns whether there is anything to do: to a process that comes when
    the others have already finished, there is not.
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
            f"{folder}: holds answers of a run with other questions, settings or weights; remove it, or choose another "
            "--output."
        )
    return True


def answer_part(reader, settings, examples, path):
    """Answer some questions, and write them to `path`, one JSON object a line, whole or not at all."""
    found = reader(examples, **asdict(settings))
    with written_whole(path) as file:
        for example, answers in zip(examples, found):
            answers = answers if isinstance(answers, list) else [answers]
            file.write(
                json.dumps(
                    {"id": example.id, "question": example.question, "answers": answers},
                    ensure_ascii=False,
                )
                + "\n"
            )


def merge(folder, count, output):
    """Wait for all parts, put them together into `output`, and remove them."""
    while missing := [n for n in range(count) if not _part(folder, n).exists()]:
        print(f"waiting for {len(missing)} parts of other processes", flush=True)
        while not _part(
            folder, missing[0]
        ).exists():  # torchrun ends this process if another one fails
            time.sleep(POLL_SECONDS)
    with written_whole(output, newline="") as file:
        for text in _texts(output.suffix, _records(folder, count)):
            file.write(text)
    shutil.rmtree(folder)


def _records(folder, count):
    for n in range(count):
        with _part(folder, n).open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def _texts(suffix, records):
    """The pieces of an output file, which never is in memory as a whole."""
    if suffix == ".json":
        for n, record in enumerate(records):
            answer = json.dumps({record["id"]: record["answers"][0]["answer"]}, ensure_ascii=False)
            yield ("{\n  " if n == 0 else ",\n  ") + answer[1:-1]
        yield "\n}\n"
    elif suffix == ".jsonl":
        for record in records:
            best, several = (
                record["answers"][0],
                {"answers": record["answers"]} if len(record["answers"]) > 1 else {},
            )
            yield (
                json.dumps(
                    {"id": record["id"], "question": record["question"], **best, **several},
                    ensure_ascii=False,
                )
                + "\n"
            )
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS)
        writer.writeheader()
        for record in records:
            for rank, answer in enumerate(record["answers"], 1):
                writer.writerow(
                    {"id": record["id"], "question": record["question"], "rank": rank, **answer}
                )
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()


def _part(folder, n):
    return folder / f"part-{n:06}.jsonl"
