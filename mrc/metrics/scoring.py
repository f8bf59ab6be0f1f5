"""Scores of predicted answers, equal to those of the official scripts to the last bit.

Each scorer has its own idea of when two answers are the same; never compare the values of
different scorers.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import numpy as np

from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.metrics.normalization import (
    MLQA_ARTICLES,
    normalize_klue,
    normalize_korquad,
    normalize_mlqa,
    normalize_squad,
)
from mrc.metrics.similarity import (
    character_f1,
    character_rouge_w,
    word_f1,
    word_f1_or_nothing,
)

# By id: whether the prediction equals a right answer (1.0 or 0.0), and its similarity to one.
PairScores = dict[str, tuple[float, float]]

# What tables for people call the scores.
SHORT_NAMES = {"exact_match": "EM", "exact": "EM", "f1": "F1", "rouge_w": "ROUGE-W"}

# The names of MLQA's files say the language of the contexts.
MLQA_NAME = re.compile(
    r"(?:context-(?=\w\w-question)|mlqa\.(?=\w\w\.\w\w)|mlqa-translate-\w+\.)(\w\w)\b"
)


def percent_one_by_one(values: Sequence[float]) -> float:
    """The mean in percent, added one by one.

    From Python 3.12 on, `sum` compensates for rounding; numpy adds in pairs.
    """
    return 100.0 * reduce(add, values) / len(values)


def percent_in_pairs(values: Sequence[float]) -> float:
    """The mean in percent, as numpy adds."""
    return 100.0 * float(np.mean(values))


@dataclass(frozen=True)
class Scorer:
    """How one official script compares answers.

    Args:
        normalize: text -> text, applied to predictions and right answers.
        similarity: two normalized texts -> 0 to 1.
        exact: what the script calls the share of predictions that equal a right answer.
        soft_score: what it calls the mean similarity, which gives partial credit.
        allows_no_answer: questions may have no answer, which the empty text answers; missing
            predictions are left out instead of counting as wrong.
        drops_empty: right answers that normalize to nothing do not count as answers.
        splits_by_answer: answerable and unanswerable questions are also reported apart.
        percent: the mean of a sequence of scores, added in the script's order for bit equality.
    """

    normalize: Callable[[str], str]
    similarity: Callable[[str, str], float]
    exact: str = "exact_match"
    soft_score: str = "f1"
    allows_no_answer: bool = False
    drops_empty: bool = False
    splits_by_answer: bool = False
    percent: Callable[[Sequence[float]], float] = percent_one_by_one

    @property
    def names(self) -> tuple[str, str]:
        """The names of the two scores."""
        return self.exact, self.soft_score


SCORERS = {
    # Rajpurkar et al. 2016, evaluate-v1.1.py
    "squad": Scorer(normalize_squad, word_f1),
    # Rajpurkar et al. 2018, evaluate-v2.0.py
    "squad_v2": Scorer(
        normalize_squad,
        word_f1_or_nothing,
        exact="exact",
        allows_no_answer=True,
        drops_empty=True,
        splits_by_answer=True,
    ),
    # Lim et al. 2019, evaluate-korquad_v1.0.py
    "korquad": Scorer(normalize_korquad, character_f1),
    # Park et al. 2021, KLUE-baseline
    "klue": Scorer(
        normalize_klue,
        character_rouge_w,
        soft_score="rouge_w",
        allows_no_answer=True,
        percent=percent_in_pairs,
    ),
    # Artetxe et al. 2020 score XQuAD by the script of SQuAD 1.1.
    "xquad": Scorer(normalize_squad, word_f1),
    # Lewis et al. 2019, mlqa_evaluation_v1.py
    **{
        f"mlqa-{language}": Scorer(partial(normalize_mlqa, language=language), word_f1)
        for language in MLQA_ARTICLES
    },
}


def choose_scorer(examples: Iterable[Example]) -> str:
    """The scorer that fits a data set, by name.

    A KorQuAD or KLUE file says so in its version, an MLQA file in its name. Otherwise it is
    squad_v2 if some question is marked as having no answer, and squad if none is.
    """
    version = getattr(examples, "version", "").lower()
    source = getattr(examples, "source", "")
    if "korquad" in version or "squad_kor" in version:
        return "korquad"
    if "klue" in version:
        return "klue"
    mlqa = MLQA_NAME.search(source)
    if mlqa and mlqa[1] in MLQA_ARTICLES:
        return f"mlqa-{mlqa[1]}"
    return "squad_v2" if any(example.is_impossible for example in examples) else "squad"


class Gold:
    """The right answers of the labeled examples, normalized once for one scorer.

    Args:
        examples: Examples; those without a label are passed over.
        scorer: a name in SCORERS, or "auto" for what `choose_scorer` says.

    Attributes:
        name: the scorer's name.
        scorer: the Scorer.
        answers: id -> the normalized answers, in the examples' order.
        has_answer: id -> whether the question has an answer.

    Raises:
        InputError: there is no such scorer.
    """

    def __init__(self, examples: Iterable[Example], scorer: str = "squad") -> None:
        self.name = choose_scorer(examples) if scorer == "auto" else scorer
        if self.name not in SCORERS:
            raise InputError(f"scorer '{scorer}': choose one of {', '.join(SCORERS)}.")
        self.scorer = SCORERS[self.name]
        self.has_answer: dict[str, bool] = {}
        self.answers: dict[str, list[str]] = {}
        for example in examples:
            if example.is_labeled:
                self.answers[example.id] = self._normalized(example)
                self.has_answer[example.id] = bool(example.answers)

    def each(self, predictions: Mapping[str, str]) -> PairScores:
        """Score each prediction (id -> text): the best over the example's right answers."""
        scores = {}
        for identity, gold in self.answers.items():
            if identity in predictions:
                text = self.scorer.normalize(predictions[identity])
                similarity = max(self.scorer.similarity(text, answer) for answer in gold)
                scores[identity] = (float(text in gold), similarity)
            elif not self.scorer.allows_no_answer:
                scores[identity] = (0.0, 0.0)
        return scores

    def score(
        self,
        predictions: Mapping[str, str],
        null_odds: Mapping[str, float] | None = None,
        null_threshold: float = 0.0,
    ) -> dict[str, float]:
        """The scores that the official script prints, in percent and not rounded.

        Args:
            predictions: id -> text.
            null_odds: id -> how much speaks for no answer: a probability, or the null score less
                the best span's score.
            null_threshold: where the odds exceed it, the prediction counts as empty.

        Returns:
            The scorer's two scores and "total", their number; for squad_v2 also those of
            answerable (HasAns_) and unanswerable (NoAns_) questions; with `null_odds` also the
            best scores over all thresholds (best_) and their thresholds. {} if nothing is labeled.
        """
        raw = self.each(predictions)
        each = self.with_threshold(raw, null_odds, null_threshold) if null_odds else raw
        scores = self._average(each)
        if self.scorer.splits_by_answer and scores:
            for prefix, has_answer in (("HasAns_", True), ("NoAns_", False)):
                part = {i: pair for i, pair in each.items() if self.has_answer[i] == has_answer}
                for name, value in self._average(part).items():
                    scores[prefix + name] = value
        if self.scorer.allows_no_answer and null_odds and scores:
            for column, name in enumerate(self.scorer.names):
                kept = {i: pair[column] for i, pair in raw.items()}
                best, threshold = self.best_threshold(kept, predictions, null_odds)
                scores[f"best_{name}"] = best
                scores[f"best_{name}_thresh"] = threshold
        return scores

    def with_threshold(
        self, each: PairScores, null_odds: Mapping[str, float], threshold: float
    ) -> PairScores:
        """Rescore as if the predictions whose null odds exceed the threshold were empty."""
        rescored = {}
        for identity, pair in each.items():
            if null_odds[identity] > threshold:
                score_of_nothing = float(not self.has_answer[identity])
                pair = (score_of_nothing, score_of_nothing)
            rescored[identity] = pair
        return rescored

    def best_threshold(
        self,
        scores: Mapping[str, float],
        predictions: Mapping[str, str],
        null_odds: Mapping[str, float],
        if_never: float = 0.0,
    ) -> tuple[float, float]:
        """The highest mean score over all null thresholds, and the threshold that gives it.

        Found in one sorted pass, as in evaluate-v2.0.py.

        Args:
            scores: id -> score of the prediction if it is kept.
            predictions: id -> text.
            null_odds: id -> odds.
            if_never: the threshold if giving no answer at all is best. The script says 0, which
                is no such threshold.

        Returns:
            The score in percent, and of equally good thresholds the smallest.
        """
        order = [i for i in sorted(null_odds, key=null_odds.__getitem__) if i in scores]
        # What keeping a prediction adds, against giving no answer.
        gain = [scores[i] if self.has_answer[i] else -float(bool(predictions[i])) for i in order]
        unanswerable = sum(not has_answer for has_answer in self.has_answer.values())
        # The sum of scores if the first k predictions are kept, for each k.
        total = np.cumsum([float(unanswerable), *gain])
        k = int(total.argmax())
        threshold = float(null_odds[order[k - 1]]) if k else if_never
        return 100.0 * float(total[k]) / len(scores), threshold

    def _normalized(self, example: Example) -> list[str]:
        """The distinct normalized answers of an example; the empty text if it has none."""
        texts = [self.scorer.normalize(answer.text) for answer in example.answers]
        if self.scorer.drops_empty:
            texts = [text for text in texts if text]
        return list(dict.fromkeys(texts)) or [""]

    def _average(self, each: PairScores) -> dict[str, float]:
        if not each:
            return {}
        exact, soft = zip(*each.values(), strict=True)
        return {
            self.scorer.exact: self.scorer.percent(exact),
            self.scorer.soft_score: self.scorer.percent(soft),
            "total": len(each),
        }


def score(
    predictions: Mapping[str, str],
    examples: Iterable[Example],
    scorer: str = "squad",
    null_odds: Mapping[str, float] | None = None,
    null_threshold: float = 0.0,
) -> dict[str, float]:
    """Score predictions (id -> text) once; see `Gold.score`."""
    return Gold(examples, scorer).score(predictions, null_odds, null_threshold)
