"""Examples: questions on contexts, read from SQuAD-style JSON and checked once, here, at the border.

The form is that of SQuAD 1.1 and 2.0, and of what follows it: KorQuAD 1.0, KLUE-MRC, XQuAD, MLQA, SQuAD-it.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from mrc.config import InputError

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
    def is_labelled(self):
        return self.is_impossible or bool(self.answers)


class ExampleList(list):
    """A list of Example that knows where it came from.

    source: the file or corpus; version: what the file calls itself ("1.1", "KorQuAD_v1.0_dev"), or "".
    moved, not_found: descriptions of answers that were not at their answer_start, and of those found nowhere.
    """

    def __init__(self, examples=(), source="", version=""):
        super().__init__(examples)
        self.source, self.version = source, version
        self.moved, self.not_found = [], []

    def head(self, count):
        """The first `count` examples (all of them for None), as an ExampleList of the same source."""
        kept = ExampleList(self[:count], self.source, self.version)
        kept.moved, kept.not_found = self.moved, self.not_found
        return kept

    def trainable(self):
        """Those that can be trained on: with an answer that stands in the context, or marked as having none."""
        kept = self.head(0)
        kept += [e for e in self if e.is_impossible or any(answer.start != NOT_FOUND for answer in e.answers)]
        return kept

    def report(self):
        """A sentence on the answers that were not where the file said, or "" where all were."""
        parts = [f"{len(self.moved)} moved to their nearest occurrence"] if self.moved else []
        parts += [f"{len(self.not_found)} found nowhere"] if self.not_found else []
        found = f", first {(self.moved + self.not_found)[0]}" if parts else ""
        return f"{self.source}: answers not at their answer_start: {', '.join(parts)}{found}." if parts else ""


def load_examples(source, on_bad_answer="repair"):
    """Read SQuAD-style nested JSON.

    on_bad_answer: an answer that does not stand at its answer_start is moved to its nearest exact occurrence
    ("repair"), gets the start NOT_FOUND ("skip"; also what "repair" does if the context does not hold it), or raises
    ("error"). Answers with the start NOT_FOUND train nothing, yet their texts count in scores, as official scorers
    never look at answer_start. The id may be called `guid`; other keys are passed over.
    Returns an ExampleList. Raises InputError naming file, record and field.
    """
    path = Path(source)
    root = read_json(path)
    articles = _field(root, "data", list, str(path), hint=" SQuAD-style files hold {\"data\": [{\"paragraphs\": ...}]}.")
    examples = ExampleList(source=str(path), version=str(root.get("version", "")))
    seen = {}
    for a, article in enumerate(articles):
        where = f"{path}: data[{a}]"
        paragraphs = _field(article, "paragraphs", list, where)
        title = str(article.get("title", ""))
        for p, paragraph in enumerate(paragraphs):
            where = f"{path}: data[{a}].paragraphs[{p}]"
            context = _text(paragraph, "context", where)
            for q, record in enumerate(_field(paragraph, "qas", list, where)):
                where = f"{path}: data[{a}].paragraphs[{p}].qas[{q}]"
                example = _example(record, context, title, where, on_bad_answer, examples)
                if example.id in seen:
                    raise InputError(f"{where}.id: '{example.id}' is the id of {seen[example.id]} already; ids must differ.")
                seen[example.id] = where.split(": ", 1)[1]
                examples.append(example)
    return examples


def _example(record, context, title, where, on_bad_answer, examples):
    name = "guid" if isinstance(record, dict) and "id" not in record and "guid" in record else "id"
    example_id = _field(record, name, (str, int), where)
    question = _text(record, "question", where)
    is_impossible = _field(record, "is_impossible", bool, where) if "is_impossible" in record else None
    answers = []
    if record.get("answers") is not None and not is_impossible:
        hint = " SQuAD's form is [{\"text\": ..., \"answer_start\": ...}, ...]."
        for n, answer in enumerate(_field(record, "answers", list, where, hint)):
            answers.append(_answer(answer, context, f"{where}.answers[{n}]", on_bad_answer, examples))
        if not answers and is_impossible is None:
            is_impossible = True  # an empty list, and no word of is_impossible: SQuAD 2.0 as some tools write it
    return Example(str(example_id), question, context, tuple(answers), bool(is_impossible), title)


def _answer(record, context, where, on_bad_answer, examples):
    """Check one answer; what is not at its place is noted in the ExampleList `examples`."""
    text = _field(record, "text", str, where)
    start = _field(record, "answer_start", int, where)
    if text and start >= 0 and context.startswith(text, start):
        return Answer(text, start)
    place = f"{where} ({_shorten(text)} at {start})"
    if on_bad_answer == "error":
        there = context[max(start, 0) : max(start, 0) + max(len(text), 1)]
        raise InputError(f"{where}.answer_start: {start} holds {_shorten(there)} where the text is {_shorten(text)}; "
                         "correct it, or use --on-bad-answer repair or skip.")
    nearest = _nearest(context, text, start) if on_bad_answer == "repair" else NOT_FOUND
    (examples.not_found if nearest == NOT_FOUND else examples.moved).append(place.split(": ", 1)[1])
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


def _field(record, name, kind, where, hint=""):
    """`record[name]`, or an InputError if it is missing or not of the JSON type that `kind` stands for."""
    json_name = {list: "a list", str: "a string", int: "a whole number", bool: "true or false", (str, int): "a string or a whole number"}
    if not isinstance(record, dict):
        raise InputError(f"{where}: must be an object with the key '{name}', not {_kind_of(record)}.{hint}")
    if name not in record:
        raise InputError(f"{where}: the key '{name}' is missing.{hint}")
    value = record[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise InputError(f"{where}.{name}: must be {json_name[kind]}, not {_kind_of(value)}.{hint}")
    return value


def _text(record, name, where):
    text = _field(record, name, str, where)
    if not text.strip():
        raise InputError(f"{where}.{name}: is empty.")
    return text


def _kind_of(value):
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
    return names.get(type(value), "null")


def _shorten(text, width=40):
    return repr(text if len(text) <= width else text[: width - 1] + "…")


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
        if example.is_labelled:
            record["is_impossible"] = example.is_impossible
            record["answers"] = [{"text": answer.text, "answer_start": answer.start} for answer in example.answers]
        paragraphs[-1]["qas"].append(record)
    write_json(path, {"version": getattr(examples, "version", ""), "data": articles})


def read_json(path):
    """Parse a UTF-8 JSON file, with or without a byte-order mark. Raises InputError naming the file and the place."""
    path = Path(path)
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; convert the file to UTF-8.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: broken JSON at line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise InputError(f"{path}: broken JSON: nested too deeply.") from None


def write_json(path, value, indent=None):
    """Write JSON to `path` whole or not at all: to a file beside it that is then renamed. Raises InputError if it cannot."""
    path = Path(path)
    aside = path.with_name(path.name + ".tmp")
    try:
        # A lone surrogate has no UTF-8 form; backslashreplace writes it as the JSON escape that it came from.
        with open(aside, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(value, file, ensure_ascii=False, indent=indent)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
