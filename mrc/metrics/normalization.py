"""Normalization of answers, as the official scripts do it before they compare two of them."""

import re
import string
import sys
import unicodedata
from functools import cache

ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)

SQUAD_ARTICLES = re.compile(r"\b(a|an|the)\b")

KORQUAD_SYMBOLS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))

# One symbol and then "()‘’", all in a row: this is how the script was published.
KLUE_SYMBOLS = re.compile(r"['\"《》<>〈〉]\(\)‘’")

CJK_CHARACTER = re.compile("([\u4e00-\u9fa5])")

MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    # Anywhere: the other half of the published pattern, with word borders, cannot match.
    "ar": "ال",
    "hi": None,
    "zh": None,
}


def normalize_squad(text: str) -> str:
    """Lower-case; drop ASCII punctuation, English articles and superfluous white space."""
    text = text.lower().translate(ASCII_PUNCTUATION)
    return " ".join(SQUAD_ARTICLES.sub(" ", text).split())


def normalize_korquad(text: str) -> str:
    """Turn quotation marks and brackets into spaces, then as SQuAD, but keep articles."""
    text = text.translate(KORQUAD_SYMBOLS).lower()
    return " ".join(text.translate(ASCII_PUNCTUATION).split())


def normalize_klue(text: str) -> str:
    """Lower-case; drop `KLUE_SYMBOLS`, ASCII punctuation and superfluous white space."""
    text = KLUE_SYMBOLS.sub(" ", text.lower())
    return " ".join(text.translate(ASCII_PUNCTUATION).split())


def normalize_mlqa(text: str, language: str) -> str:
    """Lower-case; drop Unicode punctuation, the language's articles and superfluous white space.

    Chinese characters become words of their own.
    """
    text = text.lower().translate(_unicode_punctuation())
    articles = MLQA_ARTICLES[language]
    if articles:
        text = re.sub(articles, " ", text)
    if language == "zh":
        text = CJK_CHARACTER.sub(r" \1 ", text)
    return " ".join(text.split())


@cache
def _unicode_punctuation() -> dict[int, int | None]:
    """A translation that drops ASCII punctuation and all characters of a Unicode category P*."""
    characters = map(chr, range(sys.maxunicode + 1))
    punctuation = [c for c in characters if unicodedata.category(c).startswith("P")]
    return str.maketrans("", "", "".join(punctuation) + string.punctuation)
