"""How a tokenizer puts a question and a context together."""

from dataclasses import dataclass

import numpy as np

from mrc.features.tokens import backend_tokenizer


@dataclass
class Template:
    """How a tokenizer puts two sequences together: its special tokens before, between and after them.

    prefix, middle, suffix: int64 token ids; types: the token type of each token of prefix, first sequence, middle, second
    sequence, suffix, in this order, a sequence counting as one token. null_position: index of the CLS token (of the BOS
    token or 0 where there is none), negative if it is counted from the end of a feature.
    """

    prefix: np.ndarray
    middle: np.ndarray
    suffix: np.ndarray
    types: list
    null_position: int
    puts_context_first: bool

    @classmethod
    def of(cls, tokenizer):
        """Read the template off the encoding of a pair of short texts."""
        core = backend_tokenizer(tokenizer)
        probe = core.encode("a", "a")
        sequence = np.array([-1 if s is None else s for s in probe.sequence_ids])
        ids, types = np.array(probe.ids, dtype=np.int64), np.array(probe.type_ids)
        (first,), (second,) = np.nonzero(sequence == 0), np.nonzero(sequence == 1)
        prefix, middle, suffix = (
            ids[: first[0]],
            ids[first[-1] + 1 : second[0]],
            ids[second[-1] + 1 :],
        )
        kept = np.concatenate([np.nonzero(sequence == -1)[0], first[:1], second[:1]])
        null_position = 0
        for special in (tokenizer.cls_token_id, tokenizer.bos_token_id):
            if special is not None and special in prefix:
                null_position = int(np.nonzero(prefix == special)[0][0])
                break
            if special is not None and special in suffix:
                null_position = int(np.nonzero(suffix == special)[0][0]) - len(suffix)
                break
        return cls(
            prefix,
            middle,
            suffix,
            types[np.sort(kept)].tolist(),
            null_position,
            tokenizer.padding_side == "left",
        )

    def __len__(self):
        return len(self.prefix) + len(self.middle) + len(self.suffix)

    @property
    def parts(self):
        """(token ids, or the name of a sequence; their token types) from left to right."""
        p, m = len(self.prefix), len(self.middle)
        first, second = (
            ("context", "question") if self.puts_context_first else ("question", "context")
        )
        return [
            (self.prefix, self.types[:p]),
            (first, self.types[p]),
            (self.middle, self.types[p + 1 : p + 1 + m]),
            (second, self.types[p + 1 + m]),
            (self.suffix, self.types[p + 2 + m :]),
        ]
