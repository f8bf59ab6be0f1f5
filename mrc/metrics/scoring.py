"""Scores of predicted answers, equal to those of the data sets' official scripts to the last bit.

Each scorer has its own idea of when two answers are the same; values of different scorers must not be compared.
"""

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, partial, reduce
from operator import add

import numpy as np

from mrc.errors import InputError

ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


SQUAD_ARTICLES = re.compile(r"\b(a|an|the)\b")


KORQUAD_SYMBOLS = str.maketrans(dict.fromkeys("'\"《》<>〈〉()‘’", " "))


KLUE_SYMBOLS = re.compile(
    r"['\"《》<>〈〉]\(\)‘’"
)  # one symbol and then "()‘’", all in a row: as published


CJK_CHARACTER = re.compile("([\u4e00-\u9fa5])")


MLQA_ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "ال",  # anywhere: the other half of the published pattern, for word borders, cannot match
    "hi": None,
    "zh": None,
}


def normalize_squad(text):
    """Lower-case, drop ASCII punctuation, English articles and superfluous white space."""
    return " ".join(SQUAD_ARTICLES.sub(" ", text.lower().translate(ASCII_PUNCTUATION)).split())


def normalize_korquad(text):
    """Turn quotation marks and brackets into spaces, lower-case, drop ASCII punctuation and superfluous white space."""
    return " ".join(text.translate(KORQUAD_SYMBOLS).lower().translate(ASCII_PUNCTUATION).split())


def normalize_klue(text):
    """Lower-case, drop ASCII punctuation and superfluous white space (and the symbols of KLUE_SYMBOLS)."""
    return " ".join(KLUE_SYMBOLS.sub(" ", text.lower()).translate(ASCII_PUNCTUATION).split())


def normalize_mlqa(text, language):
    """Lower-case, drop all Unicode punctuation, the language's articles and superfluous white space.

    Chinese characters become words of their own.
    """
    text = text.lower().translate(_unicode_punctuation())
    if MLQA_ARTICLES[language]:
        text = re.sub(MLQA_ARTICLES[language], " ", text)
    if language == "zh":
        text = CJK_CHARACTER.sub(r" \1 ", text)
    return " ".join(text.split())


@cache
def _unicode_punctuation():
    """A translation that drops every character of a Unicode category P*, and ASCII punctuation."""
    every = map(chr, range(sys.maxunicode + 1))
    return str.maketrans(
        "",
        "",
        "".join(c for c in every if unicodedata.category(c).startswith("P")) + string.punctuation,
    )


def word_f1(predicted, gold):
    """F1 of two normalised texts as multisets of words; 0 where they share none."""
    return _multiset_f1(predicted.split(), gold.split())


def character_f1(predicted, gold):
    """F1 of two normalised texts as multisets of characters other than spaces; 0 where they share none."""
    return _multiset_f1(predicted.replace(" ", ""), gold.replace(" ", ""))


def word_f1_or_nothing(predicted, gold):
    """`word_f1`, but two texts of no words are the same: an unanswerable question is answered by nothing."""
    return word_f1(predicted, gold) if predicted and gold else float(predicted == gold)


def character_rouge_w(predicted, gold):
    """F-measure of the longest run of characters that two normalised texts share, spaces included."""
    if not gold:
        return float(predicted == gold)
    run = (
        SequenceMatcher(None, predicted, gold)
        .find_longest_match(0, len(predicted), 0, len(gold))
        .size
    )
    return _f_measure(run, len(predicted), len(gold))


def _multiset_f1(predicted, gold):
    return _f_measure(sum((Counter(predicted) & Counter(gold)).values()), len(predicted), len(gold))


def _f_measure(common, predicted, gold):
    if common == 0:
        return 0.0
    precision, recall = common / predicted, common / gold
    return 2 * precision * recall / (precision + recall)


def percent_one_by_one(values):
    """The mean in percent, added one by one: from Python 3.12 on `sum` compensates for rounding, and numpy adds in pairs."""
    return 100.0 * reduce(add, values) / len(values)


def percent_in_pairs(values):
    """The mean in percent, as numpy adds."""
    return 100.0 * float(np.mean(values))


@dataclass(frozen=True)
class Scorer:
    """How one official script compares answers.

    normalize: text -> text; similarity: two normalised texts -> 0 to 1; exact, soft_score: what metrics.json calls the share of
    equal answers and the mean similarity; allows_no_answer: questions may have no answer, which the empty text answers, and
    predictions that are missing are left out instead of counting as wrong; drops_empty: right answers that normalise to
    nothing do not count as answers; splits_by_answer: answerable and unanswerable questions are also reported apart;
    percent: the mean of a sequence of scores, which for bit equality has to be added in the script's order.
    """

    normalize: Callable[[str], str]
    similarity: Callable[[str, str], float]
    exact: str = "exact_match"
    soft_score: str = "f1"
    allows_no_answer: bool = False
    drops_empty: bool = False
    splits_by_answer: bool = False
    percent: Callable = percent_one_by_one


SCORERS = {
    "squad": Scorer(normalize_squad, word_f1),  # Rajpurkar et al. 2016, evaluate-v1.1.py
    # Rajpurkar et al. 2018, evaluate-v2.0.py
    "squad_v2": Scorer(
        normalize_squad,
        word_f1_or_nothing,
        exact="exact",
        allows_no_answer=True,
        drops_empty=True,
        splits_by_answer=True,
    ),
    "korquad": Scorer(normalize_korquad, character_f1),  # Lim et al. 2019, evaluate-korquad_v1.0.py
    # Park et al. 2021, KLUE-baseline
    "klue": Scorer(
        normalize_klue,
        character_rouge_w,
        soft_score="rouge_w",
        allows_no_answer=True,
        percent=percent_in_pairs,
    ),
    "xquad": Scorer(
        normalize_squad, word_f1
    ),  # Artetxe et al. 2020 score XQuAD by the script of SQuAD 1.1
    # Lewis et al. 2019, mlqa_evaluation_v1.py
    **{
        f"mlqa-{language}": Scorer(partial(normalize_mlqa, language=language), word_f1)
        for language in MLQA_ARTICLES
    },
}


SHORT_NAMES = {
    "exact_match": "EM",
    "exact": "EM",
    "f1": "F1",
    "rouge_w": "ROUGE-W",
}  # what tables for people call the scores


def choose_scorer(examples):
    """The scorer of a data set, told by its version ("KorQuAD_v1.0_dev"), its name (MLQA's say the context's language), or by questions marked as having no answer (squad_v2); else squad."""
    version, source = getattr(examples, "version", "").lower(), getattr(examples, "source", "")
    if "korquad" in version or "squad_kor" in version:
        return "korquad"
    if "klue" in version:
        return "klue"
    mlqa = re.search(
        r"(?:context-(?=\w\w-question)|mlqa\.(?=\w\w\.\w\w)|mlqa-translate-\w+\.)(\w\w)\b", source
    )
    if mlqa and mlqa[1] in MLQA_ARTICLES:
        return f"mlqa-{mlqa[1]}"
    return "squad_v2" if any(example.is_impossible for example in examples) else "squad"


class Gold:
    """The answers of the labelled examples, normalised once for one scorer.

    examples: Examples, those without a label being passed over; scorer: a name in SCORERS, or "auto" for what
    `choose_scorer` says. Raises InputError for another. `name` is the scorer's name, `scorer` what stands under it.
    """

    def __init__(self, examples, scorer="squad"):
        self.name = choose_scorer(examples) if scorer == "auto" else scorer
        if self.name not in SCORERS:
            raise InputError(f"scorer '{scorer}': choose one of {', '.join(SCORERS)}.")
        self.scorer = SCORERS[self.name]
        self.has_answer, self.answers = {}, {}  # by id, in the examples' order
        for example in examples:
            if example.is_labeled:
                texts = [self.scorer.normalize(answer.text) for answer in example.answers]
                if self.scorer.drops_empty:
                    texts = [text for text in texts if text]
                self.answers[example.id] = list(dict.fromkeys(texts)) or [""]
                self.has_answer[example.id] = bool(example.answers)

    def each(self, predictions):
        """{id: (exactness, similarity)}, each the best over the example's answers; predictions: id -> text."""
        scores = {}
        for identity, gold in self.answers.items():
            if identity in predictions:
                text = self.scorer.normalize(predictions[identity])
                scores[identity] = (
                    float(text in gold),
                    max(self.scorer.similarity(text, answer) for answer in gold),
                )
            elif not self.scorer.allows_no_answer:
                scores[identity] = (0.0, 0.0)
        return scores

    def score(self, predictions, null_odds=None, null_threshold=0.0):
        """The scores that the official script prints, in percent and unrounded; {} where nothing is labelled.

        predictions: id -> text. For squad_v2 also the scores of answerable (HasAns_) and unanswerable (NoAns_) questions.
        null_odds: id -> how much speaks for there being no answer (a probability, or null score less best score): where
        it exceeds `null_threshold` the prediction counts as empty, and the thresholds that would have been best are added.
        """
        raw = self.each(predictions)
        each = self.with_threshold(raw, null_odds, null_threshold) if null_odds else raw
        scores = self._average(each)
        if self.scorer.splits_by_answer and scores:
            for prefix, has_answer in (("HasAns_", True), ("NoAns_", False)):
                part = self._average(
                    {i: pair for i, pair in each.items() if self.has_answer[i] == has_answer}
                )
                scores.update({prefix + name: value for name, value in part.items()})
        if self.scorer.allows_no_answer and null_odds and scores:
            for column, name in enumerate((self.scorer.exact, self.scorer.soft_score)):
                best, threshold = self.best_threshold(
                    {i: pair[column] for i, pair in raw.items()}, predictions, null_odds
                )
                scores.update({f"best_{name}": best, f"best_{name}_thresh": threshold})
        return scores

    def with_threshold(self, each, null_odds, threshold):
        """Rescore as if the predictions whose null odds exceed the threshold were empty."""
        return {
            i: (float(not self.has_answer[i]),) * 2 if null_odds[i] > threshold else pair
            for i, pair in each.items()
        }

    def best_threshold(self, scores, predictions, null_odds, if_never=0.0):
        """The null threshold with the highest mean score, found in one sorted pass: (percent, threshold).

        scores: id -> score of the prediction where it is kept. As in evaluate-v2.0.py: of equally good thresholds the
        smallest; `if_never` where no threshold beats never giving an answer (the script says 0, which is no such threshold).
        """
        order = [i for i in sorted(null_odds, key=null_odds.get) if i in scores]
        gain = [scores[i] if self.has_answer[i] else -1.0 * bool(predictions[i]) for i in order]
        none_answered = sum(not has for has in self.has_answer.values())
        total = np.cumsum([float(none_answered), *gain])  # of the first k kept, for each k
        k = int(total.argmax())
        return 100.0 * float(total[k]) / len(scores), float(
            null_odds[order[k - 1]]
        ) if k else if_never

    def _average(self, each):
        if not each:
            return {}
        names = (self.scorer.exact, self.scorer.soft_score)
        means = {
            name: self.scorer.percent(column) for name, column in zip(names, zip(*each.values()))
        }
        return {**means, "total": len(each)}


def score(predictions, examples, scorer="squad", null_odds=None, null_threshold=0.0):
    """Score predictions (id -> text) once; see `Gold.score`."""
    return Gold(examples, scorer).score(predictions, null_odds, null_threshold)
