"""Examples: questions on contexts, checked once, here, where data enters the program."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from mrc.data.answers import (
    GivenAnswer,
    answer_field,
    first_place,
    given_answers,
    has_text,
    misplaced_error,
    nearest_place,
)
from mrc.data.display import example_html, example_line, examples_html, examples_line
from mrc.data.fields import field, text_field
from mrc.data.findings import NOT_FOUND, BadAnswer, Findings
from mrc.data.formats import read_records
from mrc.data.ids import MadeIds, given_id
from mrc.data.keys import ANSWER_FIELDS, QUESTION_KEYS, unread_keys
from mrc.data.memory import count_records, is_in_memory
from mrc.data.records import OnProblem, Record, raise_problem
from mrc.errors import InputError
from mrc.files import shown_path

# The keys that are read of a question, by the field that holds its answers.
READ_WITH: dict[str | None, frozenset[str]] = {None: QUESTION_KEYS}
READ_WITH.update({name: QUESTION_KEYS | {name, start} for name, start in ANSWER_FIELDS.items()})


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

    def as_record(self) -> dict[str, Any]:
        """The example as a dict that a data file may hold."""
        record: dict[str, Any] = {
            "id": self.id,
            "title": self.title,
            "context": self.context,
            "question": self.question,
        }
        if self.is_labeled:
            record["is_impossible"] = self.is_impossible
            record["answers"] = [
                {"text": answer.text, "answer_start": answer.start} for answer in self.answers
            ]
        return record

    @property
    def is_labeled(self) -> bool:
        """Whether the right answer is known, be it that there is none."""
        return self.is_impossible or bool(self.answers)

    @property
    def is_trainable(self) -> bool:
        """Whether an answer stands in the context, or the question is known to have none."""
        return self.is_impossible or any(answer.start != NOT_FOUND for answer in self.answers)


class ExampleList(list[Example]):
    """A list of examples that knows where they come from.

    Attributes:
        source: the file, the hub data set or the corpus.
        version: what the data calls itself ("1.1", "KorQuAD_v1.0_dev"), or "".
        findings: what was odd about it when it was read.
    """

    def __init__(
        self, examples: Iterable[Example] = (), source: str = "", version: str = ""
    ) -> None:
        super().__init__(examples)
        self.source = source
        self.version = version
        self.findings = Findings()

    def __repr__(self) -> str:
        return examples_line(self, self.source)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return examples_html(self, self.source)

    @property
    def bad_answers(self) -> list[BadAnswer]:
        """The answers that are not where the data says."""
        return self.findings.bad_answers

    def kept(self, examples: Iterable[Example]) -> "ExampleList":
        """An ExampleList of the same source that holds `examples`, some of these."""
        kept = ExampleList(examples, self.source, self.version)
        kept.findings = self.findings
        return kept

    def head(self, count: SupportsIndex | None) -> "ExampleList":
        """The first `count` examples, or all for None."""
        return self.kept(self[:count])

    def trainable(self) -> "ExampleList":
        """The examples that can be trained on."""
        return self.kept(example for example in self if example.is_trainable)

    def notes(self) -> list[str]:
        """Sentences on what was odd about the data, but for its bad answers."""
        return self.findings.sentences(self.source)

    def report(self) -> str:
        """What a user should know of the data, a sentence a line, or "" if there is nothing."""
        bad_answers = self.findings.about_bad_answers(self.source)
        return "\n".join([*self.notes(), bad_answers] if bad_answers else self.notes())


def read_examples(
    source: Any,
    *,
    on_bad_answer: str = "repair",
    split: str | None = None,
    usual_split: str = "train",
    name: str = "",
    on_problem: OnProblem = raise_problem,
) -> ExampleList:
    """Read and check a data set from anywhere but the built-in corpus; see `load_examples`."""
    records = read_records(
        _plain_records(source),
        split=split,
        usual_split=usual_split,
        name=name,
        on_problem=on_problem,
    )
    examples = _empty_list(source)
    known = {(bad.id, bad.text) for bad in examples.bad_answers}
    maker = _ExampleMaker(examples, on_bad_answer)
    for record in records:
        try:
            maker.add(record)
        except InputError as error:
            on_problem(error)
    # Those of an ExampleList have been noted when it was read.
    fresh = [bad for bad in maker.bad_answers if (bad.id, bad.text) not in known]
    examples.findings.bad_answers = examples.bad_answers + fresh
    return examples


def _empty_list(source: Any) -> ExampleList:
    """An ExampleList that holds nothing yet, of the name of a data source."""
    if isinstance(source, ExampleList) and source.source:
        kept = source.kept(())
        kept.findings = replace(source.findings)
        return kept
    if is_in_memory(source):
        return ExampleList(source=count_records(source))
    return ExampleList(source=shown_path(source))


def _plain_records(source: Any) -> Any:
    """A list of Examples as a list of dicts; any other source as it is."""
    if not isinstance(source, (list, tuple)):
        return source
    return [item.as_record() if isinstance(item, Example) else item for item in source]


class _ExampleMaker:
    """Makes Examples of Records, and counts what is odd about them.

    Args:
        examples: takes the Examples and what was found.
        on_bad_answer: as for `load_examples`.
    """

    def __init__(self, examples: ExampleList, on_bad_answer: str) -> None:
        self.examples = examples
        self.findings = examples.findings
        self.on_bad_answer = on_bad_answer
        self.bad_answers: list[BadAnswer] = []
        # The place of each id in the list, and the place of each Example in the data.
        self.positions: dict[str, int] = {}
        self.places: list[str] = []
        self.ids = MadeIds()
        # Each context and itself, so that flat records on one context share one string.
        self.contexts: dict[str, str] = {}

    def add(self, record: Record) -> None:
        """Add the Example of a record to the list. Raises InputError if it cannot be used."""
        values = record.values
        where = record.where
        question = text_field(values, "question", where)
        context = self.contexts.setdefault(record.context, record.context)
        example_id = given_id(values, where)
        if not example_id:
            example_id = self.ids.make(question, context)
            self.findings.made_ids += 1
        is_impossible = None
        if values.get("is_impossible") is not None:
            is_impossible = field(values, "is_impossible", bool, where)
        name = answer_field(values)
        answers: tuple[Answer, ...] = ()
        if name is None:
            self._note_no_answer(record)
        elif is_impossible:
            self._note_impossible(record, name)
        else:
            given = given_answers(values, name, where, self.findings.unused)
            answers = self._answers(given, context, example_id)
            # Some tools write SQuAD 2.0 without is_impossible, and an empty list alone.
            if not given and is_impossible is None:
                is_impossible = True
        example = Example(example_id, question, context, answers, bool(is_impossible), record.title)
        if record.unread or not values.keys() <= READ_WITH[name]:
            self._note_keys(record, name)
        self._put(example, where)
        self.examples.version = self.examples.version or record.version

    def _put(self, example: Example, where: str) -> None:
        """Add an Example to the list, or its answers to the one that has its id."""
        position = self.positions.setdefault(example.id, len(self.examples))
        if position == len(self.examples):
            self.examples.append(example)
            self.places.append(where)
            return
        first, place = self.examples[position], self.places[position]
        if (first.question, first.context) != (example.question, example.context):
            raise InputError(
                f"{where}.id: '{example.id}' is the id of {place} already, which is another "
                "question; ids must differ."
            )
        if (first.is_impossible and example.answers) or (example.is_impossible and first.answers):
            raise InputError(
                f"{where}: has the id '{example.id}' of {place}; one of the two has an answer, "
                "the other is marked as having none."
            )
        self.examples[position] = replace(
            first,
            answers=tuple(dict.fromkeys(first.answers + example.answers)),
            is_impossible=first.is_impossible or example.is_impossible,
        )
        self.findings.repeated += 1

    def _note_no_answer(self, record: Record) -> None:
        """Note the keys of the first question that has no field for answers."""
        if not self.findings.keys_without_answer:
            self.findings.keys_without_answer = tuple(map(str, record.values))

    def _note_impossible(self, record: Record, name: str) -> None:
        """Count a question that is marked as having no answer and has one."""
        # The hub's KLUE has its plausible answers there.
        if "klue" not in record.version.lower():
            self.findings.on_impossible += has_text(record.values[name])

    def _note_keys(self, record: Record, name: str | None) -> None:
        """Note the keys that nothing reads, of a record and of what it stands in."""
        self.findings.unused.note(record.unread, record.where)
        unread = unread_keys(record.values, READ_WITH[name])
        possible = set(QUESTION_KEYS)
        if name is None:
            possible |= ANSWER_FIELDS.keys() - {"text"}
        elif isinstance(record.values[name], (str, int)):
            possible.add(ANSWER_FIELDS[name])
        self.findings.unused.note(unread, record.where, possible - record.values.keys())

    def _answers(
        self, given: list[GivenAnswer], context: str, example_id: str
    ) -> tuple[Answer, ...]:
        """The answers of a question, each at its place in the context."""
        answers = []
        for answer in given:
            text, start, _ = answer
            if start is None:
                text = text.strip()
                if not text:
                    self.findings.empty += 1
                    continue
                start = self._locate(text, context)
            if text and start >= 0 and context.startswith(text, start):
                answers.append(Answer(text, start))
            else:
                answers.append(self._misplaced(answer, context, example_id))
        return tuple(answers)

    def _locate(self, text: str, context: str) -> int:
        """Find an answer whose start the data does not give; NOT_FOUND if it is nowhere."""
        start, occurrences = first_place(context, text)
        self.findings.located += occurrences > 0
        self.findings.ambiguous += occurrences > 1
        return start

    def _misplaced(self, answer: GivenAnswer, context: str, example_id: str) -> Answer:
        """An answer that does not stand where the data says: moved, or noted as not found."""
        text, start, where = answer
        if self.on_bad_answer == "error":
            raise misplaced_error(answer, context)
        nearest = NOT_FOUND
        if self.on_bad_answer == "repair" and start is not None:
            nearest = nearest_place(context, text, start)
        self.bad_answers.append(BadAnswer(where, example_id, text, start, nearest))
        return Answer(text, nearest)
