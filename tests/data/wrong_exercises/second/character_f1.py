"""Counts words, as SQuAD does."""

import string
from collections import Counter


def words(text):
    return "".join(c for c in text.lower() if c not in string.punctuation + "《》〈〉‘’").split()


def character_f1(prediction, answers):
    best = 0.0
    for answer in answers:
        left, right = words(prediction), words(answer)
        common = sum((Counter(left) & Counter(right)).values())
        if common:
            best = max(best, 2 * common / (len(left) + len(right)))
    return best
