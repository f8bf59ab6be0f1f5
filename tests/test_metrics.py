"""Decoding and merging equal a plain-Python reading of the reference n-best, answer for answer."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrc.data.examples import Answer, Example
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.answers import count_differences, strip_answer, strip_particle
from mrc.metrics.metrics import Metrics


def reference_n_best(dataset, start_logits, end_logits, n, max_answer_length, with_null=False):
    """The reference semantics in loops: per feature the best n starts x best n ends over all its
    positions, the validity filter, the merge over an example's features, the sort, the softmax.

    with_null: the smallest null score takes part, and is put back if it fell off the list.
    -> {id: [(text, probability)]}, {id: null score less the best span's score}, the number of
    examples without a span."""
    answers = {}
    odds = {}
    spanless = 0
    for e, example in enumerate(dataset.examples):
        candidates = []
        null = np.inf
        for f in np.flatnonzero(dataset.example_index == e):
            length = int(dataset.lengths[f])
            left = dataset.tokenizer.padding_side == "left"
            starts = (start_logits[f][-length:] if left else start_logits[f][:length]).tolist()
            ends = (end_logits[f][-length:] if left else end_logits[f][:length]).tolist()
            offsets = dataset.offsets(f).tolist()
            null = min(
                null,
                np.float32(starts[dataset.null_position[f]])
                + np.float32(ends[dataset.null_position[f]]),
            )
            best_starts = sorted(range(length), key=lambda i: (-starts[i], i))[:n]
            best_ends = sorted(range(length), key=lambda i: (-ends[i], i))[:n]
            for s in best_starts:
                for t in best_ends:
                    if (
                        offsets[s][0] < 0
                        or offsets[t][0] < 0
                        or t < s
                        or t - s + 1 > max_answer_length
                    ):
                        continue
                    total = np.float32(starts[s]) + np.float32(ends[t])
                    candidates.append(
                        (-total, f, s, t, example.context[offsets[s][0] : offsets[t][1]])
                    )
        candidates.sort()
        odds[example.id] = (
            float(null + candidates[0][0]) if candidates else float(np.finfo(np.float32).max)
        )
        spanless += not candidates
        if with_null:
            candidates = sorted([*candidates, (-null, np.inf, 0, 0, "")])[:n]
            if not any(c[4] == "" for c in candidates):
                candidates.append((-null, np.inf, 0, 0, ""))
        candidates = candidates[: n + with_null]
        weights = [np.exp(float(candidates[0][0]) - float(c[0])) for c in candidates]
        answers[example.id] = [
            (c[4], w / sum(weights)) for c, w in zip(candidates, weights, strict=True)
        ]
    return answers, odds, spanless


def exhaustive_best(dataset, start_logits, end_logits, n, max_answer_length):
    """The n best of all valid spans of each example, in loops: {id: texts}."""
    best = {}
    for e, example in enumerate(dataset.examples):
        spans = []
        for f in np.flatnonzero(dataset.example_index == e):
            offsets = dataset.offsets(f).tolist()
            width = start_logits.shape[1]
            shift = width - len(offsets) if dataset.tokenizer.padding_side == "left" else 0
            for s in range(len(offsets)):
                for t in range(s, min(s + max_answer_length, len(offsets))):
                    if offsets[s][0] >= 0 and offsets[t][0] >= 0:
                        score = start_logits[f, s + shift] + end_logits[f, t + shift]
                        spans.append(
                            (-score, f, s, t, example.context[offsets[s][0] : offsets[t][1]])
                        )
        best[example.id] = [span[4] for span in sorted(spans)[:n]]
    return best


def assert_equals_reference(metrics, dataset, start_logits, end_logits):
    expected, odds, spanless = reference_n_best(
        dataset,
        start_logits,
        end_logits,
        metrics.n_best_size,
        metrics.max_answer_length,
        metrics.allows_no_answer,
    )
    assert metrics.null_odds == (
        {i: pytest.approx(o) for i, o in odds.items()} if metrics.allows_no_answer else {}
    )
    for identity, spans in expected.items():
        ours = metrics.n_best[identity]
        if not spans:
            assert metrics.predictions[identity] == ""
            assert [o["text"] for o in ours] == [""]
            continue
        assert [o["text"] for o in ours] == [text for text, _ in spans]
        assert np.allclose([o["probability"] for o in ours], [p for _, p in spans], atol=1e-6)
        text = next((text for text, _ in spans if text), "")
        assert metrics.predictions[identity] == (
            "" if metrics.allows_no_answer and odds[identity] > 0 else text
        )
    assert metrics.without_span == spanless


def make_logits(dataset, seed, kind="random"):
    rng = np.random.default_rng(seed)
    shape = 2, len(dataset), int(dataset.lengths.max())
    if kind == "ties":
        return rng.integers(-1, 2, shape).astype(np.float32)
    if kind == "equal":
        return np.zeros(shape, np.float32)
    logits = rng.normal(size=shape).astype(np.float32)
    # The best starts lie in the question, the best ends in the context.
    if kind == "question":
        logits[0, :, :8] += 20
    # The best starts and ends lie outside the context.
    if kind == "no span":
        logits[:, :, :3] += 50
        logits[:, :, 3:] -= 50
    return logits


@pytest.mark.parametrize("kind", ["random", "ties", "equal", "question", "no span"])
@pytest.mark.parametrize(("n", "max_answer_length"), [(20, 30), (3, 4), (1, 1)])
def test_n_best_equals_the_reference(examples, tokenizer, kind, n, max_answer_length):
    dataset = FeatureDataset(examples, tokenizer, WindowSettings(max_length=96, stride=20))
    start_logits, end_logits = make_logits(dataset, 0, kind)
    metrics = Metrics(dataset, n_best=n, max_answer_length=max_answer_length)
    metrics.compute(start_logits, end_logits)
    assert_equals_reference(metrics, dataset, start_logits, end_logits)


@pytest.mark.parametrize("kind", ["random", "ties", "equal"])
@pytest.mark.parametrize("n", [20, 3, 1])
@pytest.mark.parametrize("null_bonus", [-3, 0, 2, 9])
def test_n_best_with_the_empty_answer_equals_the_reference(
    examples, tokenizers, kind, n, null_bonus
):
    for family in ("bert-cased", "t5", "xlnet"):
        dataset = FeatureDataset(
            examples, tokenizers[family], WindowSettings(max_length=96, stride=20)
        )
        start_logits, end_logits = make_logits(dataset, 5, kind)
        width = start_logits.shape[1]
        left = tokenizers[family].padding_side == "left"
        null = dataset.null_position + (width - dataset.lengths if left else 0)
        start_logits[np.arange(len(dataset)), null] += np.float32(null_bonus)
        metrics = Metrics(dataset, scorer="squad_v2", n_best=n, max_answer_length=30)
        metrics.compute(start_logits, end_logits)
        assert_equals_reference(metrics, dataset, start_logits, end_logits)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["random", "ties"]),
    n=st.integers(1, 25),
    longest=st.integers(1, 40),
)
def test_n_best_equals_the_reference_on_any_logits(examples, bert, seed, kind, n, longest):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = make_logits(dataset, seed, kind)
    metrics = Metrics(dataset, n_best=n, max_answer_length=longest)
    metrics.compute(start_logits, end_logits)
    assert_equals_reference(metrics, dataset, start_logits, end_logits)


@pytest.mark.parametrize("kind", ["random", "ties", "question", "no span"])
@pytest.mark.parametrize("family", ["bert-cased", "xlnet"])
@pytest.mark.parametrize(("n", "max_answer_length"), [(5, 7), (20, 100)])
def test_exact_search_finds_the_best_of_all_spans(
    examples, tokenizers, kind, family, n, max_answer_length
):
    dataset = FeatureDataset(examples, tokenizers[family], WindowSettings(max_length=64, stride=10))
    logits = make_logits(dataset, 3, kind)
    metrics = Metrics(dataset, n_best=n, max_answer_length=max_answer_length, search="exact")
    metrics.compute(*logits)
    expected = exhaustive_best(dataset, *logits, n, max_answer_length)
    assert {i: [span["text"] for span in spans] for i, spans in metrics.n_best.items()} == expected
    pruned = Metrics(dataset, n_best=n, max_answer_length=max_answer_length)
    pruned.compute(*logits)
    changed = count_differences(metrics.predictions, pruned.predictions)
    assert changed == sum(pruned.predictions[i] != metrics.predictions[i] for i in expected)
    # Where all of the best starts lie in the question.
    if kind == "question" and family == "bert-cased" and n == 5:
        assert changed == len(expected)


@pytest.mark.parametrize("family", ["bert-cased", "xlnet"])
def test_updates_in_any_order_and_padding_give_the_same(examples, tokenizers, family):
    dataset = FeatureDataset(examples, tokenizers[family], WindowSettings(max_length=96, stride=20))
    start_logits, end_logits = make_logits(dataset, 1)
    whole = Metrics(dataset)
    scores = whole.compute(start_logits, end_logits)

    left = tokenizers[family].padding_side == "left"
    pieces = Metrics(dataset)
    for indices in np.array_split(np.random.default_rng(0).permutation(len(dataset)), 4):
        # A batch is padded to its longest feature.
        width = int(dataset.lengths[indices].max())
        cut = slice(-width, None) if left else slice(width)
        pieces.update(
            indices,
            torch.tensor(start_logits[indices][:, cut]),
            torch.tensor(end_logits[indices][:, cut]),
        )
    assert pieces.compute() == scores
    assert pieces.predictions == whole.predictions
    assert pieces.n_best == whole.n_best


def test_right_logits_score_100(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = np.zeros((2, len(dataset), 64), np.float32)
    rows = np.arange(len(dataset))
    start_logits[rows, dataset.start_positions] = end_logits[rows, dataset.end_positions] = 10
    metrics = Metrics(dataset)
    scores = metrics.compute(start_logits, end_logits)
    assert scores["total"] == len(examples)
    assert scores["exact_match"] == 100
    assert scores["f1"] == 100
    assert all(
        abs(sum(span["probability"] for span in spans) - 1) < 1e-9
        for spans in metrics.n_best.values()
    )


def test_half_precision_logits_are_decoded_in_float32(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = torch.tensor(make_logits(dataset, 2)).bfloat16()
    metrics = Metrics(dataset)
    metrics.compute(start_logits, end_logits)
    assert_equals_reference(
        metrics, dataset, start_logits.float().numpy(), end_logits.float().numpy()
    )


def test_no_answer_wins_by_the_smallest_null_score(bert):
    context = "1784 was when they built it. " * 8
    examples = [
        Example("has", "When?", context, (Answer("1784", 0),)),
        Example("none", "Who?", context, (), is_impossible=True),
    ]
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=40, stride=8))
    start_logits, end_logits = np.zeros((2, len(dataset), 40), np.float32)
    first = [int(np.flatnonzero(dataset.example_index == e)[0]) for e in (0, 1)]
    # Every window of both questions prefers "no answer"...
    start_logits[:, 0] = end_logits[:, 0] = 3
    # ...except one window of the first, and the smallest null score counts.
    start_logits[first[0], 0] = end_logits[first[0], 0] = -3
    metrics = Metrics(dataset, scorer="squad_v2")
    scores = metrics.compute(start_logits, end_logits)
    assert metrics.null_odds["has"] == -6
    assert metrics.null_odds["none"] == 6
    assert metrics.predictions["none"] == ""
    assert metrics.predictions["has"] != ""
    assert scores["NoAns_exact"] == 100
    assert scores["total"] == 2
    assert scores["HasAns_total"] == 1
    assert metrics.n_best["none"][0]["text"] == ""
    assert "" not in [s["text"] for s in metrics.n_best["has"][:1]]
    for spans in metrics.n_best.values():
        assert [s["probability"] for s in spans] == sorted(
            (s["probability"] for s in spans), reverse=True
        )

    metrics.null_threshold = 7.0
    assert metrics.compute()["NoAns_exact"] == 0
    assert metrics.predictions["none"] != ""


def test_the_null_threshold_can_be_tuned(bert):
    examples = [
        Example(f"has{n}", "When?", "The mill was built in 1784.", (Answer("1784", 22),))
        for n in range(3)
    ]
    examples += [
        Example(f"none{n}", "Who?", "The mill was built in 1784.", (), True) for n in range(3)
    ]
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=40, stride=8))
    start_logits, end_logits = np.zeros((2, 6, 40), np.float32)
    start_logits[range(3), dataset.start_positions[:3]] = end_logits[
        range(3), dataset.end_positions[:3]
    ] = 1
    # The null score of each; the best spans score 2 and 0.
    start_logits[:, 0] = [3, 4, 5, 6, 7, 8]
    metrics = Metrics(dataset, scorer="squad_v2", tune_threshold=True)
    scores = metrics.compute(start_logits, end_logits)
    assert metrics.null_odds == {
        "has0": 1,
        "has1": 2,
        "has2": 3,
        "none0": 6,
        "none1": 7,
        "none2": 8,
    }
    assert scores["f1"] == 100
    assert scores["best_f1"] == 100
    assert metrics.null_threshold == 3
    assert scores["best_f1_thresh"] == 3
    assert metrics.predictions["has2"] == "1784"
    assert metrics.predictions["none0"] == ""
    fixed = Metrics(dataset, scorer="squad_v2")
    assert fixed.compute(start_logits, end_logits)["f1"] == 50
    assert fixed.null_threshold == 0
    again = Metrics(dataset, scorer="squad_v2", null_threshold=metrics.null_threshold)
    assert again.compute(start_logits, end_logits) == scores


def test_klue_takes_the_empty_answer_too(bert):
    examples = [Example("none", "Who?", "The mill was built in 1784.", (), True)]
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=40, stride=8))
    metrics = Metrics(dataset, scorer="klue")
    start_logits = end_logits = np.eye(1, int(dataset.lengths.max()), dtype=np.float32)
    assert metrics.compute(start_logits, end_logits)["rouge_w"] == 100
    assert metrics.predictions == {"none": ""}


def test_logits_that_are_no_numbers_name_the_example(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = make_logits(dataset, 0)
    start_logits[-1, 2] = np.nan
    with pytest.raises(FloatingPointError, match=examples[-1].id):
        Metrics(dataset).compute(start_logits, end_logits)


def test_an_unseen_feature_is_an_error(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = torch.tensor(make_logits(dataset, 0))
    metrics = Metrics(dataset)
    metrics.update([0, 1], start_logits[:2], end_logits[:2])
    with pytest.raises(ValueError, match="feature 2"):
        metrics.compute()


def test_unlabeled_examples_get_predictions_and_no_scores(examples, bert):
    bare = [Example(e.id, e.question, e.context) for e in examples]
    dataset = FeatureDataset(bare, bert, WindowSettings(max_length=64, stride=20))
    metrics = Metrics(dataset)
    assert metrics.compute(*make_logits(dataset, 0)) == {}
    assert set(metrics.predictions) == {e.id for e in examples}


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("  1784 \n", "1784"),
        ('"Crane', "Crane"),
        ('Crane"', "Crane"),
        ('"Crane"', '"Crane"'),
        ("“Crane", "Crane"),
        ("《국부론》", "《국부론》"),
        ("《국부론", "국부론"),
        ("국부론》 ", "국부론"),
        ("'어린이' 열람실", "'어린이' 열람실"),
        ("Eli's mill", "Eli's mill"),
        ('""', '""'),
        ('"', ""),
        ("", ""),
    ],
)
def test_strip_answer(text, stripped):
    assert strip_answer(text) == stripped


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("서림시에서", "서림시"),
        ("윤세아가", "윤세아"),
        ("윤세아이", "윤세아이"),
        ("도서관은", "도서관"),
        ("도서관는", "도서관는"),
        ("서울로", "서울"),
        ("부산으로", "부산"),
        ("1968년에", "1968년"),
        ("나는", "나는"),
        ("mill", "mill"),
        ("", ""),
    ],
)
def test_strip_particle(text, stripped):
    assert strip_particle(text) == stripped


def test_answers_can_be_cleaned(bert):
    dataset = FeatureDataset(
        [Example("1", "Who?", 'He said "Crane built it.')],
        bert,
        WindowSettings(max_length=40, stride=8),
    )
    start_logits, end_logits = np.zeros((2, 1, int(dataset.lengths[0])), np.float32)
    quote = dataset[0]["input_ids"].tolist().index(bert.convert_tokens_to_ids('"'))
    start_logits[0, quote] = 9
    end_logits[0, quote + 1] = 9
    plain = Metrics(dataset)
    cleaned = Metrics(dataset, clean=strip_answer)
    plain.compute(start_logits, end_logits)
    cleaned.compute(start_logits, end_logits)
    assert plain.predictions["1"].startswith('"')
    assert cleaned.predictions["1"] == plain.predictions["1"][1:]
    assert cleaned.n_best["1"][0]["start"] == plain.n_best["1"][0]["start"] + 1
    changed = Metrics(dataset, clean=str.upper)
    with pytest.raises(ValueError, match="may only cut the ends"):
        changed.compute(start_logits, end_logits)


# Scripts whose words, accents and code points a tokenizer treats differently.
LATIN = ("Wände ", "naïve", "e\u0301 ", "ﬁn", "İ ", "chợ Đồng Xuân ")
OTHERS = (" 한국어의", "가격은 ", "Нью-Йорк ", "東京都", "กรุงเทพ", "🎉 ")
SIGNS = ("“a”", "'b ", "\u200d", "\r\n", "  ", "123,4 ")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(st.sampled_from(LATIN + OTHERS + SIGNS), min_size=2, max_size=40),
    family=st.sampled_from(["bert-uncased", "roberta-untrimmed", "xlm-r", "albert", "xlnet"]),
    clean=st.sampled_from([None, strip_answer]),
    seed=st.integers(0, 100),
)
def test_candidates_say_where_they_stand(tokenizers, pieces, family, clean, seed):
    example = Example("1", "어디 where?", "x" + "".join(pieces))
    dataset = FeatureDataset([example], tokenizers[family], WindowSettings(max_length=32, stride=6))
    metrics = Metrics(dataset, scorer="squad_v2", clean=clean)
    metrics.compute(*make_logits(dataset, seed))
    candidates = metrics.n_best["1"]
    assert len(candidates) > 1
    for candidate in candidates:
        start, end = candidate["start"], candidate["end"]
        assert 0 <= start <= end <= len(example.context)
        assert example.context[start:end] == candidate["text"]


def test_logits_come_as_arrays_tensors_or_batches_of_them(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = make_logits(dataset, 1)
    scores = Metrics(dataset).compute(start_logits, end_logits)
    tensors = torch.from_numpy(start_logits), torch.from_numpy(end_logits)
    assert Metrics(dataset).compute(*tensors) == scores
    # As a plain loop collects them: batch by batch, each as wide as its longest feature.
    batches = [], []
    for indices in np.array_split(np.arange(len(dataset)), 3):
        width = int(dataset.lengths[indices].max())
        batches[0].append(start_logits[indices, :width])
        batches[1].append(end_logits[indices, :width])
    assert Metrics(dataset).compute(*batches) == scores


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (
            slice(1, None),
            slice(None),
            r"the logits have \d+ rows, but the dataset has \d+ features",
        ),
        (slice(None), slice(3), "the logits are 3 columns wide"),
        (0, slice(None), "give .features, length. arrays"),
    ],
)
def test_logits_that_do_not_fit_the_features_are_refused(examples, bert, rows, columns, message):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = make_logits(dataset, 1)
    with pytest.raises(ValueError, match=message):
        Metrics(dataset).compute(start_logits[rows][..., columns], end_logits[rows][..., columns])
    too_many = np.concatenate([start_logits, start_logits])
    with pytest.raises(ValueError, match="rows"):
        Metrics(dataset).compute(too_many, too_many)
    with pytest.raises(ValueError, match="different numbers of rows"):
        Metrics(dataset).compute(start_logits, end_logits[1:])
