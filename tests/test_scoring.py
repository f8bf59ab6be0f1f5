"""Scores equal the official scorers': hand-worked cases, and an independent re-implementation over perturbed real answers."""

import json
import random
import re
import string
from collections import Counter

import pytest
from conftest import real_data
from hypothesis import given
from hypothesis import strategies as st

from mrc.config import InputError
from mrc.examples import Answer, Example, ExampleList, load_examples
from mrc.scoring import choose_scorer, normalize_korquad, normalize_squad, score, score_each


def one(prediction, golds, scorer):
    example = Example("1", "?", "c", tuple(Answer(gold, -1) for gold in golds), is_impossible=not golds)
    return score_each({"1": prediction}, [example], scorer)["1"]


@pytest.mark.parametrize("prediction, golds, exact, f1", [
    ("The Cat!", ["cat"], 1, 1),
    ("a cat sat", ["cat"], 0, 2 / 3),  # 1 of 2 words right, 1 of 1 found
    ("cat cat", ["cat"], 0, 2 / 3),  # a multiset: the second does not count
    ("", ["cat"], 0, 0),
    ("the", ["an"], 1, 0),  # both normalise to nothing: equal, yet no word is common
    ("dog", ["cat", "big dog"], 0, 2 / 3),  # the best of the answers
    ("don't", ["dont"], 1, 1),
    ("theatre", ["atre"], 0, 0),  # an article is a whole word
    ("«кот»", ["кот"], 0, 0),  # punctuation is ASCII's alone
    ("U.S.", ["us"], 1, 1),
])
def test_squad(prediction, golds, exact, f1):
    assert one(prediction, golds, "squad") == (exact, pytest.approx(f1))


@pytest.mark.parametrize("prediction, golds, exact, f1", [
    ("서울", ["서울"], 1, 1),
    ("서울에서", ["서울"], 0, 2 / 3),  # characters: 2 of 4 right, 2 of 2 found
    ("<국부론>", ["국부론"], 1, 1),
    ("《국부론》의", ["국부론"], 0, 6 / 7),
    ("1989년 2월", ["1989년2월"], 0, 1),  # the same characters, yet not the same string
    ("the cat", ["cat"], 0, 2 * (3 / 6) / (3 / 6 + 1)),  # no article rule
    ("가", ["나"], 0, 0),
])
def test_korquad(prediction, golds, exact, f1):
    assert one(prediction, golds, "korquad") == (exact, pytest.approx(f1))


@pytest.mark.parametrize("prediction, golds, exact, f1", [
    ("", [], 1, 1),
    ("cat", [], 0, 0),
    ("", ["the"], 1, 1),  # an answer of nothing but an article is no answer
    ("", ["cat"], 0, 0),
    ("a cat", ["cat", ""], 1, 1),
])
def test_squad_v2(prediction, golds, exact, f1):
    assert one(prediction, golds, "squad_v2") == (exact, f1)


def test_averages_are_percentages_of_all_labelled_questions():
    examples = [Example(str(n), "?", "c", (Answer("cat", -1),)) for n in range(3)] + [Example("test", "?", "c")]
    assert score({"0": "cat", "1": "a cat sat"}, examples) == {"exact_match": 100 / 3, "f1": pytest.approx(100 * (1 + 2 / 3) / 3), "total": 3}
    assert score({"test": "cat"}, examples[3:]) == {}
    missing_left_out = score({"0": "cat", "1": "dog"}, examples, "squad_v2")
    assert missing_left_out["exact"] == 50 and missing_left_out["total"] == missing_left_out["HasAns_total"] == 2


def test_auto():
    has, none = Example("1", "?", "c", (Answer("c", 0),)), Example("2", "?", "c", is_impossible=True)
    assert choose_scorer(ExampleList([has], version="KorQuAD_v1.0_dev")) == "korquad"
    assert choose_scorer(ExampleList([has], version="1.1")) == "squad"
    assert choose_scorer([has, none]) == "squad_v2"


def test_an_unknown_scorer_is_refused():
    with pytest.raises(InputError, match="squad, squad_v2, korquad"):
        score({}, [], "bleu")


# An independent re-implementation, in the shape of the official scripts: one step a function, sums in a loop.

def official_normalize(text, korean):
    if korean:
        for symbol in "'\"《》<>〈〉()‘’":
            text = text.replace(symbol, " ")
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    if not korean:
        text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def official_scores(predictions, articles, korean):
    f1 = exact = total = 0
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                total += 1
                if qa["id"] not in predictions:
                    continue
                best_f1 = best_exact = 0
                for answer in qa["answers"]:
                    p, g = official_normalize(predictions[qa["id"]], korean).split(), official_normalize(answer["text"], korean).split()
                    best_exact = max(best_exact, p == g)
                    if korean:
                        p, g = list("".join(p)), list("".join(g))
                    same = sum((Counter(p) & Counter(g)).values())
                    if same:
                        precision, recall = 1.0 * same / len(p), 1.0 * same / len(g)
                        best_f1 = max(best_f1, (2 * precision * recall) / (precision + recall))
                f1 += best_f1
                exact += best_exact
    return {"exact_match": 100.0 * exact / total, "f1": 100.0 * f1 / total, "total": total}


def perturb(rng, text, context):
    """A prediction such as readers make: right, cut, stretched, re-punctuated, or from elsewhere in the context."""
    kind = rng.randrange(7)
    if kind == 0:
        return text
    if kind == 1:
        return text[: rng.randint(0, len(text))]
    if kind == 2:
        at = max(0, context.find(text) - rng.randint(0, 6))
        return context[at : at + len(text) + rng.randint(0, 9)]
    if kind == 3:
        return rng.choice(["the {}", "'{}'", "《{}》", "({}).", "{}은", "  {}  {}", "{}"]).replace("{}", text)
    if kind == 4:
        at = rng.randrange(len(context))
        return context[at : at + rng.randint(0, 30)]
    if kind == 5:
        return text.swapcase()
    return " ".join(rng.sample(text.split(), k=len(text.split())))


@pytest.mark.parametrize("name, scorer", [("KorQuAD_v1.0_dev.json", "korquad"), ("KorQuAD_v1.0_dev.json", "squad"), ("xquad.en.json", "squad"),
                                          ("xquad.vi.json", "squad"), ("xquad.ru.json", "squad"), ("xquad.en.json", "korquad")])
def test_equal_to_an_independent_scorer_on_real_answers(name, scorer):
    path = real_data(name)
    examples, articles = load_examples(path), json.loads(path.read_text("utf-8"))["data"]
    for seed in range(1 + 5000 // len(examples)):
        rng = random.Random(seed)
        predictions = {e.id: perturb(rng, rng.choice(e.answers).text, e.context) for e in examples if rng.random() < 0.99}
        assert score(predictions, examples, scorer) == official_scores(predictions, articles, scorer == "korquad")


TEXT = st.text(st.sampled_from("abc the AN.,'\"《》()‘’ \u3000\n한국어é"), max_size=20)


@given(TEXT)
def test_normalisation_equals_the_step_by_step_one(text):
    assert normalize_squad(text) == official_normalize(text, korean=False)
    assert normalize_korquad(text) == official_normalize(text, korean=True)


@given(TEXT, st.lists(TEXT, min_size=1, max_size=4), st.sampled_from(["squad", "korquad", "squad_v2"]))
def test_bounds_identity_and_order(prediction, golds, scorer):
    exact, f1 = one(prediction, golds, scorer)
    assert exact in (0, 1) and 0 <= f1 <= 1
    assert one(prediction, golds[::-1], scorer) == (exact, f1)
    assert one(golds[0], golds, scorer)[0] == 1 or (scorer == "squad_v2" and not normalize_squad(golds[0]))
    assert one(prediction, golds[:1], scorer)[1] == one(golds[0], [prediction], scorer)[1] or scorer == "squad_v2"
