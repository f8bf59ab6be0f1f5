"""Examples: questions on contexts, checked once, here, where data enters the program."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, SupportsIndex

from mrc.data.display import example_html, example_line, examples_html, examples_line
from mrc.data.fields import field, json_name, shorten, text_field
from mrc.data.formats import read_records
from mrc.data.memory import count_records, is_in_memory
from mrc.data.records import OnProblem, Record, raise_problem
from mrc.errors import InputError
from mrc.files import STDIN, write_json

# The start of an answer that does not stand in its context.
NOT_FOUND = -1

ANSWERS_HINT = (
    ' Answers are [{"text": ..., "answer_start": ...}, ...] or {"text": [...], '
    '"answer_start": [...]}.'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        text: its text.
        start: the character of the context at which it begins, or NOT_FOUND.
    """

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Example:
    """One question on one context.

    An example without answers that is not `is_impossible` is unlabeled, as in a test split.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    is_impossible: bool = False
    title: str = ""

    def __repr__(self) -> str:
        return example_line(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return example_html(self)

    @property
    def is_labeled(self) -> bool:
        """Whether the right answer is known, be it that there is none."""
        return self.is_impossible or bool(self.answers)

    @property
    def is_trainable(self) -> bool:
        """Whether an answer stands in the context, or the question is known to have none."""
        return self.is_impossible or any(answer.start != NOT_FOUND for answer in self.answers)


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer that is not at its answer_start.

    Attributes:
        where: its place in the data.
        id: the id of its question.
        text: its text.
        answer_start: the start that the data gives.
        moved_to: the start that it was given instead, or NOT_FOUND.
    """

    where: str
    id: str
    text: str
    answer_start: int
    moved_to: int


class ExampleList(list[Example]):
    """A list of examples that knows where they come from.

    Attributes:
        source: the file, the hub data set or the corpus.
        version: what the data calls itself ("1.1", "KorQuAD_v1.0_dev"), or "".
        bad_answers: the BadAnswers found when it was read.
    """

    def __init__(
        self, examples: Iterable[Example] = (), source: str = "", version: str = ""
    ) -> None:
        super().__init__(examples)
        self.source = source
        self.version = version
        self.bad_answers: list[BadAnswer] = []

    def __repr__(self) -> str:
        return examples_line(self, self.source)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return examples_html(self, self.source)

    def kept(self, examples: Iterable[Example]) -> "ExampleList":
        """An ExampleList of the same source that holds `examples`, some of these."""
        kept = ExampleList(examples, self.source, self.version)
        kept.bad_answers = self.bad_answers
        return kept

    def head(self, count: SupportsIndex | None) -> "ExampleList":
        """The first `count` examples, or all for None."""
        return self.kept(self[:count])

    def trainable(self) -> "ExampleList":
        """The examples that can be trained on."""
        return self.kept(example for example in self if example.is_trainable)

    def report(self) -> str:
        """A sentence about the answers that are not at their answer_start, or "" if all are."""
        if not self.bad_answers:
            return ""
        lost = sum(bad.moved_to == NOT_FOUND for bad in self.bad_answers)
        moved = len(self.bad_answers) - lost
        counts = []
        if moved:
            counts.append(f"{moved} moved to their nearest occurrence")
        if lost:
            counts.append(f"{lost} found nowhere")
        first = self.bad_answers[0]
        return (
            f"{self.source}: answers not at their answer_start: {', '.join(counts)}; "
            f"first {first.where} ({shorten(first.text)} at {first.answer_start})."
        )


def load_examples(
    source: Any,
    *,
    on_bad_answer: str = "repair",
    split: str | None = None,
    usual_split: str = "train",
    name: str = "",
    on_problem: OnProblem = raise_problem,
) -> ExampleList:
    """Read and check a data set.

    Args:
        source: a path, a glob, a hub id, or "-" for standard input, as `formats.read_records`
            takes it; or the data itself: a list of dicts as a JSON file would hold them, a list
            of Examples, a `datasets.Dataset` or a pandas DataFrame.
        on_bad_answer: what to do with an answer that is not at its answer_start. "repair" moves
            it to its nearest exact occurrence. "skip" gives it the start NOT_FOUND, as "repair"
            does if it is nowhere: it is not trained on, but its text counts in scores, because
            official scorers never look at answer_start. "error" raises.
        split: the split to read of a data set that has several, or a slice of it.
        usual_split: what `split` is if it is not given.
        name: what errors call data in memory, such as "train_file".
        on_problem: takes the error of each record that is refused; by default it is raised.

    Raises:
        InputError: naming file, record and field.
    """
    records = read_records(
        _plain_records(source),
        split=split,
        usual_split=usual_split,
        name=name,
        on_problem=on_problem,
    )
    examples = _empty_list(source)
    _check_all(records, examples, on_bad_answer, on_problem)
    return examples


def _check_all(
    records: Iterable[Record], examples: ExampleList, on_bad_answer: str, on_problem: OnProblem
) -> None:
    """Add the examples that records make, and the answers that are not at their place."""
    checker = _Checker(on_bad_answer)
    for record in records:
        try:
            example = checker.check(record)
        except InputError as error:
            on_problem(error)
            continue
        examples.append(example)
        examples.version = examples.version or record.version
    # Those of an ExampleList have been noted when it was read.
    known = {(bad.id, bad.text) for bad in examples.bad_answers}
    examples.bad_answers += [bad for bad in checker.bad if (bad.id, bad.text) not in known]


def _empty_list(source: Any) -> ExampleList:
    """An ExampleList that holds nothing yet, of the name of a data source."""
    if isinstance(source, ExampleList) and source.source:
        kept = source.kept(())
        kept.bad_answers = list(source.bad_answers)
        return kept
    if is_in_memory(source):
        return ExampleList(source=count_records(source))
    return ExampleList(source="standard input" if str(source) == STDIN else str(source))


def _plain_records(source: Any) -> Any:
    """A list of Examples as a list of dicts; any other source as it is."""
    if not isinstance(source, (list, tuple)):
        return source
    return [_as_dict(item) if isinstance(item, Example) else item for item in source]


class _Checker:
    """Makes Examples of Records, and notes the answers that are not at their place."""

    def __init__(self, on_bad_answer: str) -> None:
        self.on_bad_answer = on_bad_answer
        self.bad: list[BadAnswer] = []
        # The place of each id.
        self.places: dict[str, str] = {}
        # Each context and itself, so that flat records on one context share one string.
        self.contexts: dict[str, str] = {}

    def check(self, record: Record) -> Example:
        """Make an Example of a record. Raises InputError if it cannot be used."""
        values = record.values
        where = record.where
        example_id = _id(values, where)
        question = text_field(values, "question", where)
        context = self.contexts.setdefault(record.context, record.context)
        is_impossible = None
        if values.get("is_impossible") is not None:
            is_impossible = field(values, "is_impossible", bool, where)
        answers = []
        if values.get("answers") is not None and not is_impossible:
            given = _answer_list(values["answers"], f"{where}.answers")
            for n, answer in enumerate(given):
                place = f"{where}.answers[{n}]"
                answers.append(self._answer(answer, context, place, example_id))
            # Some tools write SQuAD 2.0 without is_impossible, and an empty list alone.
            if not given and is_impossible is None:
                is_impossible = True
        self._claim_id(example_id, where)
        return Example(
            example_id, question, context, tuple(answers), bool(is_impossible), record.title
        )

    def _claim_id(self, example_id: str, where: str) -> None:
        if example_id in self.places:
            taken = self.places[example_id]
            raise InputError(
                f"{where}.id: '{example_id}' is the id of {taken} already; ids must differ."
            )
        self.places[example_id] = where

    def _answer(self, record: Any, context: str, where: str, example_id: str) -> Answer:
        """Check one answer, and move or note it if it is not at its place."""
        text = field(record, "text", str, where)
        start = field(record, "answer_start", int, where)
        if text and start >= 0 and context.startswith(text, start):
            return Answer(text, start)
        if self.on_bad_answer == "error":
            first = max(start, 0)
            there = context[first : first + max(len(text), 1)]
            raise InputError(
                f"{where}.answer_start: {start} holds {shorten(there)} where the text is "
                f"{shorten(text)}; correct it, or use --on-bad-answer repair or skip."
            )
        nearest = NOT_FOUND
        if self.on_bad_answer == "repair":
            nearest = _nearest(context, text, start)
        self.bad.append(BadAnswer(where, example_id, text, start, nearest))
        return Answer(text, nearest)


def _id(values: Any, where: str) -> str:
    """The id of a record, under the name `id` or `guid`."""
    has_guid = isinstance(values, dict) and "id" not in values and "guid" in values
    return str(field(values, "guid" if has_guid else "id", (str, int), where))


def _answer_list(answers: Any, where: str) -> list[Any]:
    """[{text, answer_start}, ...] of this form or of {text: [...], answer_start: [...]}.

    The second is how `datasets` stores it.
    """
    if isinstance(answers, list):
        return answers
    if not isinstance(answers, dict):
        found = json_name(answers)
        raise InputError(f"{where}: must be a list or an object, not {found}.{ANSWERS_HINT}")
    texts = field(answers, "text", list, where, hint=ANSWERS_HINT)
    starts = field(answers, "answer_start", list, where, hint=ANSWERS_HINT)
    if len(texts) != len(starts):
        raise InputError(
            f"{where}: has {len(texts)} texts and {len(starts)} values of answer_start."
        )
    pairs = zip(texts, starts, strict=True)
    return [{"text": text, "answer_start": start} for text, start in pairs]


def _nearest(context: str, text: str, start: int) -> int:
    """The occurrence of `text` closest to `start`, the earlier of two, or NOT_FOUND."""
    if not text:
        return NOT_FOUND
    start = min(max(start, 0), len(context))
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    if NOT_FOUND in (before, after):
        return max(before, after)
    return before if start - before <= after - start else after


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
            paragraphs.append({"context": context, "qas": [_own_fields(e) for e in of_context]})
        yield {"title": title, "paragraphs": paragraphs}


def _as_dict(example: Example) -> dict[str, Any]:
    """An example as a flat record."""
    return {"title": example.title, "context": example.context, **_own_fields(example)}


def _own_fields(example: Example) -> dict[str, Any]:
    """An example as a record of SQuAD, without title and context."""
    record: dict[str, Any] = {"id": example.id, "question": example.question}
    if example.is_labeled:
        record["is_impossible"] = example.is_impossible
        record["answers"] = [
            {"text": answer.text, "answer_start": answer.start} for answer in example.answers
        ]
    return record
