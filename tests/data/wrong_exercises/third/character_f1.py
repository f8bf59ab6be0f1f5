"""Counts spaces within the text as characters, and gives 1 to two empty texts."""

import string
from collections import Counter


def normalized(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation + "《》〈〉‘’")
    return " ".join(text.split())


def character_f1(prediction, answers):
    best = 0.0
    for answer in answers:
        left, right = normalized(prediction), normalized(answer)
        if left == right:
            return 1.0
        common = sum((Counter(left) & Counter(right)).values())
        if common:
            best = max(best, 2 * common / (len(left) + len(right)))
    return best
