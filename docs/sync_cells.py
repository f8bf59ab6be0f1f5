"""Copy the code cells of the English course pages into their Korean twins.

usage: python docs/sync_cells.py

The n-th cell of docs/course/PAGE.md replaces the n-th cell of docs/ko/course/PAGE.md.
"""

import re
from pathlib import Path

DOCS = Path(__file__).parent
CELL = re.compile(r"^```\{code-cell\}.*?^```$", flags=re.M | re.S)


def synced(english: str, korean: str) -> str:
    """The Korean page with the cells of the English one.

    Raises:
        ValueError: if the pages have different numbers of cells.
    """
    cells = CELL.findall(english)
    found = len(CELL.findall(korean))
    if found != len(cells):
        raise ValueError(f"{len(cells)} cells in English, {found} in Korean")
    remaining = iter(cells)
    return CELL.sub(lambda _: next(remaining), korean)


def main() -> None:
    """Sync each page that has a twin."""
    for page in sorted(DOCS.glob("course/*.md")):
        twin = DOCS / "ko/course" / page.name
        if not twin.exists():
            print(f"{page.name}: no Korean page yet")
            continue
        try:
            text = synced(page.read_text("utf-8"), twin.read_text("utf-8"))
        except ValueError as error:
            raise SystemExit(f"{page.name}: {error}") from None
        if text != twin.read_text("utf-8"):
            twin.write_text(text, "utf-8")
            print(f"{page.name}: synced")


if __name__ == "__main__":
    main()
