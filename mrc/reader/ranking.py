"""Ranking: the spans of windows, ranked as the answers of examples."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from mrc.data.examples import Example
from mrc.features.arrays import distinct, ranges_within
from mrc.features.dataset import FeatureDataset
from mrc.metrics.metrics import Metrics
from mrc.reader.forward import LogitBatches, WindowSpans
from mrc.reader.settings import AskSettings
from mrc.reader.words import Words

# Spans that scoring="n_best" weighs against each other; the default of Metrics.
N_BEST = 20


class Ranking(NamedTuple):
    """Answers, those of one example together and best first: one entry each.

    example, and characters [begin, end) of its context, which are equal for the empty answer.
    """

    example: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    score: np.ndarray


def rank_by_probability(
    examples: Sequence[Example], spans: WindowSpans, settings: AskSettings
) -> Ranking:
    """Rank the spans of each example as the old pipeline did; equal texts are one answer.

    The spans of one window are disjoint events, so the probabilities of those with one text are
    summed. Windows overlap, and each has a softmax of its own, so of the windows' sums the highest
    counts, and no score exceeds 1.
    """
    example, feature, begin, end, score = _trimmed(examples, spans, settings.align_to_words)
    answer = _same_texts(examples, example, begin, end)
    windows = len(spans.null_score)
    in_window, which = np.unique(answer * windows + feature, return_inverse=True)
    total = np.bincount(which, score, minlength=len(in_window))[which]

    # Of each answer, its best span in its best window.
    order = np.lexsort((-score, feature, -total, answer))
    first = order[ranges_within(answer[order]) == 0]
    example, begin, end, total, feature = (
        column[first] for column in (example, begin, end, total, feature)
    )
    if settings.handle_impossible_answer:
        null_score = spans.lowest_null_probability(len(examples))
        example, begin, end, total = _with_no_answer(example, begin, end, total, null_score)
        # Behind an answer of the same score.
        feature = np.append(feature, np.full(len(examples), windows))
    order = np.lexsort((begin, feature, -total, example))
    return Ranking(example[order], begin[order], end[order], total[order])


def rank_by_n_best(
    dataset: FeatureDataset, batches: LogitBatches, settings: AskSettings, null_threshold: float
) -> Ranking:
    """Rank the spans of each example as Metrics does.

    With `handle_impossible_answer` the empty answer comes first exactly where its odds exceed
    `null_threshold`.

    Args:
        dataset: the windows.
        batches: their logits, as from `forward_batches`.
        settings: how many answers, and how long.
        null_threshold: in units of logits.
    """
    metrics = Metrics(
        dataset,
        n_best=max(N_BEST, settings.top_k),
        max_answer_length=settings.max_answer_len,
        allows_no_answer=settings.handle_impossible_answer,
    )
    for indices, logits in batches:
        metrics.update(indices, *logits)
    ranked = metrics.merge()
    example, begin, end = ranked.example, ranked.begin, ranked.end
    score = ranked.probability
    is_first = ranges_within(example) == 0
    if ranked.null_odds is not None:
        is_unanswered = ranked.null_odds > null_threshold
        is_first = np.append(is_first & ~is_unanswered[example], is_unanswered)
        example, begin, end, score = _with_no_answer(
            example, begin, end, score, ranked.null_probability
        )
    order = np.lexsort((-score, ~is_first, example))
    return Ranking(example[order], begin[order], end[order], score[order])


def rank_passages(
    passages: Sequence[Example], spans: WindowSpans, settings: AskSettings
) -> list[dict[str, Any]]:
    """Rank the answers found in several passages by their odds against no answer.

    Args:
        passages: one example a passage; its id is the passage's number.
        spans: of their windows.
        settings: with `handle_impossible_answer`, "" is an answer (passage None).
    """
    against_null = replace(spans, score=spans.score - spans.null_score[spans.feature])
    passage, begin, end, odds = rank_by_probability(
        passages, against_null, replace(settings, handle_impossible_answer=False)
    )
    # The 1 stands for no answer in any passage.
    total = 1 + float(odds.sum())
    best = np.argsort(-odds, kind="stable")[: settings.top_k]
    columns = (column[best].tolist() for column in (passage, begin, end, odds))
    answers = []
    for number, first, last, value in zip(*columns, strict=True):
        answer = _answer_dict(passages[number], first, last, value / total)
        answers.append({**answer, "passage": int(passages[number].id)})
    if settings.handle_impossible_answer:
        answers.append({**_no_answer_dict(1 / total), "passage": None})
        answers.sort(key=lambda answer: -answer["score"])
    return answers[: settings.top_k]


def answer_dicts(
    examples: Sequence[Example], ranking: Ranking, top_k: int
) -> list[list[dict[str, Any]]]:
    """The first `top_k` answers of each example; the empty answer where there is no span."""
    kept = ranges_within(ranking.example) < top_k
    answers: list[list[dict[str, Any]]] = [[] for _ in examples]
    columns = (column[kept].tolist() for column in ranking)
    for number, begin, end, score in zip(*columns, strict=True):
        answers[number].append(_answer_dict(examples[number], begin, end, score))
    return [found or [_no_answer_dict(0.0)] for found in answers]


def _trimmed(
    examples: Sequence[Example], spans: WindowSpans, align_to_words: bool
) -> tuple[np.ndarray, ...]:
    """Spans without spaces at their ends, or of whole words.

    Returns example, feature, begin, end and probability of each; spans of nothing but spaces are
    left out.
    """
    contexts, context_index = distinct([example.context for example in examples])
    words = Words(contexts)
    context = context_index[spans.example]
    begin, end = words.trim(context, spans.begin, spans.end)
    kept = begin < end
    begin = begin[kept]
    end = end[kept]
    if align_to_words:
        begin, end = words.extend(context[kept], begin, end)
    probability = np.exp(spans.score[kept])
    return spans.example[kept], spans.feature[kept], begin, end, probability


def _same_texts(
    examples: Sequence[Example], example: np.ndarray, begin: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """A number for each span, the same for spans of one example with one text, ignoring case."""
    numbers: dict[tuple[int, str], int] = {}
    answers = []
    for number, first, last in zip(example.tolist(), begin.tolist(), end.tolist(), strict=True):
        text = examples[number].context[first:last].lower()
        answers.append(numbers.setdefault((number, text), len(numbers)))
    return np.array(answers, dtype=np.int64)


def _with_no_answer(
    example: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    score: np.ndarray,
    null_score: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Add the empty answer of each example after all spans."""
    count = len(null_score)
    nothing = np.zeros(count, dtype=begin.dtype)
    return (
        np.append(example, np.arange(count)),
        np.append(begin, nothing),
        np.append(end, nothing),
        np.append(score, null_score),
    )


def _answer_dict(example: Example, begin: int, end: int, score: float) -> dict[str, Any]:
    return {"score": score, "start": begin, "end": end, "answer": example.context[begin:end]}


def _no_answer_dict(score: float) -> dict[str, Any]:
    return {"score": score, "start": 0, "end": 0, "answer": ""}
