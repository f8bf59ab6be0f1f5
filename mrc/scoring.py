"""Scores of predicted answers, equal to those of the data sets' official scripts to the last bit.

Each scorer has its own idea of when two answers are the same; F1 values of different scorers must not be compared.
"""

import re
import string
from collections import Counter
from functools import reduce
from operator import add

from mrc.config import InputError

PUNCTUATION = str.maketrans("", "", string.punctuation)  # ASCII alone, as the official scripts have it
ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
KORQUAD_SYMBOLS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))


def normalize_squad(text):
    """Lower-case, drop ASCII punctuation, English articles and superfluous white space (SQuAD 1.1, evaluate-v1.1.py)."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def normalize_korquad(text):
    """Turn quotation marks and brackets into spaces, lower-case, drop ASCII punctuation and superfluous white space
    (KorQuAD 1.0, evaluate-korquad_v1.0.py)."""
    return " ".join(text.translate(KORQUAD_SYMBOLS).lower().translate(PUNCTUATION).split())


def words(normalized):
    return normalized.split()


def characters(normalized):
    return list(normalized.replace(" ", ""))


def overlap_f1(predicted, gold):
    """F1 of two lists of units (words or characters) as multisets; 0 where they share nothing."""
    common = sum((Counter(predicted) & Counter(gold)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


SCORERS = {  # name: (normalisation, units of F1)
    "squad": (normalize_squad, words),
    "squad_v2": (normalize_squad, words),
    "korquad": (normalize_korquad, characters),
}


def choose_scorer(examples):
    """What `--scorer auto` means for these examples: korquad where their file's version says so, squad_v2 where a
    question is marked as having no answer, else squad."""
    if "korquad" in getattr(examples, "version", "").lower():
        return "korquad"
    return "squad_v2" if any(example.is_impossible for example in examples) else "squad"


def score_each(predictions, examples, scorer):
    """Score every labelled example: {id: (exact match, F1)}, each in 0 to 1, the best over its answers.

    predictions: id -> text. Under "squad" and "korquad" a missing prediction scores 0; under "squad_v2" it is left out,
    as the official scripts do. A question without an answer is answered rightly by the empty text.
    """
    if scorer not in SCORERS:
        raise InputError(f"scorer '{scorer}': choose one of {', '.join(SCORERS)}.")
    normalize, units = SCORERS[scorer]
    scores = {}
    for example in examples:
        if not example.is_labelled:
            continue
        if example.id not in predictions:
            if scorer != "squad_v2":
                scores[example.id] = (0.0, 0.0)
            continue
        gold = [normalize(answer.text) for answer in example.answers]
        if scorer == "squad_v2" or not gold:
            gold = [answer for answer in gold if answer] or [""]
        prediction = normalize(predictions[example.id])
        exact = float(prediction in gold)
        predicted_units = units(prediction)
        f1 = max(_f1(predicted_units, units(answer), scorer) for answer in gold)
        scores[example.id] = (exact, f1)
    return scores


def _f1(predicted, gold, scorer):
    if scorer == "squad_v2" and not (predicted and gold):
        return float(predicted == gold)  # "no answer" has no words to share
    return overlap_f1(predicted, gold)


def score(predictions, examples, scorer="squad"):
    """Score predictions (id -> text) as the official script of the scorer's data set does.

    "squad" (Rajpurkar et al. 2016) and "korquad" (Lim et al. 2019): exact_match, f1, total. "squad_v2" (Rajpurkar et al.
    2018): exact, f1, total, and the same with HasAns_ and NoAns_ before them for the questions that have an answer and
    that have none. Percentages, unrounded. An empty dict where no example is labelled.
    """
    each = score_each(predictions, examples, scorer)
    if scorer != "squad_v2":
        return _average(each.values(), "exact_match")
    impossible = {example.id for example in examples if not any(normalize_squad(answer.text) for answer in example.answers)}
    scores = _average(each.values(), "exact")
    for prefix, kept in (("HasAns_", each.keys() - impossible), ("NoAns_", each.keys() & impossible)):
        part = _average([each[i] for i in each if i in kept], "exact")
        scores.update({prefix + name: value for name, value in part.items()})
    return scores


def _average(pairs, exact_name):
    pairs = list(pairs)
    if not pairs:
        return {}
    # Summed one by one, as the official scripts do: `sum` compensates for rounding from Python 3.12 on.
    exact, f1 = (reduce(add, column) for column in zip(*pairs))
    return {exact_name: 100.0 * exact / len(pairs), "f1": 100.0 * f1 / len(pairs), "total": len(pairs)}
