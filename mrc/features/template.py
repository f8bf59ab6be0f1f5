"""The template by which a tokenizer puts a question and a context together."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mrc.errors import InputError, in_short
from mrc.features.tokens import backend_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# The ids of special tokens, or "question" or "context".
Part = np.ndarray | str


@dataclass
class Template:
    """The special tokens before, between and after two sequences, and everyone's token types.

    Attributes:
        prefix, middle, suffix: the ids of the special tokens, int64.
        types: the token types of prefix, first sequence, middle, second sequence and suffix, in
            this order; one per special token, and one per sequence.
        null_position: where the token that stands for "no answer" is in a feature: the CLS token,
            or the BOS token, or 0 if there is neither. If negative, counted from the end.
        puts_context_first: whether the context is the first sequence.
    """

    prefix: np.ndarray
    middle: np.ndarray
    suffix: np.ndarray
    types: list[int]
    null_position: int
    puts_context_first: bool

    @classmethod
    def of(cls, tokenizer: "PreTrainedTokenizerFast") -> "Template":
        """Read the template off the encoding of a pair of short texts.

        Raises:
            InputError: for a slow (Python) tokenizer, and for one that drops texts.
        """
        backend = backend_tokenizer(tokenizer)
        try:
            encoding = backend.encode("a", "a")
        # The tokenizers package raises nothing more special.
        except Exception as error:
            raise InputError(f"the tokenizer cannot encode a text ({in_short(error)}).") from error
        ids = np.array(encoding.ids, dtype=np.int64)
        types = np.array(encoding.type_ids)
        # Special tokens are of no sequence.
        sequence = np.array([-1 if s is None else s for s in encoding.sequence_ids])
        specials = np.flatnonzero(sequence == -1)
        first = np.flatnonzero(sequence == 0)
        second = np.flatnonzero(sequence == 1)

        if not len(first) or not len(second):
            raise InputError(
                "the tokenizer makes no token of a question or of a context, even of a letter; its "
                "tokenizer.json is damaged, or not made for pairs of texts."
            )
        prefix = ids[: first[0]]
        suffix = ids[second[-1] + 1 :]
        # A sequence has one type, that of its first token.
        typed = np.sort([*specials, first[0], second[0]])
        return cls(
            prefix=prefix,
            middle=ids[first[-1] + 1 : second[0]],
            suffix=suffix,
            types=types[typed].tolist(),
            null_position=_null_position(tokenizer, prefix, suffix),
            puts_context_first=tokenizer.padding_side == "left",
        )

    def __len__(self) -> int:
        """The number of special tokens."""
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    @property
    def parts(self) -> list[tuple[Part, int | list[int]]]:
        """From left to right: special tokens or the name of a sequence, and their token types."""
        first, second = "question", "context"
        if self.puts_context_first:
            first, second = second, first
        # Where the type of each sequence stands in `types`.
        first_at = len(self.prefix)
        second_at = first_at + 1 + len(self.middle)
        return [
            (self.prefix, self.types[:first_at]),
            (first, self.types[first_at]),
            (self.middle, self.types[first_at + 1 : second_at]),
            (second, self.types[second_at]),
            (self.suffix, self.types[second_at + 1 :]),
        ]


def _null_position(
    tokenizer: "PreTrainedTokenizerFast", prefix: np.ndarray, suffix: np.ndarray
) -> int:
    """Where the CLS or BOS token is in a feature; negative if counted from the end."""
    for special in (tokenizer.cls_token_id, tokenizer.bos_token_id):
        if special is None:
            continue
        in_prefix = np.flatnonzero(prefix == special)
        in_suffix = np.flatnonzero(suffix == special)
        if len(in_prefix):
            return int(in_prefix[0])
        if len(in_suffix):
            return int(in_suffix[0]) - len(suffix)
    return 0
