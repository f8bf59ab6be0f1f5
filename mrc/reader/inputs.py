"""Inputs: the forms in which a caller may give a Reader its questions and contexts."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from mrc.errors import InputError
from mrc.wording import counted

Pair = tuple[Any, Any]

# Categories of Unicode that tokenizers take away: control codes, and signs without a form.
INVISIBLE = ("Cc", "Cf")


def question_context_pairs(
    inputs: Any, question: Any = None, context: Any = None
) -> tuple[list[Pair], bool]:
    """Bring what a caller gave into one form.

    Args:
        inputs: a dict (or an object) with "question" and "context", an iterable of such, or None;
            with a context beside it, the question.
        question: a string or an iterable of strings, if `inputs` is None.
        context: the same; one string goes with every entry of the other's list.

    Returns:
        The (question, context) pairs, and whether it was one by itself and not a list.

    Raises:
        InputError: it has none of these forms.
    """
    if inputs is None:
        return _pairs_of_parts(question, context)
    is_question = isinstance(inputs, str) or (_is_list(inputs) and not _has_parts(inputs))
    if is_question and question is None and context is not None:
        return _pairs_of_parts(inputs, context)
    if question is not None or context is not None:
        raise InputError("give either inputs, or question and context.")
    if isinstance(inputs, str):
        raise InputError(
            "the context is missing: give reader(question, context), or both by name: "
            "reader(question=..., context=...)."
        )
    if _has_parts(inputs):
        return _pairs_of_parts(*_parts(inputs, "the entry"))
    if not isinstance(inputs, Iterable):
        raise InputError(
            f"inputs is a {type(inputs).__name__}; give a dict with 'question' and 'context', "
            "or a list of such dicts."
        )
    return [_parts(entry, f"entry {number}") for number, entry in enumerate(inputs)], False


def passage_list(contexts: Any) -> list[Any]:
    """The contexts of `Reader.read` as a list. Raises InputError for anything but a list."""
    if isinstance(contexts, str):
        raise InputError("contexts must be a list of strings, not one string.")
    if not _is_list(contexts):
        raise InputError(f"contexts must be a list of strings, not {type(contexts).__name__}.")
    return list(contexts)


def problem_of(question: Any, context: Any) -> str:
    """What keeps a pair from being asked about, as a sentence, or ""."""
    for name, text in (("question", question), ("context", context)):
        if text is None:
            return f"the {name} is missing."
        if not isinstance(text, str):
            return f"the {name} must be a string, not {type(text).__name__}."
        if is_blank(text):
            return f"the {name} is empty."
    return ""


def is_blank(text: str) -> bool:
    """Whether a text holds nothing that is seen: spaces, and codes such as NUL."""
    return all(
        character.isspace() or unicodedata.category(character) in INVISIBLE for character in text
    )


def _pairs_of_parts(question: Any, context: Any) -> tuple[list[Pair], bool]:
    """Pairs of a question or several and a context or several, and whether it is one pair."""
    if not _is_list(question) and not _is_list(context):
        return [(question, context)], True
    questions = list(question) if _is_list(question) else [question]
    contexts = list(context) if _is_list(context) else [context]
    if not _is_list(question):
        questions *= len(contexts)
    if not _is_list(context):
        contexts *= len(questions)
    if len(questions) != len(contexts):
        raise InputError(
            f"{counted(len(questions), 'question')} and {counted(len(contexts), 'context')}: give "
            "as many of one as of the other, or one for all."
        )
    return list(zip(questions, contexts, strict=True)), False


def _is_list(value: Any) -> bool:
    """Whether a value stands for several: a list, an array, a table's column, a generator."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _has_parts(entry: Any) -> bool:
    """Whether an entry holds a question and a context, as a dict or as an object does."""
    return isinstance(entry, Mapping) or hasattr(entry, "question")


def _parts(entry: Any, place: str) -> Pair:
    """The question and the context of a dict or an object, which messages call `place`."""
    if not _has_parts(entry):
        raise InputError(
            f"{place} is a {type(entry).__name__}; give dicts with 'question' and 'context'."
        )
    return _part(entry, "question", place), _part(entry, "context", place)


def _part(entry: Any, name: str, place: str) -> Any:
    """The question or the context of an entry."""
    if isinstance(entry, Mapping) and name in entry:
        return entry[name]
    if not isinstance(entry, Mapping) and hasattr(entry, name):
        return getattr(entry, name)
    raise InputError(f"{place} has no '{name}'; give dicts with 'question' and 'context'.")
