"""Tables for people: names with values, and columns of cells."""

from collections.abc import Iterable, Sequence

# Tables of one run line up with each other: few names are longer.
NAME_WIDTH = 12


def value_table(rows: Iterable[tuple[str, object]]) -> str:
    """One line a row, a name and its value, the values below each other."""
    rows = list(rows)
    width = max([NAME_WIDTH, *(len(name) for name, _ in rows)])
    return "\n".join(f"{name:<{width}} {value}" for name, value in rows)


def column_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """One line a row: the first cell on the left, each other below the right end of its heading."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    first = max(NAME_WIDTH, widths[0])
    return "\n".join(
        f"{name:<{first}}"
        + "".join(f"  {cell:>{w}}" for cell, w in zip(cells, widths[1:], strict=True))
        for name, *cells in lines
    )
