"""Examples: questions on contexts, checked once, here, at the border."""

from dataclasses import dataclass

from mrc.data.formats import field, json_name, read_records, shorten, text_field
from mrc.errors import InputError
from mrc.files import STDIN, write_json

NOT_FOUND = -1  # the start of an answer that does not stand in its context


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's text and the character of its context where it begins (NOT_FOUND if it stands nowhere)."""

    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Example:
    """One question. No answers and not `is_impossible` means unlabelled: a test split."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    is_impossible: bool = False
    title: str = ""

    @property
    def is_labeled(self):
        return self.is_impossible or bool(self.answers)


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer that was not at its answer_start: where it was found in the data, and the start it was given (or NOT_FOUND)."""

    where: str
    id: str
    text: str
    answer_start: int
    moved_to: int


class ExampleList(list):
    """A list of Example that knows where it came from.

    source: the file or corpus; version: what the file calls itself ("1.1", "KorQuAD_v1.0_dev"), or ""; bad_answers: the
    BadAnswers met in reading it.
    """

    def __init__(self, examples=(), source="", version=""):
        super().__init__(examples)
        self.source, self.version, self.bad_answers = source, version, []

    def kept(self, examples):
        """An ExampleList of the same source that holds `examples`, some of these."""
        kept = ExampleList(examples, self.source, self.version)
        kept.bad_answers = self.bad_answers
        return kept

    def head(self, count):
        """The first `count` examples, all of them for None."""
        return self.kept(self[:count])

    def trainable(self):
        """Those that can be trained on: with an answer that stands in the context, or marked as having none."""
        return self.kept(
            e
            for e in self
            if e.is_impossible or any(answer.start != NOT_FOUND for answer in e.answers)
        )

    def report(self):
        """A sentence on the answers that were not where the data said, or "" where all were."""
        if not self.bad_answers:
            return ""
        lost = sum(bad.moved_to == NOT_FOUND for bad in self.bad_answers)
        parts = [f"{len(self.bad_answers) - lost} moved to their nearest occurrence"] * (
            lost < len(self.bad_answers)
        )
        parts += [f"{lost} found nowhere"] * (lost > 0)
        first = self.bad_answers[0]
        return (
            f"{self.source}: answers not at their answer_start: {', '.join(parts)}; first {first.where} "
            f"({shorten(first.text)} at {first.answer_start})."
        )


def load_examples(source, on_bad_answer="repair", split=None, usual_split="train", problems=None):
    """Read and check a data set.

    source, split, usual_split: as for `formats.read_records`.
    on_bad_answer: an answer that does not stand at its answer_start is moved to its nearest exact occurrence
    ("repair"), gets the start NOT_FOUND ("skip"; also what "repair" does if the context does not hold it), or raises
    ("error"). Answers with the start NOT_FOUND train nothing, yet their texts count in scores, as official scorers
    never look at answer_start. The id may be called `guid`; keys that are not needed are passed over.
    problems: a list that takes a sentence for each record that is refused, in place of an error at the first.
    Returns an ExampleList. Raises InputError naming file, record and field.
    """
    examples = ExampleList(source="standard input" if str(source) == STDIN else str(source))
    seen, contexts = (
        {},
        {},
    )  # id -> where; context -> itself, so that equal contexts of flat records are one string
    for record in read_records(source, split, usual_split):
        try:
            if isinstance(record, InputError):
                raise record
            example = _example(
                record,
                contexts.setdefault(record.context, record.context),
                on_bad_answer,
                examples.bad_answers,
            )
            if example.id in seen:
                raise InputError(
                    f"{record.where}.id: '{example.id}' is the id of {seen[example.id]} already; ids must differ."
                )
        except InputError as error:
            if problems is None:
                raise
            problems.append(str(error))
            continue
        seen[example.id] = record.where
        examples.append(example)
        examples.version = examples.version or record.version
    return examples


def _example(record, context, on_bad_answer, bad_answers):
    """Check one record; answers that are not at their place are added to `bad_answers`."""
    values, where = record.values, record.where
    name = "guid" if isinstance(values, dict) and "id" not in values and "guid" in values else "id"
    example_id = str(field(values, name, (str, int), where))
    question = text_field(values, "question", where)
    is_impossible = (
        field(values, "is_impossible", bool, where)
        if values.get("is_impossible") is not None
        else None
    )
    answers = []
    if values.get("answers") is not None and not is_impossible:
        given = _answer_list(values["answers"], f"{where}.answers")
        for n, answer in enumerate(given):
            answers.append(
                _answer(
                    answer, context, f"{where}.answers[{n}]", on_bad_answer, bad_answers, example_id
                )
            )
        if not given and is_impossible is None:
            is_impossible = True  # an empty list, and no word of is_impossible: SQuAD 2.0 as some tools write it
    return Example(example_id, question, context, tuple(answers), bool(is_impossible), record.title)


def _answer_list(answers, where):
    """[{text, answer_start}, ...], given in this form or as {text: [...], answer_start: [...]}, as `datasets` stores it."""
    if isinstance(answers, list):
        return answers
    hint = ' Answers are [{"text": ..., "answer_start": ...}, ...] or {"text": [...], "answer_start": [...]}.'
    if not isinstance(answers, dict):
        raise InputError(f"{where}: must be a list or an object, not {json_name(answers)}.{hint}")
    texts, starts = (field(answers, name, list, where, hint) for name in ("text", "answer_start"))
    if len(texts) != len(starts):
        raise InputError(
            f"{where}: has {len(texts)} texts and {len(starts)} values of answer_start."
        )
    return [{"text": text, "answer_start": start} for text, start in zip(texts, starts)]


def _answer(record, context, where, on_bad_answer, bad_answers, example_id):
    """Check one answer; one that is not at its place is added to `bad_answers`."""
    text = field(record, "text", str, where)
    start = field(record, "answer_start", int, where)
    if text and start >= 0 and context.startswith(text, start):
        return Answer(text, start)
    if on_bad_answer == "error":
        there = context[max(start, 0) : max(start, 0) + max(len(text), 1)]
        raise InputError(
            f"{where}.answer_start: {start} holds {shorten(there)} where the text is {shorten(text)}; "
            "correct it, or use --on-bad-answer repair or skip."
        )
    nearest = _nearest(context, text, start) if on_bad_answer == "repair" else NOT_FOUND
    bad_answers.append(BadAnswer(where, example_id, text, start, nearest))
    return Answer(text, nearest)


def _nearest(context, text, start):
    """The occurrence of `text` in `context` closest to `start`, the earlier of two; NOT_FOUND if there is none."""
    if not text:
        return NOT_FOUND
    start = min(max(start, 0), len(context))
    before, after = context.rfind(text, 0, start + len(text)), context.find(text, start)
    if NOT_FOUND in (before, after):
        return max(before, after)
    return before if start - before <= after - start else after


def write_squad(examples, path):
    """Write examples as SQuAD JSON, those that follow each other on one context or one title together."""
    articles = []
    for example in examples:
        if not articles or articles[-1]["title"] != example.title:
            articles.append({"title": example.title, "paragraphs": []})
        paragraphs = articles[-1]["paragraphs"]
        if not paragraphs or paragraphs[-1]["context"] != example.context:
            paragraphs.append({"context": example.context, "qas": []})
        record = {"id": example.id, "question": example.question}
        if example.is_labeled:
            record["is_impossible"] = example.is_impossible
            record["answers"] = [
                {"text": answer.text, "answer_start": answer.start} for answer in example.answers
            ]
        paragraphs[-1]["qas"].append(record)
    write_json(path, {"version": getattr(examples, "version", ""), "data": articles})
