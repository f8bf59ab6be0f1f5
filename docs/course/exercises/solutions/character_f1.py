"""Solution of exercise 8."""

import string
from collections import Counter
from collections.abc import Sequence

DROPPED = str.maketrans("", "", string.punctuation + "《》〈〉‘’")


def character_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best F1 of a prediction over the right answers, from 0 to 1."""
    predicted = normalized(prediction)
    return max(f1(predicted, normalized(answer)) for answer in answers)


def normalized(text: str) -> str:
    """The text in lower case, without punctuation and white space."""
    return "".join(text.lower().translate(DROPPED).split())


def f1(prediction: str, answer: str) -> float:
    """The F1 of two normalized texts."""
    # Of multisets: the smaller of the two counts of each character.
    common = (Counter(prediction) & Counter(answer)).total()
    if common == 0:
        return 0.0
    precision = common / len(prediction)
    recall = common / len(answer)
    return 2 * precision * recall / (precision + recall)
