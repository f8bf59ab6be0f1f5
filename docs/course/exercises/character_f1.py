"""Exercise 8: the F1 of two answers by characters, as KorQuAD counts it. Page: 07-scores."""

from collections.abc import Sequence


def character_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best F1 of a prediction over the right answers, from 0 to 1.

    Both texts are normalized: they are lower-cased, and white space of any kind, ASCII punctuation
    (`string.punctuation`) and the characters 《 》 〈 〉 ‘ ’ are dropped. Nothing else is. Articles
    stay, for Korean has none.

    The F1 of two normalized texts is the harmonic mean of precision and recall:
        common = how many characters they share; one that is twice in both is shared twice
        precision = common / characters of the prediction
        recall = common / characters of the answer

    Args:
        prediction: what the model answered; can be empty.
        answers: the right answers, at least one.

    Returns:
        The largest F1. Where no character is shared it is 0, also for two empty texts, as in the
        official script.

    Careful:
        - "대한민국" and "대한 민국" are equal: spaces in Korean are a matter of taste.
        - The order of the characters does not matter, their number does.
        - White space is more than " ": tabs, line ends and the wide space U+3000, for example.
    """
    raise NotImplementedError("Normalize both texts, count common characters, return the best F1.")
