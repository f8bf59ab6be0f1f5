"""Analysis: what stands beside the scores, such as where the errors lie."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mrc.data.examples import Example
from mrc.metrics.confidence import confidence_intervals
from mrc.metrics.scoring import Gold, PairScores

# What `breakdown` groups questions by, in the order of its result.
PROPERTIES = (
    "question_word",
    "answer_length",
    "context_length",
    "windows",
    "answerable",
    "title",
)

# The greatest value of each group but the last.
LENGTH_BORDERS = {
    "answer_length": (1, 5, 10, 20, 40),
    "context_length": (250, 500, 1000, 2000, 4000),
    "windows": (1, 2, 4, 8),
}

# The first row that matches gives a question its kind, in English, Korean, Vietnamese, Russian and
# Italian.
QUESTION_WORDS = [
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        ("how many", r"\bhow (many|much)\b|몇|얼마|\b(bao nhiêu|mấy)\b|\bскольк|\bquant[oiae]\b"),
        ("who", r"\bwho(m|se)?\b|누구|누가|\bai\b|\b(кто|кого|кому|кем|ком)\b|\bchi\b"),
        ("when", r"\bwhen\b|언제|\b(khi nào|lúc nào|năm nào|ngày nào)\b|\bкогда\b|\bquando\b"),
        ("where", r"\bwhere\b|어디|\b(ở )?đâu\b|\b(где|куда|откуда)\b|\bdove\b"),
        ("why", r"\bwhy\b|왜|\b(tại sao|vì sao)\b|\b(почему|зачем)\b|\bperché\b"),
        ("how", r"\bhow\b|어떻게|\b(thế nào|làm sao)\b|\bкак\b|\bcome\b"),
        (
            "which",
            r"\bwhich\b|어느|어떤|\bnào\b|\bqual[ei]?\b"
            r"|\b(какой|какая|какое|какие|каком|какую|каких|каким|какими|какого)\b"
            r"|\bкаков\w*\b",
        ),
        ("what", r"\bwhat\b|무엇|무슨|뭐|\bgì\b|\b(что|чего|чему|чем|чём)\b|\bcosa\b|\bche\b"),
    )
]


def breakdown(
    each: PairScores, examples: Iterable[Example], windows: Sequence[int] | np.ndarray | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores of groups of questions.

    Args:
        each: id -> the two scores, as from `Gold.each`.
        examples: the Examples that they belong to.
        windows: the number of windows of each example, if known.

    Returns:
        {property: {group: {"exact" and "similarity" in percent, "total"}}}, the largest groups
        first. The properties are the question word (in the languages of QUESTION_WORDS), the
        lengths of answer and context in characters, the number of windows, whether there is an
        answer, and the title.
    """
    groups: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for number, example in enumerate(examples):
        if example.id not in each:
            continue
        window_count = None if windows is None else int(windows[number])
        for name, group in _groups_of(example, window_count).items():
            rows = groups.setdefault(name, defaultdict(list))[group]
            rows.append(each[example.id])
    return {
        name: {
            group: _means(rows)
            for group, rows in sorted(groups[name].items(), key=lambda item: -len(item[1]))
        }
        for name in PROPERTIES
        if name in groups
    }


def details(
    gold: Gold,
    predictions: Mapping[str, str],
    examples: Sequence[Example],
    windows: Sequence[int] | np.ndarray | None = None,
) -> dict[str, Any]:
    """What stands beside the scores in metrics.json.

    Args:
        gold: the right answers.
        predictions: id -> text.
        examples: the Examples.
        windows: the number of windows of each example, if known.

    Returns:
        The interval of each score as "NAME_interval" (if there are contexts to draw from, and not
        only one), and the "breakdown" of the scores.
    """
    each = gold.each(predictions)
    found: dict[str, Any] = {}
    if len({example.context for example in examples}) > 1:
        intervals = confidence_intervals(each, examples)
        for name, interval in zip(gold.scorer.names, intervals, strict=True):
            found[f"{name}_interval"] = interval
    found["breakdown"] = breakdown(each, examples, windows)
    return found


def _groups_of(example: Example, windows: int | None) -> dict[str, str]:
    """The group of an example by each property that it has."""
    groups = {
        "question_word": _question_word(example.question),
        "context_length": _length_group("context_length", len(example.context)),
        "answerable": "yes" if example.answers else "no",
    }
    if example.answers:
        shortest = min(len(answer.text) for answer in example.answers)
        groups["answer_length"] = _length_group("answer_length", shortest)
    if windows is not None:
        groups["windows"] = _length_group("windows", windows)
    if example.title:
        groups["title"] = example.title
    return groups


def _question_word(question: str) -> str:
    """The kind of a question, by the first row of QUESTION_WORDS that matches."""
    for kind, pattern in QUESTION_WORDS:
        if pattern.search(question):
            return kind
    return "other"


def _length_group(name: str, value: int) -> str:
    """The group of a length: "1", "2-5", "6-10", ..., "41+"."""
    low = 0
    for border in LENGTH_BORDERS[name]:
        if value <= border:
            return str(border) if border == low + 1 else f"{low + 1}-{border}"
        low = border
    return f"{low + 1}+"


def _means(rows: list[tuple[float, float]]) -> dict[str, float]:
    exact, similarity = np.mean(rows, axis=0)
    return {"exact": 100 * float(exact), "similarity": 100 * float(similarity), "total": len(rows)}
