"""Files of predictions: the parts of an unfinished run, and .json, .jsonl and .csv."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mrc.config.predict import CSV_COLUMNS
from mrc.files import written_whole

if TYPE_CHECKING:
    from mrc.data.examples import Example

# {"id", "question", "answers": [{"answer", "score", "start", "end"}, best first]}
Record = dict[str, Any]


def part_path(folder: Path, number: int) -> Path:
    """The file of a part."""
    return folder / f"part-{number:06}.jsonl"


def write_part(
    path: Path, examples: "Sequence[Example]", answers: Sequence[list[dict[str, Any]]]
) -> None:
    """Write a part: a JSON object for each question."""
    with written_whole(path) as file:
        for example, found in zip(examples, answers, strict=True):
            record = {"id": example.id, "question": example.question, "answers": found}
            file.write(_json_line(record))


def read_parts(folder: Path, count: int) -> Iterator[Record]:
    """The records of all parts, in order."""
    for number in range(count):
        with part_path(folder, number).open(encoding="utf-8") as file:
            yield from map(json.loads, file)


def write_output(
    path: Path, records: Iterable[Record], columns: dict[str, str] | None = None
) -> None:
    """Write predictions in the form that the name of the file asks for.

    Args:
        path: a .json, .jsonl or .csv file.
        records: the answers to each question.
        columns: for .jsonl and .csv, the names to write and what stands under each (see
            `PredictConfig.column_sources`); by default all of it, under its own name.
    """
    if path.suffix == ".json":
        texts = _json_texts(records)
    elif path.suffix == ".jsonl":
        texts = _jsonl_texts(records, columns)
    else:
        texts = _csv_texts(records, columns or {name: name for name in CSV_COLUMNS})
    # Piece by piece: the file is never in memory as a whole.
    with written_whole(path, newline="") as file:
        for text in texts:
            file.write(text)


def _json_texts(records: Iterable[Record]) -> Iterator[str]:
    """One object, id -> answer."""
    begin = "{\n  "
    for record in records:
        best = record["answers"][0]["answer"]
        entry = json.dumps({record["id"]: best}, ensure_ascii=False)
        yield begin + entry[1:-1]
        begin = ",\n  "
    yield "\n}\n"


def _jsonl_texts(records: Iterable[Record], columns: dict[str, str] | None) -> Iterator[str]:
    """An object a line: the best answer, and all of them if there are several."""
    for record in records:
        answers = record["answers"]
        line = {"id": record["id"], "question": record["question"], **answers[0]}
        if columns:
            line = {**line, "answers": answers}
            line = {name: line[source] for name, source in columns.items()}
        elif len(answers) > 1:
            line["answers"] = answers
        yield _json_line(line)


def _csv_texts(records: Iterable[Record], columns: dict[str, str]) -> Iterator[str]:
    """A line for each answer, best first."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for record in records:
        for rank, answer in enumerate(record["answers"], start=1):
            line = {"id": record["id"], "question": record["question"], "rank": rank, **answer}
            writer.writerow(line[source] for source in columns.values())
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
