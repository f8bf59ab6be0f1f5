"""Tokens: texts tokenised once, end to end in flat arrays, and kept on disk from one start to the next if asked."""

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import tokenizers

from mrc.errors import InputError
from mrc.files import read_json, sha256, write_json

TOKENS_AT_ONCE = 2**18  # searched for answers at a time


TEXTS_AT_ONCE = (
    256  # tokenised per call: enough for all cores, and bounds the memory that encodings take
)


LONE_SURROGATES = re.compile(
    "[\ud800-\udfff]"
)  # valid in a Python string and in JSON, invalid in a tokenizer


CACHE_FORMAT = 1  # part of every key: raised when arrays of an older form must no longer be read


MANIFEST = "manifest.json"


@dataclass
class Tokens:
    """Tokenised texts end to end: `ids` (tokens,) and `offsets` (tokens, 2) in characters, both int32; text t has
    `lengths[t]` tokens from `starts[t]` on. `mended` says that a damaged cache had to be replaced."""

    ids: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    mended: bool = False

    @classmethod
    def of(cls, texts, tokenizer, cache=None):
        """Tokenise a list of texts without special tokens, on all cores; or map what `cache`, a folder, has of them.

        What the cache holds goes under a hash of the texts, the tokenizer and this format, with a SHA-256 of each array: it
        is found by what it is made of, and used only if whole. The files are mapped into memory, so that all processes on a
        machine share one copy. Windows are not stored: they follow from the tokens in no time. Raises InputError for a
        slow (Python) tokenizer, and for a cache that cannot be written.
        """
        core = backend_tokenizer(tokenizer)
        if cache is None or not texts:
            return cls._tokenize(texts, core)
        folder = Path(cache) / _key(texts, core)
        loaded = cls._load(folder)
        if loaded is None:
            damaged, tokens = folder.exists(), cls._tokenize(texts, core)
            tokens._save(folder)
            loaded = (
                cls._load(folder) or tokens
            )  # mapped, so that what was made here need not be held
            loaded.mended = damaged
        return loaded

    @classmethod
    def _tokenize(cls, texts, core):
        ids, offsets, lengths = [np.zeros(0, np.int32)], [np.zeros((0, 2), np.int32)], []
        for at in range(0, len(texts), TEXTS_AT_ONCE):
            clean = [LONE_SURROGATES.sub("\ufffd", text) for text in texts[at : at + TEXTS_AT_ONCE]]
            encodings = core.encode_batch(clean, add_special_tokens=False)
            counts = [len(encoding) for encoding in encodings]
            lengths += counts
            ids.append(
                np.fromiter(chain.from_iterable(e.ids for e in encodings), np.int32, sum(counts))
            )
            flat = chain.from_iterable(chain.from_iterable(e.offsets for e in encodings))
            offsets.append(np.fromiter(flat, np.int32, 2 * sum(counts)).reshape(-1, 2))
        ids = np.concatenate(
            ids
        )  # one after the other, so that the pieces of both are never held beside both
        return cls._of_arrays(ids, np.concatenate(offsets), np.array(lengths, dtype=np.int64))

    @classmethod
    def _of_arrays(cls, ids, offsets, lengths):
        return cls(ids, offsets, np.cumsum(lengths) - lengths, lengths)

    def _save(self, folder):
        """Write the arrays to a folder beside `folder`, which is then renamed. Another process may do the same meanwhile."""
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                for name in ("ids", "offsets", "lengths"):
                    np.save(aside / f"{name}.npy", getattr(self, name))
                write_json(
                    aside / MANIFEST, {path.name: sha256(path) for path in aside.glob("*.npy")}
                )
                if folder.exists():  # damaged
                    os.rename(folder, aside / "damaged")
                os.rename(aside, folder)
                shutil.rmtree(folder / "damaged", ignore_errors=True)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                if self._load(folder) is None:  # else another process was faster
                    raise
        except OSError as error:
            raise InputError(
                f"--feature-cache {folder.parent}: cannot be written ({error.strerror})."
            ) from error

    @classmethod
    def _load(cls, folder):
        """The Tokens of a cache folder, mapped; None if it is not there, or is not what its manifest says."""
        try:
            manifest = read_json(folder / MANIFEST)
            arrays = {}
            for name in ("ids", "offsets", "lengths"):
                path = folder / f"{name}.npy"
                if sha256(path) != manifest[path.name]:
                    return None
                arrays[name] = np.load(
                    path, mmap_mode="r" if name != "lengths" else None, allow_pickle=False
                )
            return cls._of_arrays(**arrays)
        except (InputError, OSError, KeyError, TypeError, ValueError):
            return None

    @property
    def full_lengths(self) -> np.ndarray:
        """The length of each text before `cut`: (texts,)."""
        return np.diff(self.starts, append=len(self.ids))

    def cut(self, longest):
        """Let no text have more than `longest` tokens; return how many had."""
        too_long = int((self.lengths > longest).sum())
        self.lengths = np.minimum(self.lengths, longest)
        return too_long

    def tokens_of(self, text, begin, end):
        """The tokens at which the characters [begin, end) of texts `text` begin and end; all arrays (n,).

        The tokens are indices of the flat arrays. Where several share the first or the last character (a lone Metaspace,
        the bytes of a byte-level vocabulary), the innermost are taken, as the incumbent recipe does; where one character is
        all there is, all its tokens. The first is after the last where no token overlaps.
        """
        first, last = np.zeros_like(begin), np.zeros_like(end)
        order = np.argsort(text, kind="stable")
        # Some texts at a time, which bounds the memory that the keys take.
        borders = sorted(
            {
                *np.searchsorted(self.starts, np.arange(0, len(self.ids), TOKENS_AT_ONCE)).tolist(),
                len(self.lengths),
            }
        )
        for texts in zip(borders, borders[1:]):
            here = order[slice(*np.searchsorted(text[order], texts))]
            first[here], last[here] = self._tokens_of(texts, text[here], begin[here], end[here])
        return first, last

    def _tokens_of(self, texts, text, begin, end):
        """`tokens_of` for characters of the texts [texts[0], texts[1])."""
        low = self.starts[texts[0]]
        lengths = self.lengths[slice(*texts)]
        offsets = self.offsets[low : low + lengths.sum()].astype(np.int64)
        # One sorted key for all texts: no offset reaches `stretch`, so a text's keys lie before the next text's.
        stretch = int(max(offsets.max(initial=0), end.max(initial=0))) + 2
        owner = np.repeat(np.arange(len(lengths)), lengths) * stretch
        # The running maximum and minimum keep the keys sorted where a normaliser has swapped characters.
        ends = np.maximum.accumulate(owner + offsets[:, 1])
        begins = np.minimum.accumulate((owner + offsets[:, 0])[::-1])[::-1]
        begin, end = (text - texts[0]) * stretch + begin, (text - texts[0]) * stretch + end
        first, last = (
            np.searchsorted(ends, begin, side="right"),
            np.searchsorted(begins, end, side="left") - 1,
        )  # that overlap
        overlaps = first <= last
        inner_first = np.maximum(first, np.searchsorted(begins, begin, side="right") - 1)
        inner_last = np.minimum(last, np.searchsorted(ends, end, side="left"))
        first = np.where(overlaps, np.minimum(inner_first, inner_last), first)
        last = np.where(overlaps, np.maximum(inner_first, inner_last), last)
        return low + first, low + last


def backend_tokenizer(tokenizer):
    """The core of a fast tokenizer, set neither to truncate nor to pad (Hugging Face sets both anew at each call)."""
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{type(tokenizer).__name__} is a slow (Python) tokenizer, which gives no character offsets; use a fast one."
        )
    core = tokenizer.backend_tokenizer
    core.no_truncation()
    core.no_padding()
    return core


def _key(texts, core):
    """A name for the tokens of these texts by this tokenizer."""
    digest = hashlib.sha256(f"{CACHE_FORMAT} {tokenizers.__version__} {core.to_str()}".encode())
    for text in texts:
        encoded = text.encode("utf-8", "surrogatepass")
        digest.update(b"%d " % len(encoded))
        digest.update(encoded)
    return digest.hexdigest()[:32]
