"""Hub data sets, save_to_disk folders and Parquet: what the library `datasets` reads."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from mrc.data.records import Around, OnProblem, Record, item_records
from mrc.errors import InputError, import_optional, in_short

ROWS_AT_ONCE = 1000

# Files of which a folder written by `save_to_disk` holds one: with several splits, or without.
SAVED_FOLDER_FILES = ("dataset_dict.json", "state.json")


def is_saved_folder(path: Path) -> bool:
    """Whether a path is a folder written by `datasets.save_to_disk`."""
    return path.is_dir() and any((path / name).exists() for name in SAVED_FOLDER_FILES)


def hub_records(
    source: str, split: str | None, usual_split: str, on_problem: OnProblem
) -> Iterator[Record]:
    """Yield the records of a hub data set, named NAME or NAME:CONFIGURATION.

    Raises:
        InputError: if it cannot be loaded, or does not say which split is meant.
    """
    datasets = _library()
    name, _, config = source.partition(":")
    try:
        if split is None:
            names = datasets.get_dataset_split_names(name, config or None)
            split = choose_split(names, usual_split, source)
        dataset = datasets.load_dataset(name, config or None, split=split)
    except InputError:
        raise
    except Exception as error:
        # The library and the hub's client each raise exceptions of their own.
        raise InputError(
            f"{source}: no such file, and no data set of that name could be loaded from the "
            f"Hugging Face hub ({_reason(error)})."
        ) from error
    yield from dataset_records(dataset, f"{source} {split}: record ", on_problem, version=source)


def saved_records(
    source: str, split: str | None, usual_split: str, on_problem: OnProblem
) -> Iterator[Record]:
    """Yield the records of a folder written by `datasets.save_to_disk`.

    Raises:
        InputError: if it cannot be read, or does not say which split is meant.
    """
    try:
        loaded = _library().load_from_disk(source)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{source}: this folder of datasets.save_to_disk cannot be read ({_reason(error)})."
        ) from error
    is_dict = isinstance(loaded, dict)
    parts = loaded if is_dict else {str(loaded.split or usual_split): loaded}
    split = split or choose_split(list(parts), usual_split, source)
    dataset = take_split(parts, split, source)
    yield from dataset_records(dataset, f"{source} {split}: record ", on_problem)


def parquet_records(file: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of a Parquet file. Raises InputError if it cannot be read."""
    try:
        dataset = _library().Dataset.from_parquet(file)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{file}: cannot be read as Parquet ({_reason(error)}).") from error
    yield from dataset_records(dataset, f"{file}: record ", on_problem)


def dataset_records(
    dataset: Any, place: str, on_problem: OnProblem, *, version: str = ""
) -> Iterator[Record]:
    """Yield the records of a `datasets.Dataset`.

    Args:
        dataset: the Dataset, in any format.
        place: what the number of a record follows in errors, such as "squad train: record ".
        on_problem: takes the errors of single records.
        version: what the data set calls itself.
    """
    around = Around(version)
    number = 0
    for columns in dataset.with_format(None).iter(batch_size=ROWS_AT_ONCE):
        for cells in zip(*columns.values(), strict=True):
            values = dict(zip(columns, cells, strict=True))
            yield from item_records(values, f"{place}{number}", on_problem, around)
            number += 1


def choose_split(names: list[str], usual_split: str, source: str) -> str:
    """The usual split, or the only one. Raises InputError if that leaves a choice."""
    if usual_split in names:
        return usual_split
    if len(names) == 1:
        return names[0]
    raise InputError(f"{source}: has the splits {', '.join(names)}; say which is meant.")


def take_split(parts: Mapping[str, Any], split: str, source: str) -> Any:
    """Take a split, a slice of one, or a sum of these, such as "train[:20%]+validation".

    Args:
        parts: {name: Dataset}.
        split: what to take of them.
        source: their name, for errors.

    Raises:
        InputError: if there is no such split.
    """
    datasets = _library()
    sizes = {name: len(part) for name, part in parts.items()}
    try:
        slices = datasets.ReadInstruction.from_spec(split).to_absolute(sizes)
    except (ValueError, KeyError, AssertionError) as error:
        names = ", ".join(parts)
        raise InputError(
            f"{source}: cannot give the split '{split}'; it has {names} ({_reason(error)})."
        ) from error
    chosen = []
    for piece in slices:
        start = piece.from_ or 0
        stop = sizes[piece.splitname] if piece.to is None else piece.to
        chosen.append(parts[piece.splitname].select(range(start, stop)))
    return datasets.concatenate_datasets(chosen)


def _library() -> ModuleType:
    purpose = "Reading hub data sets, save_to_disk folders and Parquet"
    return import_optional("datasets", extra="hub", purpose=purpose)


def _reason(error: Exception) -> str:
    return in_short(error) or type(error).__name__
