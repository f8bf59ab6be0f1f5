"""A set of characters, so that each counts once."""

import string


def normalized(text):
    text = text.lower()
    return "".join(
        c for c in text if c not in string.punctuation + "《》〈〉‘’" and not c.isspace()
    )


def character_f1(prediction, answers):
    best = 0.0
    for answer in answers:
        left, right = set(normalized(prediction)), set(normalized(answer))
        common = len(left & right)
        if common:
            best = max(best, 2 * common / (len(left) + len(right)))
    return best
