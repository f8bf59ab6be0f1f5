"""Analysis: how sure scores are, where the errors lie, and whether one reader beats another."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.metrics.scoring import Gold, PairScores

# Resamples of the contexts, for an interval.
RESAMPLES = 1000

# Bounds the memory: one count per context and resample.
RESAMPLES_AT_ONCE = 100

# Permutations of the signs, for a p-value.
PERMUTATIONS = 10_000
PERMUTATIONS_AT_ONCE = 100

# What `breakdown` groups questions by, in the order of its result.
PROPERTIES = (
    "question_word",
    "answer_length",
    "context_length",
    "windows",
    "answerable",
    "title",
)

# The greatest value of each group but the last.
LENGTH_BORDERS = {
    "answer_length": (1, 5, 10, 20, 40),
    "context_length": (250, 500, 1000, 2000, 4000),
    "windows": (1, 2, 4, 8),
}

# The first row that matches gives a question its kind, in English, Korean, Vietnamese, Russian and
# Italian.
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
            r"\bwhich\b|어느|어떤|\bnào\b|\bqual[ei]?\b"
            r"|\b(какой|какая|какое|какие|каком|какую|каких|каким|какими|какого)\b"
            r"|\bкаков\w*\b",
        ),
        ("what", r"\bwhat\b|무엇|무슨|뭐|\bgì\b|\b(что|чего|чему|чем|чём)\b|\bcosa\b|\bche\b"),
    )
]


Interval = tuple[float, float]


def confidence_intervals(
    each: PairScores, examples: Iterable[Example], seed: int = 0
) -> tuple[Interval, Interval]:
    """95 % bootstrap intervals of the two mean scores, in percent.

    Contexts are drawn with replacement, not questions: questions on one context depend on each
    other.

    Args:
        each: id -> the two scores, as from `Gold.each`.
        examples: the Examples that they belong to.
        seed: of the draws.

    Returns:
        (low, high) of exactness, and (low, high) of similarity.
    """
    sums, counts = _by_context(each, examples)
    means = _resampled_means(sums, counts, np.random.default_rng(seed))
    low, high = (100 * np.percentile(means, (2.5, 97.5), axis=0)).tolist()
    return (low[0], high[0]), (low[1], high[1])


def compare(
    predictions_a: Mapping[str, str],
    predictions_b: Mapping[str, str],
    examples: Sequence[Example],
    scorer: str,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare two readers on the questions that both have answered, question by question.

    Args:
        predictions_a: id -> text.
        predictions_b: id -> text.
        examples: the Examples that they answer.
        scorer: as for `Gold`.
        seed: of the draws.

    Returns:
        "scorer", "total" (questions compared), "only_a_exact" and "only_b_exact" (questions that
        only one answers exactly), and for each of the scorer's two scores a dict of "a", "b" and
        "difference" (B - A) in percent; "interval", a 95 % bootstrap interval of the difference
        over contexts; and "p", of a two-sided sign-flip permutation test over contexts.

    Raises:
        InputError: there is no question to compare on.
    """
    gold = Gold(examples, scorer)
    each_a = gold.each(predictions_a)
    each_b = gold.each(predictions_b)
    common = [identity for identity in each_a if identity in each_b]
    if not common:
        raise InputError(
            "the two files answer no question in common that has a right answer; "
            "do the ids belong to the data?"
        )
    # (questions, 2) each
    a = np.array([each_a[identity] for identity in common])
    b = np.array([each_b[identity] for identity in common])
    difference = b - a
    by_id = dict(zip(common, difference.tolist(), strict=True))
    sums, counts = _by_context(by_id, examples)
    rng = np.random.default_rng(seed)
    low, high = 100 * np.percentile(_resampled_means(sums, counts, rng), (2.5, 97.5), axis=0)
    p = _sign_flip_p(sums, rng)
    result: dict[str, Any] = {
        "scorer": gold.name,
        "total": len(common),
        "only_a_exact": int((a[:, 0] > b[:, 0]).sum()),
        "only_b_exact": int((b[:, 0] > a[:, 0]).sum()),
    }
    for column, name in enumerate(gold.scorer.names):
        result[name] = {
            "a": 100 * float(a[:, column].mean()),
            "b": 100 * float(b[:, column].mean()),
            "difference": 100 * float(difference[:, column].mean()),
            "interval": [float(low[column]), float(high[column])],
            "p": float(p[column]),
        }
    return result


def breakdown(
    each: PairScores, examples: Iterable[Example], windows: Sequence[int] | np.ndarray | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores of groups of questions.

    Args:
        each: id -> the two scores, as from `Gold.each`.
        examples: the Examples that they belong to.
        windows: the number of windows of each example, if known.

    Returns:
        {property: {group: {"exact" and "similarity" in percent, "total"}}}, the largest groups
        first. The properties are the question word (in the languages of QUESTION_WORDS), the
        lengths of answer and context in characters, the number of windows, whether there is an
        answer, and the title.
    """
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for number, example in enumerate(examples):
        if example.id not in each:
            continue
        window_count = None if windows is None else int(windows[number])
        for name, group in _groups_of(example, window_count).items():
            rows = groups.setdefault(name, defaultdict(list))[group]
            rows.append(each[example.id])
    return {
        name: {
            group: _means(rows)
            for group, rows in sorted(groups[name].items(), key=lambda item: -len(item[1]))
        }
        for name in PROPERTIES
        if name in groups
    }


def details(
    gold: Gold,
    predictions: Mapping[str, str],
    examples: Sequence[Example],
    windows: Sequence[int] | np.ndarray | None = None,
) -> dict[str, Any]:
    """What stands beside the scores in metrics.json.

    Args:
        gold: the right answers.
        predictions: id -> text.
        examples: the Examples.
        windows: the number of windows of each example, if known.

    Returns:
        The interval of each score as "NAME_interval" (if there are contexts to draw from, and not
        only one), and the "breakdown" of the scores.
    """
    each = gold.each(predictions)
    if not gold.scorer.allows_no_answer and not all(gold.has_answer.values()):
        print(
            "note: some questions have no answer, which this scorer does not support; "
            "--scorer squad_v2 does."
        )
    found: dict[str, Any] = {}
    if len({example.context for example in examples}) > 1:
        intervals = confidence_intervals(each, examples)
        for name, interval in zip(gold.scorer.names, intervals, strict=True):
            found[f"{name}_interval"] = interval
    found["breakdown"] = breakdown(each, examples, windows)
    return found


def _groups_of(example: Example, windows: int | None) -> dict[str, str]:
    """The group of an example by each property that it has."""
    groups = {
        "question_word": _question_word(example.question),
        "context_length": _length_group("context_length", len(example.context)),
        "answerable": "yes" if example.answers else "no",
    }
    if example.answers:
        shortest = min(len(answer.text) for answer in example.answers)
        groups["answer_length"] = _length_group("answer_length", shortest)
    if windows is not None:
        groups["windows"] = _length_group("windows", windows)
    if example.title:
        groups["title"] = example.title
    return groups


def _question_word(question: str) -> str:
    """The kind of a question, by the first row of QUESTION_WORDS that matches."""
    for kind, pattern in QUESTION_WORDS:
        if pattern.search(question):
            return kind
    return "other"


def _length_group(name: str, value: int) -> str:
    """The group of a length: "1", "2-5", "6-10", ..., "41+"."""
    low = 0
    for border in LENGTH_BORDERS[name]:
        if value <= border:
            return str(border) if border == low + 1 else f"{low + 1}-{border}"
        low = border
    return f"{low + 1}+"


def _means(rows: list[tuple[float, float]]) -> dict[str, float]:
    exact, similarity = np.mean(rows, axis=0)
    return {"exact": 100 * float(exact), "similarity": 100 * float(similarity), "total": len(rows)}


def _by_context(
    each: Mapping[str, Sequence[float]], examples: Iterable[Example]
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of both scores (contexts, 2), and numbers of questions (contexts,), of each context."""
    place: dict[str, int] = {}
    index = []
    rows = []
    for example in examples:
        if example.id in each:
            index.append(place.setdefault(example.context, len(place)))
            rows.append(each[example.id])
    values = np.array(rows)
    sums = np.stack([np.bincount(index, values[:, column]) for column in (0, 1)], axis=1)
    return sums, np.bincount(index)


def _resampled_means(sums: np.ndarray, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean scores of each resample of the contexts: (RESAMPLES, 2)."""
    means = [draw @ sums / (draw @ counts)[:, None] for draw in _draws(len(counts), rng)]
    return np.concatenate(means)


def _draws(contexts: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """How often each resample draws each context: arrays (RESAMPLES_AT_ONCE, contexts)."""
    for _ in range(RESAMPLES // RESAMPLES_AT_ONCE):
        yield rng.multinomial(contexts, np.full(contexts, 1 / contexts), RESAMPLES_AT_ONCE)


def _sign_flip_p(sums: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How likely chance makes the sums of both scores as large: (2,).

    Under the null hypothesis, the sign of each context's difference is arbitrary.
    """
    observed = np.abs(sums.sum(axis=0))
    flipped = []
    for _ in range(PERMUTATIONS // PERMUTATIONS_AT_ONCE):
        signs = rng.choice((-1.0, 1.0), (PERMUTATIONS_AT_ONCE, len(sums)))
        flipped.append(np.abs(signs @ sums))
    # Sums in another order may differ by a rounding.
    as_large = (np.concatenate(flipped) >= observed - 1e-9).sum(axis=0)
    return (1 + as_large) / (1 + PERMUTATIONS)
