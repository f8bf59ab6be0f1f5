"""Words: where they begin and end in a text, for answers that shall not begin or end within one."""

import unicodedata

import numpy as np

# Characters of scripts that write no space between words, and of Hangul, which writes particles onto its nouns: there, the
# space-separated piece around an answer is more than the answer. First and last code point of each range.
SINGLE = np.array(
    [
        (0x0E00, 0x0FFF),
        (0x1000, 0x109F),
        (0x1100, 0x11FF),
        (0x1780, 0x17FF),  # Thai, Lao, Tibetan; Myanmar; Hangul; Khmer
        (0x3005, 0x3007),
        (0x3040, 0x30FF),
        (0x3100, 0x31BF),
        (0x31F0, 0x31FF),  # marks of Han; Kana; Bopomofo, Hangul; Kana
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xA960, 0xA97F),
        (0xA9E0, 0xA9FF),
        (0xAA60, 0xAA7F),  # Han; Hangul; Myanmar
        (0xAC00, 0xD7FF),
        (0xF900, 0xFAFF),
        (0xFF66, 0xFFDC),
        (0x1B000, 0x1B16F),
        (0x20000, 0x3FFFF),  # Hangul; Han; half-width; Kana; Han
    ]
)


class Words:
    """The words of some texts. A word is a run of characters that are no space, no punctuation, and not of a script that
    writes words without spaces between them (`SINGLE`), where every character is a word.

    texts: a list of strings.
    """

    def __init__(self, texts):
        joined = "".join(texts)
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        self.starts = np.cumsum(lengths) - lengths
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        distinct, which = np.unique(codes, return_inverse=True)
        space = np.array([chr(code).isspace() for code in distinct], dtype=bool)
        inner = (
            ~space
            & ~np.array([_is_punctuation(chr(code)) for code in distinct], dtype=bool)
            & ~_is_single(distinct)
        )
        space, inner = space[which], inner[which]

        position = np.arange(len(codes) + 1)
        joins = np.zeros(
            len(codes) + 1, dtype=bool
        )  # character i goes on with the word of character i - 1
        joins[1:-1] = inner[:-1] & inner[1:]
        joins[self.starts] = False
        self.begin = np.maximum.accumulate(np.where(joins, 0, position))[:-1]
        self.end = np.minimum.accumulate(np.where(joins, len(codes), position)[:0:-1])[::-1]
        # The first character at or after each place that is no space, and the end of the last one before it.
        last = len(codes)
        self.after_spaces = np.minimum.accumulate(
            np.append(np.where(space, last, position[:-1]), last)[::-1]
        )[::-1]
        self.before_spaces = np.maximum.accumulate(
            np.insert(np.where(space, 0, position[1:]), 0, 0)
        )

    def trim(self, text, begin, end):
        """Leave out spaces at both ends of the characters [begin, end) of texts `text`; all arrays (n,).

        The begin of what is nothing but spaces comes out at its end or beyond.
        """
        start = self.starts[text]
        return self.after_spaces[start + begin] - start, self.before_spaces[start + end] - start

    def whole(self, text, begin, end):
        """Extend the characters [begin, end), not empty, of texts `text` to whole words; all arrays (n,)."""
        start = self.starts[text]
        return self.begin[start + begin] - start, self.end[start + end - 1] - start


def _is_punctuation(character):
    """What BERT's tokenizer takes for punctuation, and splits off: Unicode's, and all signs of ASCII."""
    return unicodedata.category(character)[0] == "P" or (
        character.isascii()
        and character.isprintable()
        and not character.isalnum()
        and not character.isspace()
    )


def _is_single(codes):
    return ((codes[:, None] >= SINGLE[:, 0]) & (codes[:, None] <= SINGLE[:, 1])).any(axis=1)
