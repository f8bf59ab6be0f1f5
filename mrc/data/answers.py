"""Answers: every way in which a record may give them, as one list of texts and starts."""

import ast
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mrc.data.fields import field, json_name, shorten
from mrc.data.findings import NOT_FOUND
from mrc.data.keys import ANSWER_FIELDS, ANSWER_KEYS, UnusedKeys, unread_keys
from mrc.errors import InputError
from mrc.wording import counted

FORMS_HINT = (
    ' Answers are a text, a list of texts, [{"text": ..., "answer_start": ...}, ...] or '
    '{"text": [...], "answer_start": [...]}.'
)

# The fields that a table may hold as JSON. The others are plain texts, brackets or not.
CELL_FIELDS = ("answers", "answers.text")


# An answer as a record gives it: its text, its start in the context or None where the record does
# not say, and its place in the data. A plain tuple: every answer of the data is one.
GivenAnswer = tuple[str, int | None, str]


def answer_field(values: dict[str, Any]) -> str | None:
    """The name of the field that holds the answers of a record, or None if none does."""
    for name, start_name in ANSWER_FIELDS.items():
        if values.get(name) is None:
            continue
        # A field `text` may be anything, but not beside an `answer_start`.
        if name != "text" or values.get(start_name) is not None:
            return name
    return None


def given_answers(
    values: dict[str, Any], name: str, where: str, unused: UnusedKeys
) -> list[GivenAnswer]:
    """The answers of a record.

    Args:
        values: the record.
        name: the field that holds them, from `answer_field`.
        where: the place of the record, for errors.
        unused: takes the keys of answers that are not read.

    Raises:
        InputError: naming the place, if they have none of the known forms.
    """
    place = f"{where}.{name}"
    answers = values[name]
    if isinstance(answers, str) and name in CELL_FIELDS:
        answers = parse_cell(answers, place)
    if isinstance(answers, list) and answers and isinstance(answers[0], dict):
        return [_one(item, f"{place}[{n}]", unused) for n, item in enumerate(answers)]
    if isinstance(answers, dict):
        texts = _text_of(field(answers, "text", (str, int, list), place, hint=FORMS_HINT))
        unused.note(unread_keys(answers, ANSWER_KEYS), place, ANSWER_KEYS - answers.keys())
        return list(_paired(texts, answers.get("answer_start"), place))
    answers = _text_of(answers)
    if not isinstance(answers, (str, list)):
        found = json_name(answers)
        raise InputError(f"{place}: must be a text, a list or an object, not {found}.{FORMS_HINT}")
    starts = parse_cell(values.get(ANSWER_FIELDS[name]), place)
    return list(_paired(answers, starts, place))


def _one(item: Any, where: str, unused: UnusedKeys) -> GivenAnswer:
    """An answer that is an object of its own, as in SQuAD."""
    text = _text_of(field(item, "text", (str, int), where))
    if item.keys() != ANSWER_KEYS:
        unused.note(unread_keys(item, ANSWER_KEYS), where, ANSWER_KEYS - item.keys())
    return text, _start(item.get("answer_start"), where), where


def _paired(texts: str | list[Any], starts: Any, where: str) -> Iterator[GivenAnswer]:
    """One text with its start, or several with as many starts, as `datasets` stores them."""
    if isinstance(texts, str):
        yield texts, _start(starts, where), where
        return
    if starts is None:
        starts = [None] * len(texts)
    elif isinstance(starts, int):
        starts = [starts]
    if not isinstance(starts, list):
        found = json_name(starts)
        raise InputError(f"{where}.answer_start: must be a list, not {found}.{FORMS_HINT}")
    if len(texts) != len(starts):
        raise InputError(
            f"{where}: has {counted(len(texts), 'text')} and "
            f"{counted(len(starts), 'value')} of answer_start."
        )
    for n, (text, start) in enumerate(zip(texts, starts, strict=True)):
        place = f"{where}[{n}]"
        text = _text_of(text)
        if not isinstance(text, str):
            found = json_name(text)
            raise InputError(f"{place}: must be a text, not {found}.{FORMS_HINT}")
        yield text, _start(start, place), place


def _text_of(answer: Any) -> Any:
    """The text of a whole number, such as a year without quotation marks; all else as it is."""
    # Not by isinstance: in Python, True is an int.
    return str(answer) if type(answer) is int else answer


def has_text(answers: Any) -> bool:
    """Whether a field of answers, of whatever form, holds more than empty texts."""
    with suppress(InputError):
        answers = parse_cell(answers, "")
    if isinstance(answers, dict):
        answers = answers.get("text")
    for answer in answers if isinstance(answers, list) else [answers]:
        text = _text_of(answer.get("text") if isinstance(answer, dict) else answer)
        if isinstance(text, str) and text.strip():
            return True
    return False


def _start(start: Any, where: str) -> int | None:
    """Return the start of an answer. Raises InputError if it is neither an int nor None."""
    # Not by isinstance: in Python, True is an int.
    if start is not None and type(start) is not int:
        found = json_name(start)
        raise InputError(f"{where}.answer_start: must be a whole number, not {found}.")
    return start


def parse_cell(cell: Any, where: str) -> Any:
    """A list or an object that stands as a text in the cell of a table; anything else as it is.

    It may be JSON, or what Python prints for the same value, as `Dataset.to_csv` does.
    """
    if not isinstance(cell, str) or not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        pass
    try:
        tree = ast.parse(cell.strip(), mode="eval")
        return ast.literal_eval(_ArraysToLists().visit(tree))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise InputError(
            f"{where}: {shorten(cell)} is not JSON of a known form; if it is the text of an "
            "answer, call the field 'answer'."
        ) from None


class _ArraysToLists(ast.NodeTransformer):
    """Turns NumPy's `array(['a'], dtype=object)` into `['a']`, a literal: no code is run."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_array = isinstance(node.func, ast.Name) and node.func.id == "array"
        return node.args[0] if is_array and node.args else node


def first_place(context: str, text: str) -> tuple[int, int]:
    """Find an answer whose start the data does not give.

    Args:
        context: where to look.
        text: what to look for, not empty.

    Returns:
        The start of its first occurrence as a word of its own, or else as the beginning of a word
        (Korean particles follow without a space), or else of any; NOT_FOUND if there is none. And
        how often it occurs.
    """
    starts = list(_occurrences(context, text))
    if not starts:
        return NOT_FOUND, 0
    begins_word = [at for at in starts if not context[max(at - 1, 0) : at].isalnum()]
    ends = {at: at + len(text) for at in begins_word}
    whole_word = [at for at in begins_word if not context[ends[at] : ends[at] + 1].isalnum()]
    return (whole_word or begins_word or starts)[0], len(starts)


def _occurrences(context: str, text: str) -> Iterator[int]:
    at = context.find(text)
    while at >= 0:
        yield at
        at = context.find(text, at + 1)


def nearest_place(context: str, text: str, start: int) -> int:
    """The occurrence of `text` closest to `start`, the earlier of two, or NOT_FOUND."""
    if not text:
        return NOT_FOUND
    start = min(max(start, 0), len(context))
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    if NOT_FOUND in (before, after):
        return max(before, after)
    return before if start - before <= after - start else after


def misplaced_error(answer: GivenAnswer, context: str) -> InputError:
    """The error for an answer that does not stand where the data says."""
    advice = "correct it, or use --on-bad-answer repair or skip"
    text, start, where = answer
    if start is None:
        return InputError(f"{where}: {shorten(text)} does not stand in the context; {advice}.")
    first = max(start, 0)
    there = shorten(context[first : first + max(len(text), 1)])
    return InputError(
        f"{where}.answer_start: {start} holds {there} where the text is {shorten(text)}; {advice}."
    )
