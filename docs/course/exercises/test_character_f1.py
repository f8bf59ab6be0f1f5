"""Grades character_f1.py."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def character_f1(submission):
    return submission.character_f1


def f1_by_hand(prediction, answer):
    """The F1 in plain Python: cross out each common character once."""
    texts = []
    for text in (prediction, answer):
        kept = [c for c in text.lower() if c not in string.punctuation + "《》〈〉‘’"]
        texts.append([c for c in kept if not c.isspace()])
    predicted, right = texts
    left = list(right)
    for character in predicted:
        if character in left:
            left.remove(character)
    common = len(right) - len(left)
    return 2 * common / (len(predicted) + len(right)) if common else 0.0


def test_equal_answers(character_f1):
    assert character_f1("서울", ["서울"]) == 1, "Equal answers have the F1 1."


def test_nothing_in_common(character_f1):
    assert character_f1("부산", ["서울"]) == 0, "Without a common character the F1 is 0."


def test_a_particle_costs_little(character_f1):
    # 2 common characters: precision 2/4, recall 2/2.
    assert character_f1("서울에서", ["서울"]) == pytest.approx(2 / 3), (
        "'서울에서' for '서울' has precision 2/4 and recall 1, F1 2/3: count characters."
    )


def test_a_part_of_the_answer(character_f1):
    assert character_f1("이순신", ["이순신 장군"]) == pytest.approx(0.75), (
        "'이순신' for '이순신 장군' has precision 1 and recall 3/5: the space is no character."
    )


@pytest.mark.parametrize(
    "prediction",
    ["대한 민국", " 대한민국 ", "대한\n민국", "대\t한민국", "대한\u3000민국", "대한\u00a0민국"],
    ids=["space", "outside", "line end", "tab", "wide space", "no-break space"],
)
def test_korean_spaces(character_f1, prediction):
    assert character_f1(prediction, ["대한민국"]) == 1, (
        f"{prediction!r} and '대한민국' differ in white space only, which is dropped."
    )


def test_characters_are_counted(character_f1):
    assert character_f1("아아아아", ["아"]) == pytest.approx(0.4), (
        "'아아아아' and '아' share one character, not four: precision 1/4, recall 1."
    )
    assert character_f1("바나나", ["나나나"]) == pytest.approx(2 / 3), (
        "'바나나' and '나나나' share two characters: a set of characters counts only one."
    )


def test_the_order_does_not_matter(character_f1):
    assert character_f1("울서", ["서울"]) == 1, "The same characters in another order have F1 1."


@pytest.mark.parametrize(
    "prediction",
    ["《태백산맥》", "'태백산맥'", "태백산맥.", "〈태백산맥〉", "‘태백산맥’"],
    ids=["double brackets", "ASCII quotes", "stop", "brackets", "quotes"],
)
def test_punctuation(character_f1, prediction):
    assert character_f1(prediction, ["태백산맥"]) == 1, f"The marks of {prediction} are dropped."


def test_other_marks_stay(character_f1):
    assert character_f1("「산」", ["산"]) == pytest.approx(0.5), (
        "「 and 」 are not among the characters that are dropped."
    )
    assert character_f1("3·1", ["3.1"]) == pytest.approx(0.8), (
        "· is not among the characters that are dropped, but . is."
    )


def test_lower_case(character_f1):
    assert character_f1("KBS", ["kbs"]) == 1, "Turn both texts into lower case."


def test_articles_stay(character_f1):
    assert character_f1("the a", ["a"]) == pytest.approx(0.4), (
        "SQuAD drops articles, KorQuAD does not."
    )


def test_the_best_answer_counts(character_f1):
    assert character_f1("한글", ["훈민정음", "한글", "언문"]) == 1, (
        "With several right answers the best F1 counts, not the first or the mean."
    )


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [("", "서울"), ("...", "서울"), ("", ""), ("!", "?")],
    ids=["empty", "dots", "both empty", "marks"],
)
def test_nothing_left(character_f1, prediction, answer):
    assert character_f1(prediction, [answer]) == 0, (
        f"{prediction!r} and {answer!r} share no character, so the F1 is 0: mind the division."
    )


texts = st.text(alphabet="가나다aA1 .《「\u3000", max_size=8)


@given(prediction=texts, answers=st.lists(texts, min_size=1, max_size=3))
def test_any_texts(character_f1, prediction, answers):
    expected = max(f1_by_hand(prediction, answer) for answer in answers)
    assert character_f1(prediction, answers) == pytest.approx(expected), (
        f"The F1 of {prediction!r} for {answers!r} should be {expected:.3f}."
    )
