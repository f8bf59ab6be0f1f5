"""Answer files: what any program has answered, in the usual forms, and where a run keeps them."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mrc.checkpoint.store import BEST, LAST
from mrc.commands.results import PREDICTIONS
from mrc.config.command_line import program
from mrc.data.examples import ExampleList
from mrc.data.formats import JSON, JSON_LINES, TABLES
from mrc.data.tables import check_cells, read_table
from mrc.errors import InputError, in_short
from mrc.files import is_json_lines, parse_json, read_json, read_text
from mrc.model.pretrained import WEIGHTS

# What a key or a column may be called, in lower case.
ID_NAMES = ("id", "guid", "qid", "question_id")
TEXT_NAMES = ("prediction_text", "answer", "prediction", "predicted", "text")
PROBABILITY = "no_answer_probability"

# One answer as it was found: its place in the file, and its fields under names in lower case.
Record = tuple[str, dict[str, Any]]


class GivenAnswers(NamedTuple):
    """What a file of answers holds.

    Attributes:
        texts: id -> answer.
        null_odds: id -> the probability that there is none, for the answers that come with it.
    """

    texts: dict[str, str]
    null_odds: dict[str, float]


def find_answer_file(path: str | Path) -> str:
    """The file of answers that a path means: itself, or that of a folder of results or a run's.

    Raises:
        InputError: a folder holds no predictions.json, or several.
    """
    folder = Path(path)
    if not folder.is_dir():
        return str(path)
    if (folder / PREDICTIONS).is_file():
        return str(folder / PREDICTIONS)
    if (folder / WEIGHTS).exists():
        # The results of a checkpoint lie beside it.
        found = sorted(folder.parent.glob(f"{folder.name}-on-*/{PREDICTIONS}"))
    else:
        found = sorted(folder.glob(f"*/{PREDICTIONS}"))
    if not found:
        # A run that has scored nothing yet may have no best checkpoint.
        has_best = not (folder / LAST).is_dir() or (folder / BEST).is_dir()
        checkpoint = folder if has_best else folder / LAST
        command = f"{program('evaluate')} --checkpoint {checkpoint} --data FILE"
        raise InputError(f"{path}: holds no {PREDICTIONS}; {command} writes one.")
    if len(found) > 1:
        names = ", ".join(str(file.parent) for file in found)
        raise InputError(f"{path}: was evaluated {len(found)} times; name one of {names}.")
    return str(found[0])


def read_answers(path: str) -> GivenAnswers:
    """Read answers: {id: text}, or records with an id and an answer, as JSON, JSON Lines or CSV.

    Raises:
        InputError: the file is something else; the message names the file and the place.
    """
    answers = _parsed(read_text(path), path)
    if not answers.texts:
        raise InputError(f"{path}: holds no answer.")
    return answers


def are_readable(columns: dict[str, str]) -> bool:
    """Whether `read_answers` finds the ids and the answers in a file with these columns.

    columns: what stands under each name.
    """
    found = {name.lower(): source for name, source in columns.items()}
    first_id = next((found[name] for name in ID_NAMES if name in found), None)
    first_text = next((found[name] for name in TEXT_NAMES if name in found), None)
    return (first_id, first_text) == ("id", "answer")


def read_null_odds(path: str) -> dict[str, float]:
    """Read {id: the probability that the question has no answer}. Raises InputError."""
    return _checked_values(read_json(path), path, "probability", (int, float), "a number")


def match_ids(
    path: str, texts: dict[str, str], examples: ExampleList
) -> tuple[list[str], list[str]]:
    """Compare the ids of answers with those of the data.

    Args:
        path: the file of the answers, for messages.
        texts: id -> answer.
        examples: the data.

    Returns:
        The labeled questions without an answer, and the answered ids that are not in the data.

    Raises:
        InputError: no question is labeled, or none of those that are has an answer.
    """
    labeled = [example.id for example in examples if example.is_labeled]
    if not labeled:
        raise InputError(f"{examples.source}: has no answers to score against.")
    missing = [identity for identity in labeled if identity not in texts]
    if len(missing) == len(labeled):
        ids = f"'{in_short(next(iter(texts)))}' and '{in_short(labeled[0])}'" if texts else "none"
        raise InputError(
            f"{path}: answers none of the questions of {examples.source}; do the ids belong "
            f"together? The first are {ids}."
        )
    known = {example.id for example in examples}
    return missing, [identity for identity in texts if identity not in known]


def _parsed(text: str, path: str) -> GivenAnswers:
    """The answers in a text; the name of the file tells the form, or else its first character."""
    suffix = Path(path.removesuffix(".gz")).suffix
    looks_like_json = text.lstrip()[:1] in ("{", "[", "")
    if suffix in TABLES or (suffix not in (JSON, *JSON_LINES) and not looks_like_json):
        return _from_records(_table_rows(text, path))
    if suffix in JSON_LINES or is_json_lines(text):
        return _from_records(_lines(text, path))
    root = parse_json(text, path)
    if isinstance(root, list):
        return _from_records(_items(root, path))
    return GivenAnswers(_checked_values(root, path, "answer", str, "a string"), {})


def _checked_values(
    root: Any, path: str, what: str, kind: type | tuple[type, ...], kind_name: str
) -> dict[str, Any]:
    """An object of question id -> value, whose values are of a kind."""
    if not isinstance(root, dict):
        raise InputError(f"{path}: must be an object of question id -> {what}.")
    for identity, value in root.items():
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(f"{path}: the value of '{in_short(identity)}' must be {kind_name}.")
    return root


def _lines(text: str, path: str) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path}: line {number}"
            yield where, _lower_keys(parse_json(line, path, number), where)


def _items(items: list[Any], path: str) -> Iterator[Record]:
    for number, item in enumerate(items):
        where = f"{path}: [{number}]"
        yield where, _lower_keys(item, where)


def _table_rows(text: str, path: str) -> Iterator[Record]:
    """The rows of CSV or TSV; of several answers to a question, as `rank` counts them, the best."""
    columns, rows = read_table(text, path)
    names = {column.strip().lower() for column in columns}
    if not names & set(ID_NAMES):
        first = in_short(text.lstrip().partition("\n")[0])
        raise InputError(
            f"{path}: is neither JSON nor a table of answers, which has a column "
            f"{' or '.join(ID_NAMES)}; it begins with '{first}'."
        )
    for where, row in rows:
        check_cells(row, where)
        record = _lower_keys(row, where)
        if record.get("rank", "1") == "1":
            yield where, record


def _lower_keys(item: Any, where: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise InputError(f"{where}: must be an object with an id and an answer.")
    return {str(name).strip().lower(): value for name, value in item.items()}


def _from_records(records: Iterable[Record]) -> GivenAnswers:
    """The answers of records, each id once."""
    answers = GivenAnswers({}, {})
    places: dict[str, str] = {}
    for where, record in records:
        identity = str(_value(record, ID_NAMES, (str, int), where))
        if identity in places:
            raise InputError(
                f"{where}: '{in_short(identity)}' is answered at {places[identity]} already."
            )
        places[identity] = where
        answers.texts[identity] = _value(record, TEXT_NAMES, (str,), where)
        if PROBABILITY in record:
            answers.null_odds[identity] = _probability(record, where)
    return answers


def _value(
    record: dict[str, Any], names: tuple[str, ...], kinds: tuple[type, ...], where: str
) -> Any:
    """The field of a record under the first of some names that it has."""
    for name in names:
        if name in record:
            value = record[name]
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise InputError(f"{where}: '{name}' must be a text.")
            return value
    found = in_short(", ".join(record))
    raise InputError(f"{where}: has none of the fields {', '.join(names)}; there is {found}.")


def _probability(record: dict[str, Any], where: str) -> float:
    """The probability that there is no answer; from a table it comes as a text."""
    value = record[PROBABILITY]
    try:
        probability = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        probability = math.nan
    if not math.isfinite(probability):
        raise InputError(f"{where}: '{PROBABILITY}' must be a number.")
    return probability
