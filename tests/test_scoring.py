"""Scores equal the official scorers': by hand, and by independent re-implementations."""

import difflib
import json
import random
import re
import string
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest
from conftest import real_data
from hypothesis import given
from hypothesis import strategies as st

from mrc.data.examples import Answer, Example, ExampleList
from mrc.data.loading import load_examples
from mrc.data.sample import sample_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError
from mrc.metrics.scoring import SCORERS, Gold, choose_scorer, score


def one(prediction, golds, scorer):
    example = Example(
        "1", "?", "c", tuple(Answer(gold, -1) for gold in golds), is_impossible=not golds
    )
    return Gold([example], scorer).each({"1": prediction})["1"]


@pytest.mark.parametrize(
    ("scorer", "prediction", "golds", "exact", "similarity"),
    [
        ("squad", "The Cat!", ["cat"], 1, 1),
        # 1 of 2 words right, 1 of 1 found.
        ("squad", "a cat sat", ["cat"], 0, 2 / 3),
        # A multiset: the second does not count.
        ("squad", "cat cat", ["cat"], 0, 2 / 3),
        ("squad", "", ["cat"], 0, 0),
        # Both normalize to nothing: equal, yet no word is common.
        ("squad", "the", ["an"], 1, 0),
        # The best of the answers.
        ("squad", "dog", ["cat", "big dog"], 0, 2 / 3),
        ("squad", "don't", ["dont"], 1, 1),
        # An article is a whole word.
        ("squad", "theatre", ["atre"], 0, 0),
        # Only ASCII punctuation is removed.
        ("squad", "«кот»", ["кот"], 0, 0),
        ("squad", "U.S.", ["us"], 1, 1),
        # XQuAD is scored by SQuAD 1.1's script, English articles and all.
        (
            "xquad",
            "the Điện",
            ["Điện"],
            1,
            1,
        ),
        ("squad_v2", "", [], 1, 1),
        ("squad_v2", "cat", [], 0, 0),
        # An answer of nothing but an article is no answer.
        ("squad_v2", "", ["the"], 1, 1),
        ("squad_v2", "", ["cat"], 0, 0),
        ("squad_v2", "a cat", ["cat", ""], 1, 1),
        ("korquad", "서울", ["서울"], 1, 1),
        # Characters: 2 of 4 right, 2 of 2 found.
        ("korquad", "서울에서", ["서울"], 0, 2 / 3),
        ("korquad", "<국부론>", ["국부론"], 1, 1),
        ("korquad", "《국부론》의", ["국부론"], 0, 6 / 7),
        # The same characters, yet not the same string.
        (
            "korquad",
            "1989년 2월",
            ["1989년2월"],
            0,
            1,
        ),
        # No article rule.
        ("korquad", "the cat", ["cat"], 0, 2 * (3 / 6) / (3 / 6 + 1)),
        ("korquad", "가", ["나"], 0, 0),
        # The longest common run: 2 of 4, 2 of 2.
        ("klue", "서울에서", ["서울"], 0, 2 / 3),
        # Order counts: a run of 2, of 4 and 4.
        ("klue", "서울 시", ["시 서울"], 0, 0.5),
        # As published, brackets stay.
        (
            "klue",
            "《국부론》",
            ["국부론"],
            0,
            2 * (3 / 5) / (3 / 5 + 1),
        ),
        # Unless the whole sequence stands there.
        ("klue", "'()‘’서울", ["서울"], 1, 1),
        ("klue", "", [], 1, 1),
        ("klue", "서울", [], 0, 0),
        # Unicode punctuation goes too.
        ("mlqa-en", "the “cat”", ["cat"], 1, 1),
        ("mlqa-es", "el gato", ["un gato"], 1, 1),
        ("mlqa-de", "der Hund", ["dem Hund"], 1, 1),
        ("mlqa-vi", "những chiếc thuyền", ["thuyền"], 1, 1),
        ("mlqa-ar", "الكتاب", ["كتاب"], 1, 1),
        # As published, also within a word.
        ("mlqa-ar", "مالك", ["م ك"], 1, 1),
        ("mlqa-hi", "the बिल्ली", ["बिल्ली"], 0, 2 / 3),
        # Each Chinese character is a word.
        ("mlqa-zh", "北京大学", ["北京"], 0, 2 / 3),
        # 2 of 4 and 2 of 3.
        ("mlqa-zh", "iPhone 5 手机", ["iphone5手机"], 0, 4 / 7),
    ],
)
def test_cases_worked_by_hand(scorer, prediction, golds, exact, similarity):
    assert one(prediction, golds, scorer) == (exact, pytest.approx(similarity))


def test_averages_are_percentages_of_all_labeled_questions():
    examples = [Example(str(n), "?", "c", (Answer("cat", -1),)) for n in range(3)] + [
        Example("test", "?", "c")
    ]
    assert score({"0": "cat", "1": "a cat sat"}, examples) == {
        "exact_match": 100 / 3,
        "f1": pytest.approx(100 * (1 + 2 / 3) / 3),
        "total": 3,
    }
    assert score({"test": "cat"}, examples[3:]) == {}
    missing_left_out = score({"0": "cat", "1": "dog"}, examples, "squad_v2")
    assert missing_left_out["exact"] == 50
    assert missing_left_out["total"] == 2
    assert missing_left_out["HasAns_total"] == 2


def test_auto():
    has = Example("1", "?", "c", (Answer("c", 0),))
    none = Example("2", "?", "c", is_impossible=True)
    assert choose_scorer(ExampleList([has], version="KorQuAD_v1.0_dev")) == "korquad"
    assert choose_scorer(ExampleList([has, none], version="klue-mrc-v1_dev")) == "klue"
    assert choose_scorer(ExampleList([has], "dev-context-vi-question-de.json", "1.0")) == "mlqa-vi"
    assert choose_scorer(ExampleList([has], version="1.1")) == "squad"
    assert choose_scorer([has, none]) == "squad_v2"


def test_an_unknown_scorer_is_refused():
    with pytest.raises(InputError, match="squad, squad_v2, korquad"):
        score({}, [], "bleu")


# Independent re-implementations in the shape of the official scripts: a step a function, loops.

PUNCTUATION = {
    chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i)).startswith("P")
} | set(string.punctuation)
ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "\\sال^|ال",
}


def official_normalize(text, scorer):
    def without(text, characters):
        return "".join(c for c in text if c not in characters)

    if scorer.startswith("mlqa"):
        language = scorer[-2:]
        text = without(text.lower(), PUNCTUATION)
        text = re.sub(ARTICLES[language], " ", text) if language in ARTICLES else text
        if language != "zh":
            return " ".join(text.split())
        words = []
        run = ""
        for character in text:
            if "\u4e00" <= character <= "\u9fa5" or character in PUNCTUATION:
                words += [*run.split(), character]
                run = ""
            else:
                run += character
        return " ".join(words + run.split())
    if scorer == "korquad":
        for symbol in "'\"《》<>〈〉()‘’":
            text = text.replace(symbol, " ")
    text = text.lower()
    if scorer == "klue":
        text = re.sub("['\"《》<>〈〉]" + re.escape("()‘’"), " ", text)
    text = without(text, set(string.punctuation))
    if scorer in ("squad", "squad_v2", "xquad"):
        text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def official_similarity(prediction, gold, scorer):
    p = official_normalize(prediction, scorer)
    g = official_normalize(gold, scorer)
    if scorer == "klue":
        if g == "":
            return float(p == g)
        same = difflib.SequenceMatcher(None, p, g).find_longest_match(0, len(p), 0, len(g)).size
    else:
        p, g = p.split(), g.split()
        if scorer == "korquad":
            p, g = list("".join(p)), list("".join(g))
        if scorer == "squad_v2" and (len(p) == 0 or len(g) == 0):
            return float(p == g)
        same = sum((Counter(p) & Counter(g)).values())
    if same == 0:
        return 0.0
    precision = 1.0 * same / len(p)
    recall = 1.0 * same / len(g)
    return (2 * precision * recall) / (precision + recall)


def official_scores(predictions, articles, scorer):
    exact = {}
    similarity = {}
    for qa in (
        qa for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]
    ):
        golds = [answer["text"] for answer in qa["answers"]]
        if scorer == "squad_v2":
            golds = [gold for gold in golds if official_normalize(gold, scorer)]
        golds = golds or [""]
        if qa["id"] not in predictions:
            if scorer not in ("squad_v2", "klue"):
                exact[qa["id"]] = similarity[qa["id"]] = 0
            continue
        prediction = predictions[qa["id"]]
        exact[qa["id"]] = max(
            int(official_normalize(prediction, scorer) == official_normalize(gold, scorer))
            for gold in golds
        )
        similarity[qa["id"]] = max(official_similarity(prediction, gold, scorer) for gold in golds)
    return exact, similarity


def average(values):
    total = 0
    for value in values:
        total += value
    return 100.0 * total / len(values)


def perturb(rng, text, context):
    """A prediction such as readers make: right, cut, stretched, re-punctuated, or another."""
    kind = rng.randrange(7)
    if kind == 0:
        return text
    if kind == 1:
        return text[: rng.randint(0, len(text))]
    if kind == 2:
        at = max(0, context.find(text) - rng.randint(0, 6))
        return context[at : at + len(text) + rng.randint(0, 9)]
    if kind == 3:
        return rng.choice(
            [
                "the {}",
                "'{}'",
                "《{}》",
                "({}).",
                "{}은",
                "  {}  {}",
                "{}",
                "'()‘’{}",
                "của {}",
                "der {}",
                "ال{}",
                "北{}京",
                "“{}”",
            ]
        ).replace("{}", text)
    if kind == 4:
        at = rng.randrange(len(context))
        return context[at : at + rng.randint(0, 30)]
    if kind == 5:
        return text.swapcase()
    return " ".join(rng.sample(text.split(), k=len(text.split())))


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize(
    "name", ["sample", "KorQuAD_v1.0_dev.json", "xquad.en.json", "xquad.vi.json", "xquad.ru.json"]
)
def test_equal_to_an_independent_scorer(name, scorer, tmp_path):
    """On more than 5,000 pairs for each scorer in all, equal to the last bit."""
    if name == "sample":
        path = tmp_path / "sample.json"
        write_squad(sample_examples("train").head(6000), path)
    else:
        path = real_data(name)
    examples = load_examples(path)
    articles = json.loads(path.read_text("utf-8"))["data"]
    rng = random.Random(scorer)
    predictions = {
        e.id: perturb(rng, rng.choice(e.answers).text, e.context)
        for e in examples
        if rng.random() < 0.99
    }
    exact, similarity = official_scores(predictions, articles, scorer)
    ours = score(predictions, examples, scorer)
    if scorer == "klue":
        expected = [
            100.0 * np.mean(list(exact.values())),
            100.0 * np.mean(list(similarity.values())),
        ]
    else:
        expected = [average(exact.values()), average(similarity.values())]
    assert [ours[SCORERS[scorer].exact], ours[SCORERS[scorer].soft_score], ours["total"]] == [
        *expected,
        len(exact),
    ]
    assert 5 < expected[0] < 60
    assert expected[0] < expected[1] < 95


def official_best_threshold(predictions, scores, na_probs, has_answer):
    """evaluate-v2.0.py's search: one by one from the smallest probability up."""
    current = best = sum(1 for i in has_answer if not has_answer[i])
    threshold = 0.0
    for identity in sorted(na_probs, key=lambda i: na_probs[i]):
        if identity not in scores:
            continue
        current += (
            scores[identity] if has_answer[identity] else (-1 if predictions[identity] else 0)
        )
        if current > best:
            best, threshold = current, na_probs[identity]
    return 100.0 * best / len(scores), threshold


@pytest.mark.parametrize("seed", range(5))
def test_squad_v2_with_probabilities_of_no_answer(seed):
    """All keys of evaluate-v2.0.py, on real answers of which a third is taken away."""
    path = real_data("xquad.en.json")
    rng = random.Random(seed)
    articles = json.loads(path.read_text("utf-8"))["data"]
    for qa in (
        qa for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]
    ):
        if rng.random() < 1 / 3:
            qa["answers"] = []
            qa["is_impossible"] = True
    texts = {e.id: (e.answers[0].text, e.context) for e in load_examples(path)}
    examples = [
        Example(
            qa["id"],
            "?",
            "c",
            tuple(Answer(a["text"], -1) for a in qa["answers"]),
            not qa["answers"],
        )
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    has_answer = {e.id: bool(e.answers) for e in examples}
    predictions = {i: perturb(rng, *texts[i]) if rng.random() < 0.8 else "" for i in texts}
    # Two digits: many ties.
    na_probs = {i: round(rng.betavariate(2, 2 + 3 * has_answer[i]), 2) for i in texts}

    exact_raw, f1_raw = official_scores(predictions, articles, "squad_v2")
    threshold = rng.choice([1.0, 0.5, 0.2])
    exact, f1 = (
        {i: float(not has_answer[i]) if na_probs[i] > threshold else s for i, s in raw.items()}
        for raw in (exact_raw, f1_raw)
    )
    expected = {}
    for prefix, ids in (
        ("", list(exact)),
        ("HasAns_", [i for i in exact if has_answer[i]]),
        ("NoAns_", [i for i in exact if not has_answer[i]]),
    ):
        expected.update(
            {
                f"{prefix}exact": average([exact[i] for i in ids]),
                f"{prefix}f1": average([f1[i] for i in ids]),
                f"{prefix}total": len(ids),
            }
        )
    expected["best_exact"], expected["best_exact_thresh"] = official_best_threshold(
        predictions, exact_raw, na_probs, has_answer
    )
    expected["best_f1"], expected["best_f1_thresh"] = official_best_threshold(
        predictions, f1_raw, na_probs, has_answer
    )
    assert score(predictions, examples, "squad_v2", na_probs, threshold) == expected


TEXT = st.text(st.sampled_from("abc the AN.,'\"《》()‘’ \u3000\n한국어é北京“ال"), max_size=20)


@given(TEXT, st.sampled_from(list(SCORERS)))
def test_normalization_equals_the_step_by_step_one(text, scorer):
    assert SCORERS[scorer].normalize(text) == official_normalize(text, scorer)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=4), st.sampled_from(list(SCORERS)))
def test_bounds_identity_order_and_symmetry(prediction, golds, scorer):
    exact, similarity = one(prediction, golds, scorer)
    assert exact in (0, 1)
    assert 0 <= similarity <= 1
    assert one(prediction, golds[::-1], scorer) == (exact, similarity)
    assert one(golds[0], golds[:1], scorer)[0] == 1
    if SCORERS[scorer].normalize(golds[0]):
        assert one(golds[0], golds, scorer) == (1, 1)
    # The longest run found may depend on which text is searched.
    if scorer != "klue":
        assert one(prediction, golds[:1], scorer) == one(golds[0], [prediction], scorer)


def test_many_questions_score_in_seconds():
    examples = [
        Example(str(n), "?", "c", (Answer(f"the answer number {n}", -1), Answer(str(n), -1)))
        for n in range(100_000)
    ]
    result = score({str(n): f"number {n % 1000}" for n in range(100_000)}, examples)
    assert result["total"] == 100_000
    assert 30 < result["f1"] < 90
