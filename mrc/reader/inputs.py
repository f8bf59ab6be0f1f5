"""Inputs: the forms in which a caller may give a Reader its questions and contexts."""

from collections.abc import Iterable, Mapping
from typing import Any

from mrc.errors import InputError
from mrc.wording import counted

Pair = tuple[Any, Any]


def question_context_pairs(
    inputs: Any, question: Any = None, context: Any = None
) -> tuple[list[Pair], bool]:
    """Bring what a caller gave into one form.

    Args:
        inputs: a dict (or an object) with "question" and "context", an iterable of such, or None.
        question: a string or a list of strings, if `inputs` is None.
        context: the same; one string goes with every entry of the other's list.

    Returns:
        The (question, context) pairs, and whether it was one by itself and not a list.

    Raises:
        InputError: it has none of these forms.
    """
    if inputs is None:
        return _pairs_of_parts(question, context)
    if question is not None or context is not None:
        raise InputError("give either inputs, or question and context.")
    if isinstance(inputs, str):
        raise InputError(
            "give a question and a context by name: reader(question=..., context=...)."
        )
    if isinstance(inputs, Mapping) or hasattr(inputs, "question"):
        return _pairs_of_parts(_part(inputs, "question"), _part(inputs, "context"))
    if not isinstance(inputs, Iterable):
        raise InputError(
            f"inputs is a {type(inputs).__name__}; give a dict with 'question' and 'context', "
            "or a list of such dicts."
        )
    return [(_part(entry, "question"), _part(entry, "context")) for entry in inputs], False


def problem_of(question: Any, context: Any) -> str:
    """What keeps a pair from being asked about, as a sentence, or ""."""
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            return f"the {name} must be a string, not {type(text).__name__}."
        if not text.strip():
            return f"the {name} is empty."
    return ""


def _pairs_of_parts(question: Any, context: Any) -> tuple[list[Pair], bool]:
    """Pairs of a question or several and a context or several, and whether it is one pair."""
    if not _is_list(question) and not _is_list(context):
        return [(question, context)], True
    length = len(question) if _is_list(question) else len(context)
    questions = question if _is_list(question) else [question] * length
    contexts = context if _is_list(context) else [context] * length
    if len(questions) != len(contexts):
        raise InputError(
            f"{counted(len(questions), 'question')} and {counted(len(contexts), 'context')}: give "
            "as many of one as of the other, or one for all."
        )
    return list(zip(questions, contexts, strict=True)), False


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _part(entry: Any, name: str) -> Any:
    """The question or the context of a dict or an object."""
    if isinstance(entry, Mapping):
        if name not in entry:
            raise InputError(f"an entry has no '{name}'; give dicts with 'question' and 'context'.")
        return entry[name]
    if not hasattr(entry, name):
        raise InputError(
            f"an entry is a {type(entry).__name__}; give dicts with 'question' and 'context'."
        )
    return getattr(entry, name)
