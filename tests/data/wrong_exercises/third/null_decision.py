"""Sorts pairs of score and text, so that texts decide between equal scores; looks at no NaN."""


def null_decision(null_scores, best_spans, threshold=0.0):
    spans = sorted(span for span in best_spans if span)
    if not spans:
        return "", float("inf")
    score, text = spans[-1]
    odds = min(null_scores) - score
    return ("" if odds > threshold else text), odds
