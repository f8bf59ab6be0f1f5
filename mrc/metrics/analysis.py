"""What scores hide: how sure they are, where the errors lie, and whether one reader is better than another."""

import re
from collections import defaultdict

import numpy as np

from mrc.errors import InputError
from mrc.metrics.scoring import Gold

RESAMPLES = 1000  # of the contexts, for an interval


RESAMPLES_AT_ONCE = 100  # bounds the memory: one count a context and resample


PERMUTATIONS = 10_000  # of the signs, for a p-value


LENGTH_BORDERS = {
    "answer_length": (1, 5, 10, 20, 40),
    "context_length": (250, 500, 1000, 2000, 4000),
    "windows": (1, 2, 4, 8),
}


# The first row that matches gives a question its kind: English, Korean, Vietnamese, Russian, Italian.
QUESTION_WORDS = [
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("how many", r"\bhow (many|much)\b|몇|얼마|\b(bao nhiêu|mấy)\b|\bскольк|\bquant[oiae]\b"),
        ("who", r"\bwho(m|se)?\b|누구|누가|\bai\b|\b(кто|кого|кому|кем|ком)\b|\bchi\b"),
        ("when", r"\bwhen\b|언제|\b(khi nào|lúc nào|năm nào|ngày nào)\b|\bкогда\b|\bquando\b"),
        ("where", r"\bwhere\b|어디|\b(ở )?đâu\b|\b(где|куда|откуда)\b|\bdove\b"),
        ("why", r"\bwhy\b|왜|\b(tại sao|vì sao)\b|\b(почему|зачем)\b|\bperché\b"),
        ("how", r"\bhow\b|어떻게|\b(thế nào|làm sao)\b|\bкак\b|\bcome\b"),
        (
            "which",
            r"\bwhich\b|어느|어떤|\bnào\b|\b(какой|какая|какое|какие|каком|какую|каких|каким|какими|какого|каков\w*)\b|\bqual[ei]?\b",
        ),
        ("what", r"\bwhat\b|무엇|무슨|뭐|\bgì\b|\b(что|чего|чему|чем|чём)\b|\bcosa\b|\bche\b"),
    )
]


def confidence_intervals(each, examples, seed=0):
    """95 % bootstrap intervals of the mean scores, in percent: ((low, high), (low, high)) for exactness and similarity.

    Contexts are drawn with replacement, not questions: questions on one context are not independent.
    each: {id: (exactness, similarity)}, as from `Gold.each`.
    """
    sums, counts = _by_context(each, examples)
    means = np.concatenate(
        [
            draw @ sums / (draw @ counts)[:, None]
            for draw in _draws(len(counts), np.random.default_rng(seed))
        ]
    )
    return tuple(
        tuple(column) for column in (100 * np.percentile(means, (2.5, 97.5), axis=0)).T.tolist()
    )


def compare(predictions_a, predictions_b, examples, scorer, seed=0):
    """A paired comparison of two readers' predictions (id -> text) on the same examples; scorer: as for `Gold`.

    Returns, for the scorer's two scores: both values and their difference B - A in percent, a 95 % bootstrap interval
    of the difference over contexts, and the p-value of a two-sided sign-flip permutation test over contexts; and how many
    questions only A and only B answers exactly. Raises InputError if there is no question to compare on.
    """
    gold, rng = Gold(examples, scorer), np.random.default_rng(seed)
    each_a, each_b = gold.each(predictions_a), gold.each(predictions_b)
    common = [i for i in each_a if i in each_b]
    if not common:
        raise InputError(
            "the two files answer no question in common that has a right answer; do the ids belong to the data?"
        )
    a, b = (
        np.array([each_a[i] for i in common]),
        np.array([each_b[i] for i in common]),
    )  # (questions, 2)
    sums, counts = _by_context(dict(zip(common, (b - a).tolist())), examples)
    draws = np.concatenate(
        [draw @ sums / (draw @ counts)[:, None] for draw in _draws(len(counts), rng)]
    )
    low, high = 100 * np.percentile(draws, (2.5, 97.5), axis=0)
    observed = np.abs(sums.sum(axis=0))
    flipped = np.concatenate(
        [
            np.abs(rng.choice((-1.0, 1.0), (PERMUTATIONS // 100, len(counts))) @ sums)
            for _ in range(100)
        ]
    )
    p = (1 + (flipped >= observed - 1e-9).sum(axis=0)) / (1 + PERMUTATIONS)
    result = {
        "scorer": gold.name,
        "total": len(common),
        "only_a_exact": int((a[:, 0] > b[:, 0]).sum()),
        "only_b_exact": int((b[:, 0] > a[:, 0]).sum()),
    }
    for column, name in enumerate((gold.scorer.exact, gold.scorer.soft_score)):
        result[name] = {
            "a": 100 * float(a[:, column].mean()),
            "b": 100 * float(b[:, column].mean()),
            "difference": 100 * float((b - a)[:, column].mean()),
            "interval": [float(low[column]), float(high[column])],
            "p": float(p[column]),
        }
    return result


def breakdown(each, examples, windows=None):
    """Mean scores of groups of questions: {property: {group: {"exact", "similarity" in percent, "total"}}}.

    Properties: question word (in the languages of QUESTION_WORDS), answer and context length in characters, number of
    windows (where `windows`, one count an example, is given), whether there is an answer, title.
    """
    groups = {
        name: defaultdict(list)
        for name in (
            "question_word",
            "answer_length",
            "context_length",
            "windows",
            "answerable",
            "title",
        )
    }
    for number, example in enumerate(examples):
        if example.id not in each:
            continue
        has_answer = bool(example.answers)
        places = {
            "question_word": next(
                (kind for kind, pattern in QUESTION_WORDS if pattern.search(example.question)),
                "other",
            ),
            "answer_length": _bin("answer_length", min(len(a.text) for a in example.answers))
            if has_answer
            else None,
            "context_length": _bin("context_length", len(example.context)),
            "windows": _bin("windows", int(windows[number])) if windows is not None else None,
            "answerable": "yes" if has_answer else "no",
            "title": example.title or None,
        }
        for name, group in places.items():
            if group is not None:
                groups[name][group].append(each[example.id])
    return {
        name: {
            group: _means(rows)
            for group, rows in sorted(by_group.items(), key=lambda item: -len(item[1]))
        }
        for name, by_group in groups.items()
        if by_group
    }


def _by_context(each, examples):
    """Sums of both scores and numbers of questions of each distinct context: (contexts, 2), (contexts,)."""
    place = {}
    rows = [(example.context, each[example.id]) for example in examples if example.id in each]
    index = np.array([place.setdefault(context, len(place)) for context, _ in rows])
    values = np.array([pair for _, pair in rows])
    sums = np.stack([np.bincount(index, values[:, column]) for column in (0, 1)], axis=1)
    return sums, np.bincount(index)


def _draws(contexts, rng):
    """How often each context is drawn in each of RESAMPLES resamples: arrays (RESAMPLES_AT_ONCE, contexts)."""
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        yield rng.multinomial(contexts, np.full(contexts, 1 / contexts), RESAMPLES_AT_ONCE)


def _bin(name, value):
    """The group of a length: "1", "2-5", "6-10", ..., "41+"."""
    low = 0
    for border in LENGTH_BORDERS[name]:
        if value <= border:
            return str(border) if border == low + 1 else f"{low + 1}-{border}"
        low = border
    return f"{low + 1}+"


def _means(rows):
    exact, similarity = np.mean(rows, axis=0)
    return {"exact": 100 * float(exact), "similarity": 100 * float(similarity), "total": len(rows)}


def details(gold, predictions, examples, windows=None):
    """What stands beside the scores in metrics.json: their intervals, and the scores of groups of questions."""
    from mrc.metrics.analysis import breakdown, confidence_intervals

    each = gold.each(predictions)
    if not gold.scorer.allows_no_answer and not all(gold.has_answer.values()):
        print(
            "note: some questions have no answer, which this scorer does not know of; --scorer squad_v2 does."
        )
    intervals = ()
    if len({example.context for example in examples}) > 1:  # of one context nothing can be drawn
        intervals = zip(
            (gold.scorer.exact, gold.scorer.soft_score), confidence_intervals(each, examples)
        )
    return {
        **{f"{name}_interval": interval for name, interval in intervals},
        "breakdown": breakdown(each, examples, windows),
    }
