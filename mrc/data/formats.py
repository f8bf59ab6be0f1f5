"""Formats: whatever form a data set has, on disk or on the hub, its questions as one stream of records.

Files: SQuAD-style nested JSON, flat lists of records as JSON, JSON Lines, CSV and TSV, Parquet, any of them gzipped; folders and
globs of them; folders written by `datasets.save_to_disk`; ids of hub data sets.
"""

import ast
import csv
import glob
import io
import json
import sys
from pathlib import Path
from typing import NamedTuple

from mrc.errors import InputError, import_optional, in_short
from mrc.files import STDIN, parse_json, read_text

JSON, LINES, TABLES, PARQUET = ".json", (".jsonl", ".ndjson"), (".csv", ".tsv"), ".parquet"


SUFFIXES = (JSON, *LINES, *TABLES, PARQUET)


JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


FORMS = (
    ' Records hold "id", "question", "context" and "answers", in a list, in lines of their own, or nested as SQuAD has them: '
    '{"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}.'
)


class Record(NamedTuple):
    """One question as it was found, its own fields unchecked. values: these; where: file and place, for an error to name."""

    values: dict
    context: str
    title: str
    where: str
    version: str


def read_records(source, split=None, usual_split="train"):
    """Yield the Records of a file, "-" (standard input), a folder, a glob, or a hub data set ("squad_v2", "klue:mrc").

    split: for data that comes in named splits, the one to read or a slice of it: "validation", "train[:20%]"; by default
    `usual_split`, or the only one there is. A record that cannot be read comes as the InputError that says why. Raises
    InputError, naming the place, for a source that cannot.
    """
    source = str(source)
    path = Path(source)
    if path.is_dir() and any(
        (path / name).exists() for name in ("dataset_dict.json", "state.json")
    ):
        yield from _library_records(*_load_from_disk(source, split, usual_split))
        return
    if is_hub_id(source):
        yield from _library_records(*_load_from_hub(source, split, usual_split), source)
        return
    if split is not None:
        raise InputError(
            f"{source}: is read whole; a split such as '{split}' can be taken of a hub data set, or of a folder written by "
            "datasets.save_to_disk."
        )
    for file in files_of(source):
        yield from _file_records(file)


def is_hub_id(source):
    """Whether a source that is not there can only be a hub id: one or two parts, and no suffix of a data file."""
    name = source.partition(":")[0]
    if (
        source == STDIN
        or Path(source).exists()
        or glob.has_magic(source)
        or name.startswith((".", "/", "~"))
    ):
        return False
    return (
        len(Path(name).parts) <= 2
        and not name.removesuffix(".gz").endswith(SUFFIXES)
        and not name.endswith(".gz")
    )


def files_of(source):
    """The files that a source stands for, in the order of their names."""
    path = Path(source)
    if source == STDIN or path.is_file():
        return [source]
    if path.is_dir():
        files = sorted(
            str(p) for p in path.iterdir() if p.name.removesuffix(".gz").endswith(SUFFIXES)
        )
        if not files:
            raise InputError(
                f"{source}: this folder holds no data file ({', '.join(SUFFIXES)}, gzipped or not)."
            )
        return files
    if glob.has_magic(source):
        files = sorted(file for file in glob.glob(source, recursive=True) if Path(file).is_file())
        if not files:
            raise InputError(f"{source}: no file has a name of this pattern.")
        return files
    return [source]  # reading it says that there is no such file


def _file_records(file):
    """Yield the Records of one file; its name tells the form, or else its first character."""
    suffix = Path(file.removesuffix(".gz")).suffix
    if suffix == PARQUET:
        yield from _library_records(_load_parquet(file), file)
        return
    text, name = read_text(file), "standard input" if file == STDIN else file
    looks_like_json = suffix in (JSON, *LINES) or text.lstrip()[:1] in ("{", "[", "")
    if suffix in TABLES or not looks_like_json:
        yield from _table_records(text, name)
    elif suffix in LINES or _is_json_lines(text):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield from _with_errors(_line_records(line, name, number))
    else:
        yield from _json_records(parse_json(text, name), name)


def _with_errors(records):
    """Some Records, and the InputError that ended them, if one did."""
    try:
        yield from records
    except InputError as error:
        yield error


def _line_records(line, name, number):
    yield from _walk(parse_json(line, name, number), f"{name}: line {number}", "")


def _is_json_lines(text):
    """Whether a text is one JSON value a line, as some tools write it under the name of .json."""
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _json_records(root, name):
    """Yield the Records of a JSON file: of {"data": [...]}, of a list, or of one article or question alone."""
    if isinstance(root, dict) and not {"paragraphs", "qas", "context", "question"} & root.keys():
        version = str(root.get("version", ""))
        for n, item in enumerate(field(root, "data", list, name, FORMS)):
            yield from _with_errors(_walk(item, f"{name}: data[{n}]", version))
    elif isinstance(root, list):
        for n, item in enumerate(root):
            yield from _with_errors(_walk(item, f"{name}: [{n}]", ""))
    else:
        yield from _walk(root, name, "")


def _walk(item, where, version, title=""):
    """Yield the Records of an article, a paragraph or a question, told apart by their keys."""
    if isinstance(item, dict):
        title = str(item.get("title") or title)
        if "paragraphs" in item:
            for n, paragraph in enumerate(field(item, "paragraphs", list, where)):
                yield from _with_errors(
                    _paragraph_records(paragraph, f"{where}.paragraphs[{n}]", version, title)
                )
            return
        if "qas" in item:
            yield from _paragraph_records(item, where, version, title)
            return
    if not isinstance(item, dict) or not {"context", "question"} & item.keys():
        field(item, "context", str, where, FORMS)  # raises
    yield Record(item, text_field(item, "context", where), title, where, version)


def _paragraph_records(paragraph, where, version, title):
    context = text_field(paragraph, "context", where)
    for n, values in enumerate(field(paragraph, "qas", list, where)):
        yield Record(values, context, title, f"{where}.qas[{n}]", version)


def _table_records(text, name):
    """Yield the Records of CSV or TSV: the header's names are those of the fields."""
    csv.field_size_limit(
        sys.maxsize if sys.maxsize < 2**32 else 2**31 - 1
    )  # the default is 131,072 characters
    header = text.partition("\n")[0]
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ",", strict=True
    )
    try:
        for number, row in enumerate(rows, 2):  # as a spreadsheet counts: the header is row 1
            yield from _with_errors(_row_records(row, f"{name}: row {number}"))
    except csv.Error as error:
        raise InputError(f"{name}: broken CSV at line {rows.line_num}: {error}.") from None


def _row_records(row, where):
    if None in row or None in row.values():
        fault = "more" if None in row else "fewer"
        raise InputError(
            f"{where}: has {fault} cells than the header has names; is a quotation mark missing?"
        )
    yield from _walk(_typed(row, where), where, "")


def _typed(row, where):
    """The cells of a row as JSON would have them. Answers stand in one cell, as JSON or as Python prints it, or as one answer
    in the columns `answer_text` (or `text`) and `answer_start`; an empty cell is no value."""
    values = {
        name: cell
        for name, cell in row.items()
        if cell or name in ("id", "guid", "question", "context")
    }
    if "is_impossible" in values:
        word = values["is_impossible"].strip().lower()
        if word not in ("true", "false", "1", "0"):
            raise InputError(f"{where}.is_impossible: must be true or false, not {shorten(word)}.")
        values["is_impossible"] = word in ("true", "1")
    if "answers" in values:
        values["answers"] = _parse_cell(values["answers"], f"{where}.answers")
    text = values.get("answer_text", values.get("text"))
    if "answers" not in values and text is not None and "answer_start" in values:
        try:
            start = int(values["answer_start"])
        except ValueError:
            raise InputError(
                f"{where}.answer_start: must be a whole number, not {shorten(values['answer_start'])}."
            ) from None
        values["answers"] = {"text": [text], "answer_start": [start]}
    return values


def _parse_cell(cell, where):
    """A cell of JSON, or of what Python prints for the same value (datasets' own `to_csv`), arrays of numpy included."""
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(_ArraysToLists().visit(ast.parse(cell.strip(), mode="eval")))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise InputError(
            f'{where}: {shorten(cell)} is not JSON of the form {{"text": [...], "answer_start": [...]}}.'
        ) from None


class _ArraysToLists(ast.NodeTransformer):
    """`array(['a'], dtype=object)` -> `['a']`, which can be evaluated without running anything."""

    def visit_Call(self, node):
        return (
            node.args[0]
            if isinstance(node.func, ast.Name) and node.func.id == "array" and node.args
            else node
        )


def _library():
    purpose = "Reading hub data sets, save_to_disk folders and Parquet"
    return import_optional("datasets", extra="hub", purpose=purpose)


def _load_from_hub(source, split, usual_split):
    datasets = _library()
    name, _, config = source.partition(":")
    config = config or None
    try:
        split = split or _choose_split(
            datasets.get_dataset_split_names(name, config), usual_split, source
        )
        return datasets.load_dataset(name, config, split=split), f"{source} {split}"
    except InputError:
        raise
    except Exception as error:  # the library and the hub's client each raise their own kinds
        raise InputError(
            f"{source}: no such file, and no data set of that name could be had from the Hugging Face hub "
            f"({_in_short(error)})."
        ) from error


def _load_from_disk(source, split, usual_split):
    datasets = _library()
    try:
        loaded = datasets.load_from_disk(source)
    except Exception as error:
        raise InputError(
            f"{source}: this folder of datasets.save_to_disk cannot be read ({_in_short(error)})."
        ) from error
    parts = loaded if isinstance(loaded, dict) else {str(loaded.split or usual_split): loaded}
    split = split or _choose_split(list(parts), usual_split, source)
    try:
        slices = datasets.ReadInstruction.from_spec(split).to_absolute(
            {name: len(part) for name, part in parts.items()}
        )
    except (ValueError, KeyError, AssertionError) as error:
        raise InputError(
            f"{source}: cannot give the split '{split}'; it has {', '.join(parts)} "
            f"({_in_short(error)})."
        ) from error
    chosen = [
        parts[s.splitname].select(
            range(s.from_ or 0, len(parts[s.splitname]) if s.to is None else s.to)
        )
        for s in slices
    ]
    return datasets.concatenate_datasets(chosen), f"{source} {split}"


def _load_parquet(file):
    try:
        return _library().Dataset.from_parquet(file)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{file}: cannot be read as Parquet ({_in_short(error)}).") from error


def _in_short(error):
    return in_short(error) or type(error).__name__


def _choose_split(names, usual_split, source):
    if usual_split in names or len(names) == 1:
        return usual_split if usual_split in names else names[0]
    raise InputError(f"{source}: has the splits {', '.join(names)}; say which is meant.")


def _library_records(dataset, name, version=""):
    """Yield the Records of a `datasets.Dataset`."""
    number = 0
    for columns in dataset.with_format(None).iter(batch_size=1000):
        for cells in zip(*columns.values()):
            yield from _with_errors(
                _walk(dict(zip(columns, cells)), f"{name}: record {number}", version)
            )
            number += 1


def field(record, name, kind, where, hint=""):
    """`record[name]`, or an InputError if it is missing or not of the JSON type that `kind`, or one of them, stands for."""
    if not isinstance(record, dict):
        raise InputError(
            f"{where}: must be an object with the key '{name}', not {json_name(record)}.{hint}"
        )
    if name not in record:
        raise InputError(f"{where}: the key '{name}' is missing.{hint}")
    value = record[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise InputError(
            f"{where}.{name}: must be {' or '.join(JSON_NAMES[k] for k in kinds)}, not {json_name(value)}.{hint}"
        )
    return value


def text_field(record, name, where):
    """A field that holds a text with more than white space."""
    text = field(record, name, str, where)
    if not text.strip():
        raise InputError(f"{where}.{name}: is empty.")
    return text


def json_name(value):
    """What JSON calls a value of this kind."""
    return JSON_NAMES.get(type(value), type(value).__name__)


def shorten(text, width=40):
    return repr(text if len(text) <= width else text[: width - 1] + "…")
