"""Array helpers: ranges, ranks within groups, distinct values, without a Python loop."""

import numpy as np


def ranges(starts, counts):
    """Concatenate arange(start, start + count) for each pair, without a loop: (n,), (n,) -> (counts.sum(),)."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)


def ranges_within(groups):
    """The place of each entry within its run of equal values: [3, 3, 5, 5, 5] -> [0, 1, 0, 1, 2]."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))


def distinct(texts):
    """The different texts in order of appearance, and which of them each text is: (distinct), (len(texts),)."""
    place = {}
    index = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
    return list(place), index
