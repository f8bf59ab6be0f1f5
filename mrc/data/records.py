"""Records: questions as they were found, not yet checked, from any nesting of SQuAD's JSON."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mrc.data.fields import field, text_field
from mrc.errors import InputError

FORMS_HINT = (
    ' Records hold "id", "question", "context" and "answers", in a list, in lines of their own, '
    'or nested as in SQuAD: {"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}.'
)

# The keys that tell an article, a paragraph or a question from {"data": [...]}.
ITEM_KEYS = {"paragraphs", "qas", "context", "question"}

# Takes the error of a record that cannot be read. It raises it, or notes it and returns.
OnProblem = Callable[[InputError], None]


class Record(NamedTuple):
    """One question as it was found.

    Attributes:
        values: the question's own fields, unchecked.
        context: the text that it asks about.
        title: the title of its article, or "".
        where: file and place, for errors.
        version: what the file calls itself, or "".
    """

    values: dict[str, Any]
    context: str
    title: str
    where: str
    version: str


def raise_problem(error: InputError) -> None:
    """Stop at the first record that cannot be read: the usual `OnProblem`."""
    raise error


def guarded(records: Iterator[Record], on_problem: OnProblem) -> Iterator[Record]:
    """Yield some records, and hand the InputError that ends them, if one does, to `on_problem`."""
    try:
        yield from records
    except InputError as error:
        on_problem(error)


def json_records(root: Any, name: str, on_problem: OnProblem) -> Iterator[Record]:
    """Yield the records of a whole JSON file.

    Args:
        root: {"data": [...]}, a list, or one article, paragraph or question.
        name: the file, for errors.
        on_problem: takes the errors of single records.
    """
    if isinstance(root, dict) and not ITEM_KEYS & root.keys():
        version = str(root.get("version", ""))
        items = field(root, "data", list, name, hint=FORMS_HINT)
        for n, item in enumerate(items):
            yield from item_records(item, f"{name}: data[{n}]", on_problem, version=version)
    elif isinstance(root, list):
        for n, item in enumerate(root):
            yield from item_records(item, f"{name}: [{n}]", on_problem)
    else:
        yield from item_records(root, name, on_problem)


def item_records(
    item: Any, where: str, on_problem: OnProblem, *, version: str = ""
) -> Iterator[Record]:
    """Yield the records of an article, a paragraph or a question, told apart by their keys."""
    yield from guarded(_walk(item, where, on_problem, version), on_problem)


def _walk(item: Any, where: str, on_problem: OnProblem, version: str) -> Iterator[Record]:
    title = ""
    if isinstance(item, dict):
        title = str(item.get("title") or "")
        if "paragraphs" in item:
            for n, paragraph in enumerate(field(item, "paragraphs", list, where)):
                place = f"{where}.paragraphs[{n}]"
                records = _paragraph_records(paragraph, place, version, title)
                yield from guarded(records, on_problem)
            return
        if "qas" in item:
            yield from _paragraph_records(item, where, version, title)
            return
    if not isinstance(item, dict) or not {"context", "question"} & item.keys():
        # Raises, and says which forms there are.
        field(item, "context", str, where, hint=FORMS_HINT)
    yield Record(item, text_field(item, "context", where), title, where, version)


def _paragraph_records(paragraph: Any, where: str, version: str, title: str) -> Iterator[Record]:
    context = text_field(paragraph, "context", where)
    for n, values in enumerate(field(paragraph, "qas", list, where)):
        yield Record(values, context, title, f"{where}.qas[{n}]", version)
