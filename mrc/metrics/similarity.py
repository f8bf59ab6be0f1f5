"""Similarity of two normalized answers, from 0 to 1, as the official scripts compute it."""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher


def word_f1(predicted: str, gold: str) -> float:
    """F1 of two texts as multisets of words; 0 where they share none."""
    return _multiset_f1(predicted.split(), gold.split())


def word_f1_or_nothing(predicted: str, gold: str) -> float:
    """`word_f1`, but two empty texts are the same: "" answers an unanswerable question."""
    if predicted and gold:
        return word_f1(predicted, gold)
    return float(predicted == gold)


def character_f1(predicted: str, gold: str) -> float:
    """F1 of two texts as multisets of characters other than spaces; 0 where they share none."""
    return _multiset_f1(predicted.replace(" ", ""), gold.replace(" ", ""))


def character_rouge_w(predicted: str, gold: str) -> float:
    """F-measure of the longest run of characters that two texts share, spaces included."""
    if not gold:
        return float(predicted == gold)
    matcher = SequenceMatcher(None, predicted, gold)
    run = matcher.find_longest_match(0, len(predicted), 0, len(gold)).size
    return _f_measure(run, len(predicted), len(gold))


def _multiset_f1(predicted: Sequence[str], gold: Sequence[str]) -> float:
    common = Counter(predicted) & Counter(gold)
    return _f_measure(sum(common.values()), len(predicted), len(gold))


def _f_measure(common: int, predicted: int, gold: int) -> float:
    """F-measure of what two sequences of these lengths have in common."""
    if common == 0:
        return 0.0
    precision = common / predicted
    recall = common / gold
    return 2 * precision * recall / (precision + recall)
