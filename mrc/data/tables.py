"""Tables: the rows of CSV and TSV files as records."""

import csv
import io
import sys
from collections.abc import Iterator
from typing import Any

from mrc.data.fields import shorten
from mrc.data.keys import ANSWER_FIELDS, QUESTION_KEYS, stand_in
from mrc.data.records import OnProblem, Record, guarded, item_records
from mrc.errors import InputError

# The longest cell that is read. Python's default is 131,072 characters, and its limit a C long,
# which has 32 bits on Windows.
LONGEST_CELL = min(sys.maxsize, 2**31 - 1)

# The columns without which a table holds no questions.
NEEDED = ("question", "context")
# Columns in which an empty cell is an empty text, and so a fault. In others it is no value.
TEXT_COLUMNS = ("id", "guid", "question", "context")

# The columns that are read.
KNOWN = (*sorted(QUESTION_KEYS), *ANSWER_FIELDS, "answer_start")

DELIMITERS = ("\t", ",", ";")

# Columns that an error lists.
MOST_COLUMNS = 10

TRUE_WORDS = ("true", "1")
FALSE_WORDS = ("false", "0")

# A row by its columns. What is too much is under the key None; where a cell is missing, it is None.
Row = dict[Any, Any]


def read_table(text: str, name: str) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Read CSV or TSV.

    Args:
        text: the whole file. A tab in its first line separates cells, or else a comma, or else a
            semicolon, as spreadsheets write it where the comma is the decimal point.
        name: the file, for errors.

    Returns:
        The names in the header, and each row with its place.

    Raises:
        InputError: if the file is no CSV or TSV, some of it only once the rows are read.
    """
    csv.field_size_limit(LONGEST_CELL)
    delimiter = _delimiter(text.partition("\n")[0])
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = list(rows.fieldnames or [])
    except csv.Error as error:
        raise InputError(f"{name}: broken CSV at line 1: {error}.") from None
    return columns, _places_and_rows(rows, name)


def _places_and_rows(rows: "csv.DictReader[str]", name: str) -> Iterator[tuple[str, Row]]:
    try:
        # Rows are numbered as in a spreadsheet, where the header is row 1.
        for number, row in enumerate(rows, 2):
            yield f"{name}: row {number}", row
    except csv.Error as error:
        raise InputError(f"{name}: broken CSV at line {rows.line_num}: {error}.") from None


def check_cells(row: Row, where: str) -> None:
    """Raise InputError if a row has not as many cells as the header has names."""
    if None in row or None in row.values():
        fault = "more" if None in row else "fewer"
        raise InputError(
            f"{where}: has {fault} cells than the header has names; is a quotation mark missing?"
        )


def table_records(text: str, name: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of CSV or TSV, whose header names the fields.

    Args:
        text: the whole file.
        name: the file, for errors.
        on_problem: takes the errors of single rows.

    Raises:
        InputError: if the file is no CSV or TSV.
    """
    columns, rows = read_table(text, name)
    _check_columns(columns, name)
    for where, row in rows:
        yield from guarded(_row_records(row, where, on_problem), on_problem)


def begins_table(text: str) -> bool:
    """Whether a text of an unknown form is a table of questions, by the names in its first line."""
    header = text.lstrip().partition("\n")[0].lower()
    columns = [cell.strip(' \r"') for cell in header.split(_delimiter(header))]
    return any(needed in columns for needed in NEEDED)


def _delimiter(header: str) -> str:
    """What separates the cells of a table, by its first line."""
    return next((mark for mark in DELIMITERS if mark in header), DELIMITERS[1])


def _check_columns(columns: list[str], name: str) -> None:
    """Raise InputError if the header of a table does not name what every question needs."""
    missing = [needed for needed in NEEDED if needed not in columns]
    if not missing:
        return
    # All at once, those that are read but not needed too.
    renamed = {known: stand_in(known, columns) for known in missing}
    capitals = {column.lower(): column for column in columns if column not in KNOWN}
    renamed.update({known: capitals[known] for known in KNOWN if known in capitals})
    advice = ", ".join(f"{shorten(old)} to '{new}'" for new, old in renamed.items() if old)
    found = ", ".join(shorten(column) for column in columns[:MOST_COLUMNS])
    absent = " or ".join(f"'{needed}'" for needed in missing)
    raise InputError(
        f"{name}: row 1: there is no column {absent}; "
        f"{f'rename {advice}' if advice else f'it has {found}'}."
    )


def _row_records(row: Row, where: str, on_problem: OnProblem) -> Iterator[Record]:
    check_cells(row, where)
    cells = {name: cell for name, cell in row.items() if cell or name in TEXT_COLUMNS}
    yield from item_records(typed_cells(cells, where), where, on_problem)


def typed_cells(cells: dict[str, Any], where: str) -> dict[str, Any]:
    """The cells of a row as JSON would hold them.

    Args:
        cells: {column: text}, or numbers and truth values where a library has read the table.
        where: the place of the row, for errors.

    Raises:
        InputError: if a cell cannot be converted.
    """
    values = dict(cells)
    if "is_impossible" in values:
        values["is_impossible"] = _parse_bool(values["is_impossible"], f"{where}.is_impossible")
    if "answer_start" in values:
        values["answer_start"] = _parse_int(values["answer_start"], f"{where}.answer_start")
    for name in ANSWER_FIELDS:
        # A library has read a year as a number: the answer is its text.
        if isinstance(values.get(name), (int, float)):
            values[name] = str(values[name])
    return values


def _parse_bool(cell: object, where: str) -> bool:
    word = str(cell).strip().lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise InputError(f"{where}: must be true or false, not {shorten(word)}.")
    return word in TRUE_WORDS


def _parse_int(cell: Any, where: str) -> Any:
    # A list of starts beside a list of texts, for what reads the answers.
    if not isinstance(cell, str) or cell.startswith("["):
        return cell
    try:
        return int(cell)
    except ValueError:
        found = shorten(str(cell))
        raise InputError(f"{where}: must be a whole number, not {found}.") from None
