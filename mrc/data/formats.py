"""Formats: questions in any form, on disk, on the hub or in memory, as one stream of records.

Files may be SQuAD-style nested JSON, flat lists of records as JSON, JSON Lines, CSV, TSV or
Parquet, each of them gzipped or not.
"""

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrc.data.foreign import data_text, not_questions
from mrc.data.library import hub_records, is_saved_folder, parquet_records, saved_records
from mrc.data.memory import is_in_memory, memory_records
from mrc.data.records import (
    OnProblem,
    Record,
    guarded,
    item_records,
    json_records,
    raise_problem,
)
from mrc.data.tables import begins_table, table_records
from mrc.errors import InputError
from mrc.files import STDIN, is_json_lines, parse_json, read_bytes, shown_path

JSON = ".json"
JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
PARQUET = ".parquet"

SUFFIXES = (JSON, *JSON_LINES, *TABLES, PARQUET)

# An object, or a list of objects or of lists: in a file of another name, "[" may begin any text.
BEGINS_JSON = re.compile(r"\s*(\{|\[\s*[\[{\]])")


def read_records(
    source: Any,
    *,
    split: str | None = None,
    usual_split: str = "train",
    name: str = "",
    on_problem: OnProblem = raise_problem,
) -> Iterator[Record]:
    """Yield the records of a data source.

    Args:
        source: a file, "-" for standard input, a folder of files or one written by
            `datasets.save_to_disk`, a glob, a hub data set ("squad_v2", "klue:mrc"), or data in
            memory as `memory.memory_records` takes it.
        split: for data in named splits, the one to read or a slice of it: "train[:20%]".
        usual_split: what `split` is if it is not given; a split that stands alone is read too.
        name: what errors call data in memory.
        on_problem: takes the error of each record that cannot be read; by default it is raised.

    Raises:
        InputError: naming the place, if the source as a whole cannot be read.
    """
    if is_in_memory(source):
        yield from memory_records(
            source, name, split=split, usual_split=usual_split, on_problem=on_problem
        )
        return
    source = str(source)
    if is_saved_folder(Path(source)):
        yield from saved_records(source, split, usual_split, on_problem)
    elif is_hub_id(source):
        yield from hub_records(source, split, usual_split, on_problem)
    elif split is not None:
        raise InputError(
            f"{source}: is read whole; a split such as '{split}' can be taken of a hub data set, "
            "or of a folder written by datasets.save_to_disk."
        )
    else:
        for file in files_of(source):
            yield from _file_records(file, on_problem)


def is_hub_id(source: str) -> bool:
    """Whether a source can only be a hub id: nothing is there, and it looks like no data file."""
    is_local = source == STDIN or Path(source).exists() or glob.has_magic(source)
    if is_local:
        return False
    name = source.partition(":")[0]
    looks_like_path = name.startswith((".", "/", "~")) or len(Path(name).parts) > 2
    looks_like_file = name.endswith((*SUFFIXES, ".gz"))
    return not looks_like_path and not looks_like_file


def files_of(source: str) -> list[str]:
    """The files that a source stands for, in the order of their names.

    Raises:
        InputError: if a folder holds no data file, or a glob matches none.
    """
    path = Path(source)
    if source == STDIN or path.is_file():
        return [source]
    if path.is_dir():
        names = [str(file) for file in path.iterdir()]
        files = sorted(file for file in names if file.removesuffix(".gz").endswith(SUFFIXES))
        if not files:
            forms = ", ".join(SUFFIXES)
            raise InputError(f"{source}: this folder holds no data file ({forms}, gzipped or not).")
        return files
    if glob.has_magic(source):
        matches = glob.glob(source, recursive=True)
        files = sorted(file for file in matches if Path(file).is_file())
        if not files:
            raise InputError(f"{source}: no file has a name of this pattern.")
        return files
    # There is no such file, as reading it will say.
    return [source]


def _file_records(file: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of a file; its name tells the form, or else how it begins."""
    suffix = Path(file.removesuffix(".gz")).suffix
    if suffix == PARQUET:
        yield from parquet_records(file, on_problem)
        return
    name = shown_path(file)
    text = data_text(read_bytes(file), name)
    # Without a suffix that tells, what begins like JSON is JSON, and the rest must be a table.
    is_table = suffix in TABLES
    if suffix not in SUFFIXES and not BEGINS_JSON.match(text):
        is_table = begins_table(text)
        if not is_table:
            raise not_questions(text, name)
    if is_table:
        yield from table_records(text, name, on_problem)
    elif suffix in JSON_LINES or is_json_lines(text):
        yield from _line_records(text, name, on_problem)
    else:
        yield from json_records(parse_json(text, name), name, on_problem)


def _line_records(text: str, name: str, on_problem: OnProblem) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield from guarded(_one_line(line, name, number, on_problem), on_problem)


def _one_line(line: str, name: str, number: int, on_problem: OnProblem) -> Iterator[Record]:
    item = parse_json(line, name, number)
    yield from item_records(item, f"{name}: line {number}", on_problem)
