"""How examples look: in a line, as in a debugger, and in a notebook, with their answers marked.

The module of Example and ExampleList imports this one, so here an example is an Any.
"""

import html
import re
from collections.abc import Sequence
from typing import Any

from mrc.data.fields import shorten
from mrc.wording import CONTROLS, counted, printable

# Examples of a list that a notebook shows.
SHOWN = 5
# Beside the codes that a terminal would obey, the marks that hint at a direction of writing.
CONTROLS_AND_MARKS = re.compile(f"{CONTROLS.pattern}|[\u061c\u200e\u200f]")

BOX = "border: 1px solid #8888; padding: 0.5em; margin: 0.5em 0"
TEXT = "white-space: pre-wrap; max-height: 15em; overflow: auto"


def example_line(example: Any) -> str:
    """Return what `repr` says of an example."""
    context = counted(len(example.context), "character")
    return (
        f"<Example {example.id!r}: {shorten(example.question, 60)} {_answer_text(example)}; "
        f"context of {context}>"
    )


def examples_line(examples: Sequence[Any], source: str) -> str:
    """Return what `repr` says of a list of examples."""
    contexts = len({example.context for example in examples})
    parts = [f"{counted(len(examples), 'question')} on {counted(contexts, 'context')}"]
    impossible = sum(example.is_impossible for example in examples)
    if impossible:
        parts.append(f"{impossible} without an answer")
    unlabeled = sum(not example.is_labeled for example in examples)
    if unlabeled:
        parts.append(f"{unlabeled} unlabeled")
    of_source = f" of {source}" if source else ""
    return f"<ExampleList{of_source}: {', '.join(parts)}>"


def example_html(example: Any) -> str:
    """Return an example as HTML: the question, and the context with the answers marked in it."""
    return (
        f'<div style="{BOX}"><b dir="auto">{escaped(example.question)}</b> '
        f"<small>{escaped(example.id)}, {_kind(example)}</small>"
        f'<div dir="auto" style="{TEXT}">{marked_context(example)}</div></div>'
    )


def examples_html(examples: Sequence[Any], source: str) -> str:
    """Return the first examples of a list as HTML."""
    first = "".join(example_html(example) for example in examples[:SHOWN])
    more = len(examples) - SHOWN
    rest = f"<p>and {counted(more, 'more question')}</p>" if more > 0 else ""
    return f"<p>{escaped(examples_line(examples, source))}</p>{first}{rest}"


def marked_context(example: Any) -> str:
    """Return the context as HTML, with <mark> around the answers; of those that overlap, the first.

    An answer that was not found in the context is not marked.
    """
    spans = sorted(
        (answer.start, answer.start + len(answer.text))
        for answer in example.answers
        if answer.start >= 0
    )
    pieces = []
    done = 0
    for start, end in spans:
        if start < done:
            continue
        pieces.append(escaped(example.context[done:start]))
        pieces.append(f"<mark>{escaped(example.context[start:end])}</mark>")
        done = end
    pieces.append(escaped(example.context[done:]))
    return "".join(pieces)


def escaped(text: str) -> str:
    r"""Return a text as HTML in which nothing acts: a direction override is shown as \u202e."""
    return html.escape(printable(text, CONTROLS_AND_MARKS))


def _answer_text(example: Any) -> str:
    texts = list(dict.fromkeys(answer.text for answer in example.answers))
    if not texts:
        return f"-> {_kind(example)}"
    more = f" or {len(texts) - 1} more" if len(texts) > 1 else ""
    return f"-> {shorten(texts[0])}{more}"


def _kind(example: Any) -> str:
    if example.is_impossible:
        return "no answer"
    if not example.answers:
        return "unlabeled"
    return counted(len(example.answers), "answer")
