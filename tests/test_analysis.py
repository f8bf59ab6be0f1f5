"""Intervals cover, comparisons tell apart what differs, groups add up."""

import numpy as np
import pytest

from mrc.data.examples import Answer, Example
from mrc.errors import InputError
from mrc.metrics.analysis import breakdown
from mrc.metrics.confidence import compare, confidence_intervals, wilson_interval


def make_examples(contexts, per_context):
    return [
        Example(
            f"{c}-{q}",
            "When was it built?",
            f"context {c} of 1784",
            (Answer("1784", -1),),
            title=f"t{c % 2}",
        )
        for c in range(contexts)
        for q in range(per_context)
    ]


def test_intervals_widen_where_questions_of_a_context_agree():
    examples = make_examples(100, 6)
    rng = np.random.default_rng(0)
    alone = {e.id: (float(rng.random() < 0.6), 0.5) for e in examples}
    by_context = {c: float(rng.random() < 0.6) for c in range(100)}
    together = {e.id: (by_context[int(e.id.split("-")[0])], 0.5) for e in examples}
    (low, high), _ = confidence_intervals(alone, examples)
    (low_together, high_together), _ = confidence_intervals(together, examples)
    mean = 100 * np.mean([pair[0] for pair in alone.values()])
    assert low < mean < high
    assert 6 < high - low < 10
    # A hundred contexts give an interval about 20 wide.
    assert 16 < high_together - low_together < 24


@pytest.mark.parametrize("score", [0.0, 1.0, 0.5])
def test_scores_that_all_agree_leave_a_doubt(score):
    examples = make_examples(28, 5)
    each = {e.id: (score, score) for e in examples}
    exact, soft = confidence_intervals(each, examples)
    assert exact == soft
    assert exact[0] <= 100 * score <= exact[1]
    # As wide as for 28 questions, since those of a context may always agree: the closed form of
    # Wilson's interval at 0 and 1 is z^2 / (n + z^2).
    if score != 0.5:
        assert exact[1] - exact[0] == pytest.approx(100 * 1.96**2 / (28 + 1.96**2), abs=1e-3)
    few, _ = confidence_intervals({e.id: each[e.id] for e in examples[:10]}, examples[:10])
    assert few[1] - few[0] > exact[1] - exact[0]


def test_wilson_intervals_are_the_published_ones():
    # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
    for successes, count, interval in (
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ):
        assert wilson_interval(successes / count, count) == pytest.approx(interval, abs=5e-5)
        low, high = wilson_interval(1 - successes / count, count)
        assert (1 - high, 1 - low) == pytest.approx(interval, abs=5e-5)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    examples = make_examples(60, 3)
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(60):
        each = {e.id: (float(rng.random() < 0.7), 0.0) for e in examples}
        low, high = confidence_intervals(each, examples, seed=trial)[0]
        covered += low <= 70 <= high
    assert covered >= 50


def test_a_better_reader_is_told_from_an_equal_one():
    examples = make_examples(100, 3)
    rng = np.random.default_rng(2)
    a = {e.id: "1784" if rng.random() < 0.6 else "x" for e in examples}
    better = {i: "1784" if text == "1784" or rng.random() < 0.3 else "x" for i, text in a.items()}
    equal = {e.id: "1784" if rng.random() < 0.6 else "x" for e in examples}
    result = compare(a, better, examples, "squad")
    assert result["exact_match"]["p"] < 0.001
    assert result["exact_match"]["interval"][0] > 0
    assert result["only_a_exact"] == 0
    assert result["exact_match"]["difference"] == pytest.approx(100 * result["only_b_exact"] / 300)
    assert compare(a, equal, examples, "squad")["exact_match"]["p"] > 0.05
    assert compare(a, a, examples, "squad")["f1"]["p"] == 1


def test_nothing_to_compare():
    with pytest.raises(InputError, match="no question in common"):
        compare({"x": "1"}, {"y": "1"}, make_examples(2, 1), "squad_v2")


def test_groups_add_up():
    examples = [
        *make_examples(4, 3),
        Example("ko", "몇 명이 사는가?", "c" * 600, (Answer("긴 답" * 5, -1),)),
        Example("no", "Who?", "c", is_impossible=True),
    ]
    each = {e.id: (1.0, 1.0) for e in examples} | {"ko": (0.0, 0.5)}
    groups = breakdown(each, examples, windows=np.ones(len(examples), int))
    assert groups["question_word"] == {
        "when": {"exact": 100, "similarity": 100, "total": 12},
        "how many": {"exact": 0, "similarity": 50, "total": 1},
        "who": {"exact": 100, "similarity": 100, "total": 1},
    }
    assert {g: row["total"] for g, row in groups["answer_length"].items()} == {
        "2-5": 12,
        "11-20": 1,
    }
    assert {g: row["total"] for g, row in groups["answerable"].items()} == {"yes": 13, "no": 1}
    assert groups["title"]["t0"]["total"] == 6
    assert groups["context_length"]["501-1000"]["total"] == 1
    assert groups["windows"]["1"]["total"] == 14
    for name in ("question_word", "context_length", "windows", "answerable"):
        assert sum(row["total"] for row in groups[name].values()) == len(examples)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many mills?", "how many"),
        ("Whose mill is it?", "who"),
        ("In which year?", "which"),
        ("마을은 어디에 있는가?", "where"),
        ("설계자는 누구인가?", "who"),
        ("Сколько дней?", "how many"),
        ("Каков товар?", "which"),
        ("Chợ họp từ mấy giờ?", "how many"),
        ("Quê ở đâu?", "where"),
        ("Chi ha vinto?", "who"),
        ("1784?", "other"),
    ],
)
def test_question_words(question, kind):
    example = Example("1", question, "c", (Answer("c", 0),))
    assert list(breakdown({"1": (1.0, 1.0)}, [example])["question_word"]) == [kind]
