"""The texts that `mrc ask` asks about: given on the command line, in files, or pasted."""

import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mrc.errors import InputError
from mrc.files import read_text, shown_path

if TYPE_CHECKING:
    from mrc.reader.reader import AskSettings, Reader

# One word with a slash in it, or with an ending such as .txt.
LOOKS_LIKE_PATH = re.compile(r"\S*[/\\]\S*|\S+\.[A-Za-z]\w{0,4}")
# Names of files are shorter on every system.
LONGEST_NAME = 255


class Text(NamedTuple):
    """A text, and the name that says where an answer was found."""

    name: str
    content: str


def given_texts(given: Sequence[str]) -> list[Text]:
    """The texts that --context gives: each is the text itself, a file's path, or @FILE.

    Raises:
        InputError: naming the file, if it cannot be read, or if what looks like one is not there.
    """
    return [_given_text(value, f"text {number}") for number, value in enumerate(given, 1)]


def file_text(path: str) -> Text:
    """The text in a file. Raises InputError if it cannot be read, or holds none."""
    name = shown_path(path)
    content = read_text(path)
    if not content.strip():
        raise InputError(f"{name}: is empty.")
    return Text(name, content)


def find_answers(
    reader: "Reader", settings: "AskSettings", question: str, texts: Sequence[Text]
) -> list[dict[str, Any]]:
    """The answers to a question in one text or in several, best first.

    Of several texts, an answer says by `passage` in which of them it was found, None for no answer.
    """
    if len(texts) > 1:
        contents = [text.content for text in texts]
        return reader.read(question, contents, **asdict(settings))
    answers = reader(question=question, context=texts[0].content, **asdict(settings))
    # A single answer is no list.
    return answers if isinstance(answers, list) else [answers]


def _given_text(given: str, name: str) -> Text:
    if given.startswith("@"):
        return file_text(given[1:])
    could_be_name = len(os.fsencode(given)) <= LONGEST_NAME and given.isprintable()
    if could_be_name and Path(given).is_file():
        return file_text(given)
    if could_be_name and LOOKS_LIKE_PATH.fullmatch(given):
        raise InputError(
            f"--context {given}: no such file; give the path of a file, @FILE (@- for standard "
            "input), or the text itself."
        )
    return Text(name, given)
