"""Exercise 7: an answer, or none? Page: 06-decoding."""

from collections.abc import Sequence


def null_decision(
    null_scores: Sequence[float],
    best_spans: Sequence[tuple[float, str] | None],
    threshold: float = 0.0,
) -> tuple[str, float]:
    """Decide whether a question is answered, from all windows of its context.

    A window that does not hold the answer is sure that there is none, and it is right about
    itself. So the example's null score is that of the window that is least sure of it.

    Args:
        null_scores: of each window, the start logit plus the end logit of [CLS].
        best_spans: of each window, the score and the text of its best span; None where the window
            has no valid span, as when the question fills it.
        threshold: how much the null score must exceed the best span's score for the answer to be
            given up. It was chosen on validation data.

    Returns:
        answer: the text of the best span of all windows, or "" for no answer. Of equal scores the
            earlier window's span is better.
        null_odds: the example's null score less the best span's score; infinity if no window has
            a span, and then there is no answer.

    Raises:
        ValueError: a score is NaN.

    Careful:
        - Odds that equal the threshold do not exceed it.
        - The two scores can come from different windows.
        - `max` and `min` of numbers with a NaN among them depend on the order.
    """
    raise NotImplementedError("Find the null score and the best span of all windows; compare them.")
