"""Hangul: whether texts are Korean, and a note where Korean is scored by words."""

import re
from collections.abc import Iterable
from itertools import islice

from mrc.data.examples import Example
from mrc.data.sample import is_sample
from mrc.metrics.scoring import choose_scorer

HANGUL = re.compile("[\uac00-\ud7a3]")
LETTER = re.compile(r"[^\W\d_]")
# Contexts that are looked at to tell the language.
CONTEXTS = 100

# For the scorers of words that data of no known version get: that of characters instead.
BY_CHARACTERS = {
    "squad": "--scorer korquad counts characters",
    "squad_v2": "--scorer klue compares characters",
}


def is_mostly_hangul(examples: Iterable[Example]) -> bool:
    """Whether most letters in the first contexts of some examples are Hangul."""
    text = " ".join(example.context for example in islice(examples, CONTEXTS))
    return 2 * len(HANGUL.findall(text)) > len(LETTER.findall(text))


def words_note(examples: Iterable[Example], scorer: str) -> str:
    """A note on Korean questions that are scored by words because nobody chose, else "".

    Args:
        examples: what is scored.
        scorer: the setting; only "auto" leaves the choice to the data.
    """
    is_built_in = is_sample(getattr(examples, "source", ""))
    if scorer != "auto" or is_built_in or not is_mostly_hangul(examples):
        return ""
    chosen = choose_scorer(examples)
    if chosen not in BY_CHARACTERS:
        return ""
    return f"note: Korean text is scored by words (scorer {chosen}); {BY_CHARACTERS[chosen]}"
