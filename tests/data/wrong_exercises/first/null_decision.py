"""The largest null score of the windows."""


def null_decision(null_scores, best_spans, threshold=0.0):
    spans = [span for span in best_spans if span]
    if not spans:
        return "", float("inf")
    score, text = max(spans, key=lambda span: span[0])
    odds = max(null_scores) - score
    return ("" if odds > threshold else text), odds
