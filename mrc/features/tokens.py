"""Tokens: texts tokenized once, in flat arrays that a cache can keep between runs."""

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tokenizers

from mrc.errors import InputError
from mrc.files import read_json, sha256, write_json, written_folder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# Texts tokenized per call: enough for all cores, and a bound on the memory of the encodings.
TEXTS_AT_ONCE = 256

# Tokens searched for answers at a time, a bound on the memory of the search keys.
TOKENS_AT_ONCE = 2**18

# Valid in a Python string and in JSON, but not for a tokenizer.
LONE_SURROGATES = re.compile("[\ud800-\udfff]")

# Part of every cache key. Raise it when arrays of an older format must not be read any more.
CACHE_FORMAT = 1

MANIFEST = "manifest.json"

ARRAYS = ("ids", "offsets", "lengths")


@dataclass
class Tokens:
    """Tokenized texts end to end.

    Attributes:
        ids: token ids, (tokens,) int32.
        offsets: the characters [begin, end) of each token in its text, (tokens, 2) int32.
        starts: where each text begins in these arrays, (texts,).
        lengths: the tokens of each text, (texts,).
        mended: whether a damaged cache had to be replaced.
    """

    ids: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    mended: bool = False

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        tokenizer: "PreTrainedTokenizerFast",
        cache: str | Path | None = None,
    ) -> "Tokens":
        """Tokenize texts without special tokens, on all cores, or map them from a cache.

        An entry of the cache is named by a hash of the texts, the tokenizer and the format, and
        holds a SHA-256 of each array: it is used only if it is intact. The files are mapped into
        memory, so that all processes of a machine share one copy. Windows are not kept: they
        follow from the tokens in milliseconds.

        Raises:
            InputError: for a slow (Python) tokenizer, or a cache that cannot be written.
        """
        core = backend_tokenizer(tokenizer)
        if cache is None or not texts:
            return cls._tokenize(texts, core)
        entry = Path(cache) / _key(texts, core)
        cached = cls._load(entry)
        if cached is not None:
            return cached

        is_damaged = entry.exists()
        if is_damaged:
            shutil.rmtree(entry, ignore_errors=True)
        made = cls._tokenize(texts, core)
        made._save(entry)
        # Mapped, so that the arrays made here need not be held.
        tokens = cls._load(entry) or made
        tokens.mended = is_damaged
        return tokens

    @classmethod
    def _tokenize(cls, texts: Sequence[str], core: tokenizers.Tokenizer) -> "Tokens":
        """Tokenize some texts at a time."""
        ids = [np.zeros(0, dtype=np.int32)]
        offsets = [np.zeros((0, 2), dtype=np.int32)]
        lengths: list[int] = []
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[at : at + TEXTS_AT_ONCE]
            clean = [LONE_SURROGATES.sub("\ufffd", text) for text in some]
            encodings = core.encode_batch(clean, add_special_tokens=False)
            counts = [len(encoding) for encoding in encodings]
            total = sum(counts)
            flat_ids = chain.from_iterable(e.ids for e in encodings)
            flat_offsets = chain.from_iterable(chain.from_iterable(e.offsets for e in encodings))
            lengths += counts
            ids.append(np.fromiter(flat_ids, np.int32, total))
            offsets.append(np.fromiter(flat_offsets, np.int32, 2 * total).reshape(-1, 2))
        # One after the other: the pieces of one are gone before the other is put together.
        all_ids = np.concatenate(ids)
        del ids
        all_offsets = np.concatenate(offsets)
        return cls._of_arrays(all_ids, all_offsets, np.array(lengths, dtype=np.int64))

    @classmethod
    def _of_arrays(cls, ids: np.ndarray, offsets: np.ndarray, lengths: np.ndarray) -> "Tokens":
        """The Tokens of the arrays that a cache keeps."""
        return cls(ids, offsets, starts=np.cumsum(lengths) - lengths, lengths=lengths)

    def _save(self, entry: Path) -> None:
        """Write the arrays to an entry of a cache. Another process may do the same meanwhile."""
        try:
            with written_folder(entry, shared=True) as folder:
                for name in ARRAYS:
                    np.save(folder / f"{name}.npy", getattr(self, name))
                hashes = {path.name: sha256(path) for path in folder.glob("*.npy")}
                write_json(folder / MANIFEST, hashes)
        except OSError as error:
            was_written_by_another = self._load(entry) is not None
            if was_written_by_another:
                return
            reason = error.strerror or error
            raise InputError(
                f"--feature-cache {entry.parent}: cannot be written ({reason})."
            ) from error

    @classmethod
    def _load(cls, entry: Path) -> "Tokens | None":
        """Map the Tokens of a cache's entry; None if it is missing or damaged."""
        try:
            manifest = read_json(entry / MANIFEST)
            for name in ARRAYS:
                path = entry / f"{name}.npy"
                if sha256(path) != manifest[path.name]:
                    return None
            ids = np.load(entry / "ids.npy", mmap_mode="r", allow_pickle=False)
            offsets = np.load(entry / "offsets.npy", mmap_mode="r", allow_pickle=False)
            lengths = np.load(entry / "lengths.npy", allow_pickle=False)
            return cls._of_arrays(ids, offsets, lengths)
        except (InputError, OSError, KeyError, TypeError, ValueError):
            return None

    @property
    def full_lengths(self) -> np.ndarray:
        """The tokens of each text before `cut`: (texts,)."""
        return np.diff(self.starts, append=len(self.ids))

    def cut(self, longest: int) -> int:
        """Leave no text more than `longest` tokens; return how many had more."""
        too_long = int((self.lengths > longest).sum())
        self.lengths = np.minimum(self.lengths, longest)
        return too_long

    def tokens_of(
        self, text: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first and last token of spans of characters.

        Several tokens may share the first or the last character: a lone Metaspace, or the bytes of
        a byte-level vocabulary. Then the innermost are taken, as in the reference recipe. If one
        character is the whole span, all its tokens are.

        Args:
            text: the text of each span, (n,).
            begin: its first character, (n,).
            end: the character after its last, (n,).

        Returns:
            first, last: (n,) places in the flat arrays. The first is after the last where no token
            overlaps the span.
        """
        first = np.zeros_like(begin)
        last = np.zeros_like(end)
        order = np.argsort(text, kind="stable")
        for low, high in pairwise(self._chunks()):
            here = order[slice(*np.searchsorted(text[order], (low, high)))]
            first[here], last[here] = self._tokens_in_chunk(
                low, high, text[here], begin[here], end[here]
            )
        return first, last

    def _chunks(self) -> list[int]:
        """The borders of runs of texts that have about TOKENS_AT_ONCE tokens each."""
        firsts = np.arange(0, len(self.ids), TOKENS_AT_ONCE)
        texts = np.searchsorted(self.starts, firsts)
        return sorted({*texts.tolist(), len(self.lengths)})

    def _tokens_in_chunk(
        self, low: int, high: int, text: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`tokens_of` for spans of the texts [low, high)."""
        lengths = self.lengths[low:high]
        start = self.starts[low]
        offsets = self.offsets[start : start + lengths.sum()].astype(np.int64)

        # One sorted key for all texts: text t owns the keys from t * stretch on, and no character
        # reaches as far as the next text's.
        stretch = 2 + int(max(offsets.max(initial=0), end.max(initial=0)))
        owner = stretch * np.repeat(np.arange(len(lengths)), lengths)
        begin = stretch * (text - low) + begin
        end = stretch * (text - low) + end
        # The running maximum and minimum keep the keys sorted where a normalizer has swapped
        # characters.
        ends = np.maximum.accumulate(owner + offsets[:, 1])
        begins = np.minimum.accumulate((owner + offsets[:, 0])[::-1])[::-1]

        # The outermost tokens that overlap the span.
        first = np.searchsorted(ends, begin, side="right")
        last = np.searchsorted(begins, end, side="left") - 1
        overlaps = first <= last
        # The innermost of those that share its first or last character.
        inner_first = np.maximum(first, np.searchsorted(begins, begin, side="right") - 1)
        inner_last = np.minimum(last, np.searchsorted(ends, end, side="left"))
        first = np.where(overlaps, np.minimum(inner_first, inner_last), first)
        last = np.where(overlaps, np.maximum(inner_first, inner_last), last)
        return start + first, start + last


def backend_tokenizer(tokenizer: "PreTrainedTokenizerFast") -> tokenizers.Tokenizer:
    """The core of a fast tokenizer, set neither to truncate nor to pad.

    Hugging Face sets both anew at each call.

    Raises:
        InputError: for a slow (Python) tokenizer, or none.
    """
    if not hasattr(tokenizer, "is_fast"):
        raise InputError(
            f"the tokenizer is of type {type(tokenizer).__name__}; give a Hugging Face fast "
            "tokenizer, as AutoTokenizer.from_pretrained loads it."
        )
    if not tokenizer.is_fast:
        raise InputError(
            f"{type(tokenizer).__name__} is a slow (Python) tokenizer, which gives no character "
            "offsets; use a fast one."
        )
    core = tokenizer.backend_tokenizer
    # Only where they are set: tokenizers 0.22 lets no thread set them while another tokenizes.
    if core.truncation is not None:
        core.no_truncation()
    if core.padding is not None:
        core.no_padding()
    return core


def _key(texts: Sequence[str], core: tokenizers.Tokenizer) -> str:
    """A name for the tokens of these texts by this tokenizer."""
    settings = f"{CACHE_FORMAT} {tokenizers.__version__} {core.to_str()}"
    digest = hashlib.sha256(settings.encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()[:32]
