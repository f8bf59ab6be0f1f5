"""The null score of the window with the best span, and a threshold that includes itself."""


def null_decision(null_scores, best_spans, threshold=0.0):
    pairs = [(null, *span) for null, span in zip(null_scores, best_spans, strict=True) if span]
    if not pairs:
        return "", float("inf")
    null, score, text = max(pairs, key=lambda pair: pair[1])
    odds = null - score
    return ("" if odds >= threshold else text), odds
