"""Small array helpers: many ranges at once, ranks within groups, distinct texts."""

from collections.abc import Iterable
from typing import Any

import numpy as np


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Concatenate `arange(start, start + count)` of each pair: (n,), (n,) -> (counts.sum(),)."""
    ends = np.cumsum(counts)
    total = ends[-1] if len(ends) else 0
    # Where each range begins in the result, against where it begins in value.
    shifts = starts - (ends - counts)
    return np.arange(total) + np.repeat(shifts, counts)


def ranges_within(groups: np.ndarray) -> np.ndarray:
    """The place of each entry in its run of equal values: [3, 3, 5, 5, 5] -> [0, 1, 0, 1, 2]."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    is_new = groups[1:] != groups[:-1]
    starts = np.flatnonzero(np.r_[True, is_new])
    counts = np.diff(np.r_[starts, len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, counts)


def distinct(texts: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """The distinct texts in order of appearance, and for each text which of them it is: (n,)."""
    place: dict[str, int] = {}
    index = [place.setdefault(text, len(place)) for text in texts]
    return list(place), np.array(index, dtype=np.int64)


def is_between(columns: np.ndarray, begin: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Which columns are in [begin, begin + count): (width,), (n,), (n,) -> (n, width) booleans."""
    begin = begin[:, None]
    end = begin + count[:, None]
    return (columns >= begin) & (columns < end)


def round_up(length: Any, multiple: int) -> Any:
    """The smallest multiple that is not below a length, or below each of an array."""
    return (length + multiple - 1) // multiple * multiple
