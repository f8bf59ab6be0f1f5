"""Confidence: how sure scores are, and whether one reader beats another."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.metrics.scoring import Gold, PairScores

Interval = tuple[float, float]

# Standard deviations of a normal distribution to each side that hold 95 % of it.
Z = NormalDist().inv_cdf(0.975)

# Resamples of the contexts, for an interval.
RESAMPLES = 1000

# Bounds the memory: one count per context and resample.
RESAMPLES_AT_ONCE = 100

# Sums in another order may differ by a rounding.
ROUNDING = 1e-9

# Permutations of the signs, for a p-value.
PERMUTATIONS = 10_000
PERMUTATIONS_AT_ONCE = 100


def confidence_intervals(
    each: PairScores, examples: Iterable[Example], seed: int = 0
) -> tuple[Interval, Interval]:
    """95 % intervals of the two mean scores, in percent.

    They are bootstrap intervals: contexts are drawn with replacement, not questions, since
    questions on one context depend on each other. If all contexts score the same, as at 0 and 100,
    every draw does too, which says nothing about other contexts: `wilson_interval` then takes the
    bootstrap's place.

    Args:
        each: id -> the two scores, as from `Gold.each`.
        examples: the Examples that they belong to.
        seed: of the draws.

    Returns:
        (low, high) of exactness, and (low, high) of similarity.
    """
    sums, counts = _by_context(each, examples)
    resampled = _resampled_means(sums, counts, np.random.default_rng(seed))
    exact = _interval(sums[:, 0] / counts, resampled[:, 0])
    similarity = _interval(sums[:, 1] / counts, resampled[:, 1])
    return exact, similarity


def wilson_interval(mean: float, count: int) -> Interval:
    """The 95 % score interval of a share, which has a width at 0 and 1 too.

    For the mean of values between 0 and 1 it is on the safe side: of all such values, those that
    are 0 or 1 vary the most.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference;
    recommended for shares near 0 and 1 by Brown, Cai and DasGupta 2001, Interval estimation for a
    binomial proportion.

    Args:
        mean: between 0 and 1.
        count: of independent observations.

    Returns:
        (low, high), between 0 and 1.
    """
    z2 = Z**2
    center = mean + z2 / (2 * count)
    radius = Z * math.sqrt(mean * (1 - mean) / count + z2 / (4 * count**2))
    scale = 1 + z2 / count
    return max(0.0, (center - radius) / scale), min(1.0, (center + radius) / scale)


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
    by_id = dict(zip(common, (b - a).tolist(), strict=True))
    sums, counts = _by_context(by_id, examples)
    rng = np.random.default_rng(seed)
    # (low and high, 2 scores)
    intervals = np.percentile(_resampled_means(sums, counts, rng), (2.5, 97.5), axis=0)
    p = _sign_flip_p(sums, rng)
    result: dict[str, Any] = {
        "scorer": gold.name,
        "total": len(common),
        "only_a_exact": int((a[:, 0] > b[:, 0]).sum()),
        "only_b_exact": int((b[:, 0] > a[:, 0]).sum()),
    }
    for column, name in enumerate(gold.scorer.names):
        result[name] = {
            **_means(a[:, column], b[:, column]),
            "interval": (100 * intervals[:, column]).tolist(),
            "p": float(p[column]),
        }
    return result


def _means(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """The means of one score (questions,) of both readers and of its difference, in percent."""
    return {
        "a": 100 * float(a.mean()),
        "b": 100 * float(b.mean()),
        "difference": 100 * float((b - a).mean()),
    }


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


def _interval(means: np.ndarray, resampled: np.ndarray) -> Interval:
    """The interval of one score in percent, from its means by context and by resample."""
    if np.ptp(means) < ROUNDING:
        # Where the questions of a context always agree, the effective sample size (Korn and
        # Graubard 1998, Confidence intervals for proportions) is the number of contexts.
        low, high = wilson_interval(float(means[0]), len(means))
    else:
        low, high = np.percentile(resampled, (2.5, 97.5)).tolist()
    return 100 * low, 100 * high


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
    as_large = (np.concatenate(flipped) >= observed - ROUNDING).sum(axis=0)
    return (1 + as_large) / (1 + PERMUTATIONS)
