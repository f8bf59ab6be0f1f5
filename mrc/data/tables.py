"""Tables: the rows of CSV and TSV files as records."""

import ast
import csv
import io
import json
import sys
from collections.abc import Iterator
from typing import Any

from mrc.data.fields import shorten
from mrc.data.records import OnProblem, Record, guarded, item_records
from mrc.errors import InputError

# The longest cell that is read. Python's default is 131,072 characters, and its limit a C long,
# which has 32 bits on Windows.
LONGEST_CELL = min(sys.maxsize, 2**31 - 1)

# Columns in which an empty cell is an empty text, and so a fault. In others it is no value.
TEXT_COLUMNS = ("id", "guid", "question", "context")

TRUE_WORDS = ("true", "1")
FALSE_WORDS = ("false", "0")


def table_records(text: str, name: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of CSV or TSV, whose header names the fields.

    Args:
        text: the whole file. It is TSV if there is a tab in its first line.
        name: the file, for errors.
        on_problem: takes the errors of single rows.

    Raises:
        InputError: if the file is no CSV or TSV.
    """
    csv.field_size_limit(LONGEST_CELL)
    header = text.partition("\n")[0]
    delimiter = "\t" if "\t" in header else ","
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        # Rows are numbered as in a spreadsheet, where the header is row 1.
        for number, row in enumerate(rows, 2):
            records = _row_records(row, f"{name}: row {number}", on_problem)
            yield from guarded(records, on_problem)
    except csv.Error as error:
        raise InputError(f"{name}: broken CSV at line {rows.line_num}: {error}.") from None


def _row_records(row: dict[Any, Any], where: str, on_problem: OnProblem) -> Iterator[Record]:
    # DictReader puts what is too much under the key None, and None where there is too little.
    if None in row or None in row.values():
        fault = "more" if None in row else "fewer"
        raise InputError(
            f"{where}: has {fault} cells than the header has names; is a quotation mark missing?"
        )
    cells = {name: cell for name, cell in row.items() if cell or name in TEXT_COLUMNS}
    yield from item_records(typed_cells(cells, where), where, on_problem)


def typed_cells(cells: dict[str, Any], where: str) -> dict[str, Any]:
    """The cells of a row as JSON would hold them.

    Args:
        cells: {column: text}, or numbers and truth values where a library has read the table.
            The answers are in the column `answers`, as JSON or as Python prints it, or one
            answer is in the columns `answer_text` (or `text`) and `answer_start`.
        where: the place of the row, for errors.

    Raises:
        InputError: if a cell cannot be converted.
    """
    values = dict(cells)
    if "is_impossible" in values:
        values["is_impossible"] = _parse_bool(values["is_impossible"], f"{where}.is_impossible")
    if "answers" in values:
        values["answers"] = _parse_answers(values["answers"], f"{where}.answers")
        return values
    text = values.get("answer_text", values.get("text"))
    if text is not None and "answer_start" in values:
        start = _parse_int(values["answer_start"], f"{where}.answer_start")
        values["answers"] = {"text": [text], "answer_start": [start]}
    return values


def _parse_bool(cell: object, where: str) -> bool:
    word = str(cell).strip().lower()
    if word not in TRUE_WORDS + FALSE_WORDS:
        raise InputError(f"{where}: must be true or false, not {shorten(word)}.")
    return word in TRUE_WORDS


def _parse_int(cell: Any, where: str) -> int:
    try:
        return int(cell)
    except (ValueError, TypeError):
        found = shorten(str(cell))
        raise InputError(f"{where}: must be a whole number, not {found}.") from None


def _parse_answers(cell: Any, where: str) -> Any:
    """Parse JSON, or what Python prints for the same value, as `Dataset.to_csv` does."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        tree = ast.parse(cell.strip(), mode="eval")
        return ast.literal_eval(_ArraysToLists().visit(tree))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        form = '{"text": [...], "answer_start": [...]}'
        raise InputError(f"{where}: {shorten(cell)} is not JSON of the form {form}.") from None


class _ArraysToLists(ast.NodeTransformer):
    """Turns NumPy's `array(['a'], dtype=object)` into `['a']`, a literal: no code is run."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_array = isinstance(node.func, ast.Name) and node.func.id == "array"
        return node.args[0] if is_array and node.args else node
