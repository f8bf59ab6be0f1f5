"""Merging: from the spans of features to the n best spans of examples, in flat arrays."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrc.features.arrays import ranges_within


class FeatureSpans(NamedTuple):
    """Spans of features, one entry each: the feature, characters [begin, end) and the logits."""

    feature: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    start_logit: np.ndarray
    end_logit: np.ndarray


@dataclass
class RankedSpans:
    """The n best spans of each example, those of one example together and best first.

    Attributes, with one entry a span:
        example: its example, ascending.
        begin, end: its characters [begin, end) in the context.
        start_logit, end_logit: its logits.
        probability: its share of the softmax over the example's spans (and the empty answer).

    With one entry an example:
        null_probability: the share of the empty answer.
        null_odds: null score less the best span's score; None where every question has an answer.
    """

    example: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    start_logit: np.ndarray
    end_logit: np.ndarray
    probability: np.ndarray
    null_probability: np.ndarray
    null_odds: np.ndarray | None


def merge_spans(
    spans: FeatureSpans,
    example_index: np.ndarray,
    *,
    examples: int,
    n_best: int,
    null_scores: np.ndarray | None = None,
) -> RankedSpans:
    """Merge the spans of each example's features and keep the n best.

    Args:
        spans: of all features, in any order of the features, best first within each.
        example_index: (features,), the example of each.
        examples: their number.
        n_best: spans to keep of each example. The empty answer is one of them if it scores so;
            otherwise it comes in addition, as in the reference recipe.
        null_scores: (features,) float32, or None where every question has an answer.
    """
    example = example_index[spans.feature]
    score = spans.start_logit + spans.end_logit
    order = _best_first(spans.feature, example, score)
    example = example[order]
    score = score[order]

    null_score = np.full(examples, -np.inf, dtype=np.float32)
    room = np.full(examples, n_best)
    if null_scores is not None:
        # Of the features of an example, the one that is least sure of there being no answer.
        null_score[:] = np.inf
        np.minimum.at(null_score, example_index, null_scores)
        ahead_of_null = np.bincount(example, score >= null_score[example], minlength=examples)
        room -= ahead_of_null < n_best
    kept = ranges_within(example) < room[example]

    best = np.full(examples, -np.inf, dtype=np.float32)
    np.maximum.at(best, example, score)
    probability, null_probability = _softmax(example[kept], score[kept], best, null_score)
    order = order[kept]
    return RankedSpans(
        example=example[kept],
        begin=spans.begin[order],
        end=spans.end[order],
        start_logit=spans.start_logit[order],
        end_logit=spans.end_logit[order],
        probability=probability,
        null_probability=null_probability,
        # The largest finite number where an example has no span at all.
        null_odds=None if null_scores is None else np.nan_to_num(null_score - best),
    )


def _best_first(feature: np.ndarray, example: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The order by example, then score; of equals the earlier feature, in it the earlier span."""
    in_order = np.argsort(feature, kind="stable")
    return in_order[np.lexsort((-score[in_order], example[in_order]))]


def _softmax(
    example: np.ndarray, score: np.ndarray, best: np.ndarray, null_score: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the spans (spans,) and of the empty answers (examples,), in float64."""
    top = np.maximum(best, null_score)
    # No span and no empty answer: nothing to weigh.
    top[np.isinf(top)] = 0.0
    weight = np.exp((score - top[example]).astype(np.float64))
    null_weight = np.exp((null_score - top).astype(np.float64))
    total = np.bincount(example, weight, minlength=len(best)) + null_weight
    total[total == 0] = 1.0
    return weight / total[example], null_weight / total
