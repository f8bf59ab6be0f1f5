"""Data in memory: lists of dicts, `datasets.Dataset`s and pandas DataFrames, read as a file is."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mrc.data.library import choose_split, dataset_records, take_split
from mrc.data.records import OnProblem, Record, guarded, item_records, json_records
from mrc.data.tables import typed_cells
from mrc.errors import InputError
from mrc.wording import counted

KINDS_HINT = (
    "give a path, a hub id, a list of dicts, a list of Examples, a datasets.Dataset or a "
    "pandas DataFrame"
)

# What pandas has for a missing value beside NaN: types of its own, told by their names.
MISSING_TYPES = ("NAType", "NaTType")


def is_in_memory(source: object) -> bool:
    """Whether a data source is the data itself, and no path and no hub id."""
    return source is not None and not isinstance(source, (str, Path))


def memory_records(
    source: Any, name: str, *, split: str | None, usual_split: str, on_problem: OnProblem
) -> Iterator[Record]:
    """Yield the records of data in memory.

    Args:
        source: a list or tuple of dicts, which are questions, paragraphs or articles; a dict as
            a SQuAD file holds it; a Dataset or DatasetDict; a DataFrame.
        name: what errors call the source, such as "train_file", or "".
        split: for a DatasetDict, the split to read or a slice of it.
        usual_split: what `split` is if it is not given.
        on_problem: takes the errors of single records.

    Raises:
        InputError: if the source is of another type or cannot be read.
    """
    place = f"{name}: record " if name else "record "
    if _is_of(source, "datasets") and isinstance(source, dict):
        label = name or "DatasetDict"
        split = split or choose_split(list(source), usual_split, label)
        source = source[split] if split in source else take_split(source, split, label)
    elif split is not None:
        raise InputError(
            f"{name or 'data in memory'}: is read whole; a split such as '{split}' can be taken "
            "of a DatasetDict. Slice the data yourself."
        )
    if _is_of(source, "datasets") and hasattr(source, "iter"):
        version = _dataset_name(source)
        yield from dataset_records(source, place, on_problem, version=version)
    elif _is_of(source, "pandas") and hasattr(source, "columns"):
        yield from _frame_records(source, place, on_problem)
    elif isinstance(source, dict):
        yield from json_records(_plain(source), name or "data in memory", on_problem)
    elif isinstance(source, (list, tuple)):
        for number, item in enumerate(source):
            yield from item_records(_plain(item), f"{place}{number}", on_problem)
    else:
        kind = type(source).__name__
        raise InputError(f"{name or 'data'}: cannot be read from a {kind}; {KINDS_HINT}.")


def count_records(source: Any) -> str:
    """What a message calls data in memory, such as "120 records in memory"."""
    if not hasattr(source, "__len__") or isinstance(source, dict):
        return "data in memory"
    return f"{counted(len(source), 'record')} in memory"


def _is_of(source: object, package: str) -> bool:
    """Whether an object's type is of a package, which need not be installed."""
    modules = [kind.__module__ for kind in type(source).__mro__]
    return any(module.partition(".")[0] == package for module in modules)


def _dataset_name(dataset: Any) -> str:
    """The hub's name of a Dataset, such as "klue:mrc", which tells how it is scored; or ""."""
    info = getattr(dataset, "info", None)
    name = getattr(info, "dataset_name", None) or ""
    config = getattr(info, "config_name", None)
    return f"{name}:{config}" if name and config and config != "default" else name


def _frame_records(frame: Any, place: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of a DataFrame, whose columns are those of a CSV file."""
    # Row by row from the columns: `to_dict` would hold a copy of everything.
    names = [str(name) for name in frame.columns]
    columns = [frame.iloc[:, n] for n in range(len(names))]
    for number, row in enumerate(zip(*columns, strict=True)):
        cells = dict(zip(names, map(_whole_number, row), strict=True))
        where = f"{place}{number}"
        yield from guarded(_row_records(cells, where, on_problem), on_problem)


def _row_records(cells: dict[str, Any], where: str, on_problem: OnProblem) -> Iterator[Record]:
    yield from item_records(typed_cells(_present(cells), where), where, on_problem)


def _whole_number(cell: Any) -> Any:
    """22 for 22.0: pandas turns a column of whole numbers with gaps into floating point."""
    is_whole = isinstance(cell, float) and cell.is_integer()
    return int(cell) if is_whole else cell


def _present(cells: dict[str, Any]) -> dict[str, Any]:
    """The cells that hold something, as plain Python values."""
    return {name: _plain(cell) for name, cell in cells.items() if not _is_missing(cell)}


def _plain(value: Any) -> Any:
    """A value as JSON would hold it: no NumPy types, no tuples, no keys without a value."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if not _is_nan(item)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    return value


def _is_missing(cell: Any) -> bool:
    return cell is None or _is_nan(cell)


def _is_nan(value: Any) -> bool:
    """Whether a value is NaN, or one of pandas' signs for a missing value."""
    if isinstance(value, (float, np.floating)):
        return math.isnan(value)
    return type(value).__name__ in MISSING_TYPES
