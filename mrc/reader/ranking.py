"""Spans of windows, ranked as answers."""

import numpy as np

from mrc.features.arrays import ranges_within
from mrc.reader.words import Words


def words_of(examples):
    """The Words of the distinct contexts, and which of them each example has (examples,)."""
    place = {}
    index = np.array(
        [place.setdefault(example.context, len(place)) for example in examples], dtype=np.int64
    )
    return Words(list(place)), index


def append_null(example, begin, end, score, null_score):
    """Add the empty answer of each example after its spans."""
    count = len(null_score)
    nothing = np.zeros(count, dtype=begin.dtype)
    return (
        np.append(example, np.arange(count)),
        np.append(begin, nothing),
        np.append(end, nothing),
        np.append(score, null_score),
    )


def answer_dicts(examples, example, begin, end, score, top_k):
    """The first top_k answers of each example as lists of dicts; a context without any span has the empty answer."""
    kept = ranges_within(example) < top_k
    answers = [[] for _ in examples]
    for e, b, c, p in zip(*(a[kept].tolist() for a in (example, begin, end, score))):
        answers[e].append({"score": p, "start": b, "end": c, "answer": examples[e].context[b:c]})
    return [found or [{"score": 0.0, "start": 0, "end": 0, "answer": ""}] for found in answers]
