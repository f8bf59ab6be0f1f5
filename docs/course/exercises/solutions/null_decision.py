"""Solution of exercise 7."""

import math
from collections.abc import Sequence


def null_decision(
    null_scores: Sequence[float],
    best_spans: Sequence[tuple[float, str] | None],
    threshold: float = 0.0,
) -> tuple[str, float]:
    """Decide whether a question is answered, from all windows of its context."""
    spans = [span for span in best_spans if span is not None]
    scores = [score for score, _ in spans]
    if any(math.isnan(score) for score in [*null_scores, *scores]):
        raise ValueError("A score is NaN.")
    if not spans:
        return "", math.inf

    # Of equals, `max` takes the first. Of tuples it would compare the texts, too.
    best_score, text = max(spans, key=lambda span: span[0])
    null_odds = min(null_scores) - best_score
    answer = "" if null_odds > threshold else text
    return answer, null_odds
