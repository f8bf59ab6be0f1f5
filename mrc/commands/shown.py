"""Answers as a terminal shows them: the best in its sentence, then all with their scores."""

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

from mrc.commands.texts import Text
from mrc.wording import printable

SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+")
# Characters of a sentence that are shown around an answer.
WIDTH = 300
BOLD = ("\033[1m", "\033[0m")
BRACKETS = ("[", "]")


def show(texts: Sequence[Text], answers: Sequence[dict[str, Any]], bold: bool) -> str:
    """The best answer in its sentence, then every answer with its score, and where it was found.

    Args:
        texts: what was asked about.
        answers: what `find_answers` has found in them.
        bold: whether the terminal shows bold text.
    """
    lines = [_best(texts, answers, bold)]
    for answer in answers:
        words = _one_line(answer["answer"]) or "(no answer)"
        is_found_in_one = len(texts) > 1 and answer["passage"] is not None
        place = f"  ({printable(texts[answer['passage']].name)})" if is_found_in_one else ""
        lines.append(f"  {100 * answer['score']:5.1f} %  {words}{place}")
    return "\n".join(lines)


def _best(texts: Sequence[Text], answers: Sequence[dict[str, Any]], bold: bool) -> str:
    """The best answer in its sentence."""
    if not answers or not answers[0]["answer"]:
        return "The text does not answer this." if len(texts) == 1 else "No text answers this."
    best = answers[0]
    if len(texts) == 1:
        return in_sentence(texts[0].content, best["start"], best["end"], bold)
    text = texts[best["passage"]]
    sentence = in_sentence(text.content, best["start"], best["end"], bold)
    return f"{printable(text.name)}: {sentence}"


def in_sentence(context: str, start: int, end: int, bold: bool) -> str:
    """The sentence around the characters [start, end), which are bold or in brackets."""
    before = [match.end() for match in SENTENCE_END.finditer(context, max(0, start - WIDTH), start)]
    after = SENTENCE_END.search(context, end)
    sentence_begin = max(before, default=0)
    sentence_end = after.start() if after else len(context)
    # Of a long sentence, only what is near the answer.
    begin = max(sentence_begin, start - WIDTH // 2)
    stop = min(sentence_end, end + WIDTH // 2)
    left, right = BOLD if bold else BRACKETS
    parts = (context[begin:start], context[start:end], context[end:stop])
    # A text may hold codes of its own that a terminal would obey.
    first, answer, last = (printable(part) for part in parts)
    shown = " ".join(f"{first}{left}{answer}{right}{last}".split())
    if begin > sentence_begin:
        shown = f"… {shown}"
    if stop < sentence_end:
        shown = f"{shown} …"
    return shown


def shows_bold() -> bool:
    """Whether standard output shows bold text."""
    is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


def _one_line(text: str) -> str:
    return " ".join(printable(text).split())
