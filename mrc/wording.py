"""Wording: counts with their nouns, and the known name that a misspelled one may stand for."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

# Codes that a terminal would obey, but for tab and line feed; and those that turn the direction of
# the text around them.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count and its noun: "1 question", "3 questions".

    Args:
        count: how many.
        noun: the noun in the singular.
        plural: the noun in the plural, if that is more than an added "s".
    """
    word = noun if count == 1 else plural or f"{noun}s"
    return f"{count} {word}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is spelled most like `name`, or None if none is close."""
    matches = get_close_matches(name.lower(), list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The question that follows a name that is not known, or "": "; did you mean 'answers'?"."""
    match = nearest(name, known)
    return f"; did you mean '{match}'?" if match else ""


def printable(text: str, controls: re.Pattern[str] = CONTROLS) -> str:
    """A text that came from data, with escapes for the codes that a terminal would obey.

    Args:
        text: the text.
        controls: what is escaped.
    """
    return controls.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
