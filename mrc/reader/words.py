"""Words: where they begin and end in a text, for answers that must not begin or end within one."""

import unicodedata
from collections.abc import Sequence

import numpy as np

# Scripts that write no spaces between words, and Hangul, which writes particles onto its nouns:
# there, the piece between two spaces is more than an answer, so every character is a word.
# First and last code point of each range.
SINGLE = np.array(
    [
        # Thai, Lao, Tibetan
        (0x0E00, 0x0FFF),
        # Myanmar
        (0x1000, 0x109F),
        # Hangul
        (0x1100, 0x11FF),
        # Khmer
        (0x1780, 0x17FF),
        # Marks of Han
        (0x3005, 0x3007),
        # Kana
        (0x3040, 0x30FF),
        # Bopomofo, Hangul
        (0x3100, 0x31BF),
        # Kana
        (0x31F0, 0x31FF),
        # Han
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        # Hangul
        (0xA960, 0xA97F),
        # Myanmar
        (0xA9E0, 0xA9FF),
        (0xAA60, 0xAA7F),
        # Hangul
        (0xAC00, 0xD7FF),
        # Han
        (0xF900, 0xFAFF),
        # Half-width Kana and Hangul
        (0xFF66, 0xFFDC),
        # Kana
        (0x1B000, 0x1B16F),
        # Han
        (0x20000, 0x3FFFF),
    ]
)


class Words:
    """The words of some texts.

    A word is a run of characters that are neither spaces nor punctuation, nor of a script that
    writes words without spaces (`SINGLE`), of which every character is a word by itself.

    Args:
        texts: the texts, to which the methods refer by number.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        # All texts end to end, and where each begins.
        self.starts = np.cumsum(lengths) - lengths
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        is_space, is_inner = _kinds(codes)

        position = np.arange(len(codes) + 1)
        # Whether character i continues the word of character i - 1.
        joins = np.zeros(len(codes) + 1, dtype=bool)
        joins[1:-1] = is_inner[:-1] & is_inner[1:]
        joins[self.starts] = False
        # Of each character: where its word begins, and where it ends.
        self.begin = np.maximum.accumulate(np.where(joins, 0, position))[:-1]
        self.end = _running_minimum(np.where(joins, len(codes), position)[1:])
        # Of each place: the first character at or after it that is no space, and the end of the
        # last one before it.
        not_space = np.append(np.where(is_space, len(codes), position[:-1]), len(codes))
        self.after_spaces = _running_minimum(not_space)
        ends = np.insert(np.where(is_space, 0, position[1:]), 0, 0)
        self.before_spaces = np.maximum.accumulate(ends)

    def trim(
        self, text: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Leave out spaces at both ends of spans.

        Args:
            text: (n,), the text of each span.
            begin: (n,), its first character in that text.
            end: (n,), the one after its last.

        Returns:
            begin and end; of a span of nothing but spaces, begin is at its end or beyond.
        """
        start = self.starts[text]
        return self.after_spaces[start + begin] - start, self.before_spaces[start + end] - start

    def extend(
        self, text: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Extend spans, which must not be empty, to whole words; the arguments are `trim`'s."""
        start = self.starts[text]
        return self.begin[start + begin] - start, self.end[start + end - 1] - start


def _kinds(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which characters are spaces, and which can be part of a longer word: (n,) bool each."""
    # Looked up once for each distinct character.
    distinct, which = np.unique(codes, return_inverse=True)
    characters = [chr(code) for code in distinct]
    is_space = np.array([character.isspace() for character in characters], dtype=bool)
    is_punctuation = np.array([_is_punctuation(c) for c in characters], dtype=bool)
    is_inner = ~(is_space | is_punctuation | _is_single(distinct))
    return is_space[which], is_inner[which]


def _running_minimum(values: np.ndarray) -> np.ndarray:
    """The smallest value at or after each place."""
    return np.minimum.accumulate(values[::-1])[::-1]


def _is_punctuation(character: str) -> bool:
    """Whether BERT's tokenizer splits it off: punctuation of Unicode, and all signs of ASCII."""
    if unicodedata.category(character).startswith("P"):
        return True
    is_printable_ascii = character.isascii() and character.isprintable()
    return is_printable_ascii and not character.isalnum() and not character.isspace()


def _is_single(codes: np.ndarray) -> np.ndarray:
    """Which code points lie in `SINGLE`: (n,) bool."""
    codes = codes[:, None]
    is_in_range = (codes >= SINGLE[:, 0]) & (codes <= SINGLE[:, 1])
    return np.any(is_in_range, axis=1)
