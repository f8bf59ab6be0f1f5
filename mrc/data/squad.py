"""SQuAD's JSON, written: articles that hold paragraphs that hold questions."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from mrc.data.examples import Example
from mrc.files import write_json

# What a question inherits from its article and its paragraph.
INHERITED = ("title", "context")


def write_squad(examples: Iterable[Example], path: str | Path) -> None:
    """Write examples as SQuAD JSON.

    Examples that follow each other on one context, or under one title, are written together.

    Raises:
        InputError: if the file cannot be written.
    """
    version = getattr(examples, "version", "")
    write_json(path, {"version": version, "data": list(_articles(examples))})


def _articles(examples: Iterable[Example]) -> Iterator[dict[str, Any]]:
    for title, of_title in groupby(examples, key=attrgetter("title")):
        paragraphs = []
        for context, of_context in groupby(of_title, key=attrgetter("context")):
            paragraphs.append({"context": context, "qas": [_question(e) for e in of_context]})
        yield {"title": title, "paragraphs": paragraphs}


def _question(example: Example) -> dict[str, Any]:
    record = example.as_record()
    return {name: value for name, value in record.items() if name not in INHERITED}
