"""What a caller of a Reader may give: one question or many, in several forms."""

from collections.abc import Mapping

from mrc.errors import InputError


def pairs_of(inputs, question, context):
    """What a caller gave as (question, context) pairs, and whether it was one by itself. Raises InputError."""
    if inputs is None:
        inputs = {"question": question, "context": context}
    elif question is not None or context is not None:
        raise InputError("give either inputs, or question and context.")
    if isinstance(inputs, Mapping) or hasattr(inputs, "question"):
        question, context = _part(inputs, "question"), _part(inputs, "context")
        if not any(isinstance(part, (list, tuple)) for part in (question, context)):
            return [(question, context)], True
        length = len(question if isinstance(question, (list, tuple)) else context)
        questions, contexts = (
            part if isinstance(part, (list, tuple)) else [part] * length
            for part in (question, context)
        )
        if len(questions) != len(contexts):
            raise InputError(
                f"{len(questions)} questions and {len(contexts)} contexts: give as many, or one for all."
            )
        return list(zip(questions, contexts)), False
    if isinstance(inputs, str):
        raise InputError(
            "give a question and a context by name: reader(question=..., context=...)."
        )
    return [(_part(entry, "question"), _part(entry, "context")) for entry in inputs], False


def _part(entry, name):
    if isinstance(entry, Mapping):
        if name not in entry:
            raise InputError(f"an entry has no '{name}'; give dicts with 'question' and 'context'.")
        return entry[name]
    if not hasattr(entry, name):
        raise InputError(
            f"an entry is a {type(entry).__name__}; give dicts with 'question' and 'context'."
        )
    return getattr(entry, name)


def problem_of(question, context):
    """What keeps a pair from being asked about, or ""."""
    for name, text in (("question", question), ("context", context)):
        if not isinstance(text, str):
            return f"the {name} must be a string, not {type(text).__name__}."
        if not text.strip():
            return f"the {name} is empty."
    return ""
