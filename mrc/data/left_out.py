"""Left out: the questions of a data set that cannot be trained on, and why."""

from collections.abc import Sequence

from mrc.data.examples import Example, ExampleList
from mrc.data.fields import shorten
from mrc.data.keys import ANSWER_FIELDS
from mrc.errors import InputError
from mrc.wording import counted

# The share of the questions from which on leaving them out is a warning.
WARNED_SHARE = 0.2


def about_left_out(examples: ExampleList) -> str:
    """A sentence on the questions that cannot be trained on, or "" if all can."""
    left_out = [example for example in examples if not example.is_trainable]
    if not left_out:
        return ""
    unlabeled = sum(not example.answers for example in left_out)
    nowhere = len(left_out) - unlabeled
    reasons = []
    if unlabeled:
        reasons.append(f"{unlabeled} without an answer")
    if nowhere:
        reasons.append(f"{nowhere} whose answer does not stand in the context")
    warning = "warning: " if len(left_out) >= WARNED_SHARE * len(examples) else ""
    are = "is" if len(left_out) == 1 else "are"
    return (
        f"{warning}{len(left_out)} of {counted(len(examples), 'question')} {are} left out: "
        f"{', '.join(reasons)}{_about_case(left_out)}."
    )


def nothing_to_train_on(examples: ExampleList) -> InputError:
    """The error for a data set of which every question is left out."""
    source = examples.source
    fault = f"{source}: holds no question that can be trained on"
    if not examples:
        return InputError(f"{fault}.")
    findings = examples.findings
    count = sum(len(example.answers) for example in examples)
    if count:
        first = findings.bad_answers[0]
        place = first.where.removeprefix(f"{source}: ")
        none = "its only answer does not stand in the context"
        if count > 1:
            none = f"none of its {count} answers stands in its context"
        return InputError(
            f"{fault}: {none}; first {place} {shorten(first.text)}{_about_case(examples)}."
        )
    if findings.empty:
        return InputError(f"{fault}: its answers are empty texts.")
    # The answers may stand under a key that nothing reads.
    misspelled = findings.unused.misspelled(source)
    if misspelled:
        return InputError(" ".join([f"{fault}.", *misspelled]))
    *others, last = [f"'{name}'" for name in list(ANSWER_FIELDS)[:3]]
    return InputError(
        f"{fault}: it holds no answers; they are read from {', '.join(others)} or {last} "
        f"(found: {', '.join(findings.keys_without_answer)})."
    )


def _about_case(examples: Sequence[Example]) -> str:
    """How many questions have an answer in their context but for its case; "" for none."""
    count = sum(_stands_in_other_case(example) for example in examples)
    if not count:
        return ""
    return f"; {count} would be found if case were ignored: write them as in the context"


def _stands_in_other_case(example: Example) -> bool:
    context = example.context.lower()
    texts = [answer.text.strip().lower() for answer in example.answers]
    return any(text and text in context for text in texts)
