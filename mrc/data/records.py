"""Records: questions as they were found, not yet checked, from any nesting of SQuAD's JSON."""

from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

from mrc.data.fields import field, text_field
from mrc.data.keys import ARTICLE_KEYS, PARAGRAPH_KEYS, ROOT_KEYS, unread_keys
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
        unread: the keys around it, of its paragraph, article and file, that nothing reads.
    """

    values: dict[str, Any]
    context: str
    title: str
    where: str
    version: str
    unread: tuple[str, ...]


class Around(NamedTuple):
    """What a question has from the file, the article and the paragraph that it stands in.

    Attributes:
        version: what the file calls itself, or "".
        title: the title of the article, or "".
        unread: the keys of all three that nothing reads.
    """

    version: str = ""
    title: str = ""
    unread: tuple[str, ...] = ()

    def within(self, values: dict[str, Any], read: Set[str]) -> "Around":
        """The same one level further in, where `read` are the keys of `values` that are read."""
        title = str(values.get("title") or "")
        unread = unread_keys(values, read)
        return Around(self.version, title or self.title, (*self.unread, *unread))


NOWHERE = Around()


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

    Raises:
        InputError: if it holds columns in place of records, or nothing of this kind.
    """
    if _is_data_frame(root):
        raise InputError(
            f"{name}: holds the columns of a pandas DataFrame; write it with "
            "to_json(orient='records')."
        )
    if isinstance(root, dict) and not ITEM_KEYS & root.keys():
        items = field(root, "data", list, name, hint=FORMS_HINT)
        around = Around(version=str(root.get("version", ""))).within(root, ROOT_KEYS)
        for n, item in enumerate(items):
            yield from item_records(item, f"{name}: data[{n}]", on_problem, around)
    elif isinstance(root, list):
        for n, item in enumerate(root):
            yield from item_records(item, f"{name}: [{n}]", on_problem)
    else:
        yield from item_records(root, name, on_problem)


def _is_data_frame(root: Any) -> bool:
    """Whether a file is what `DataFrame.to_json` writes unless told orient='records'."""
    if not isinstance(root, dict):
        return False
    is_split = root.keys() == {"columns", "index", "data"}
    # By columns, or with orient='index' by rows.
    columns = [root.get("context"), root.get("question")]
    is_by_column = all(isinstance(column, dict) for column in columns)
    is_by_row = "0" in root and isinstance(root["0"], dict)
    return is_split or is_by_column or is_by_row


def item_records(
    item: Any, where: str, on_problem: OnProblem, around: Around = NOWHERE
) -> Iterator[Record]:
    """Yield the records of an article, a paragraph or a question, told apart by their keys."""
    yield from guarded(_walk(item, where, on_problem, around), on_problem)


def _walk(item: Any, where: str, on_problem: OnProblem, around: Around) -> Iterator[Record]:
    keys = item.keys() if isinstance(item, dict) else set()
    if "paragraphs" in keys:
        around = around.within(item, ARTICLE_KEYS)
        for n, paragraph in enumerate(field(item, "paragraphs", list, where)):
            records = _paragraph_records(paragraph, f"{where}.paragraphs[{n}]", around)
            yield from guarded(records, on_problem)
    elif "qas" in keys:
        yield from _paragraph_records(item, where, around)
    elif {"context", "question"} & keys:
        context = text_field(item, "context", where)
        title = str(item.get("title") or "")
        yield Record(item, context, title, where, around.version, around.unread)
    else:
        # Raises, and says which forms there are.
        field(item, "context", str, where, hint=FORMS_HINT)


def _paragraph_records(paragraph: Any, where: str, around: Around) -> Iterator[Record]:
    context = text_field(paragraph, "context", where)
    around = around.within(paragraph, PARAGRAPH_KEYS)
    for n, values in enumerate(field(paragraph, "qas", list, where)):
        place = f"{where}.qas[{n}]"
        yield Record(values, context, around.title, place, around.version, around.unread)
