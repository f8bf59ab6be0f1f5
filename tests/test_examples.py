"""Every form of SQuAD-style JSON is read; every fault in one ends in a sentence that says where."""

import json

import pytest
from conftest import DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from mrc.data.examples import Answer, Example
from mrc.data.findings import NOT_FOUND
from mrc.data.loading import load_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError


def squad(*qas, context="The mill was built in 1784. It burned in 1872."):
    return {
        "version": "1.1",
        "data": [{"title": "Mill", "paragraphs": [{"context": context, "qas": list(qas)}]}],
    }


def question(identity="1", text="1784", start=22, **more):
    return {
        "id": identity,
        "question": "When?",
        "answers": [{"text": text, "answer_start": start}],
        **more,
    }


def test_squad_of_three_languages():
    examples = load_examples(DATA / "squad.json")
    assert [e.id for e in examples] == ["en-1", "en-2", "en-3", "vi-1", "vi-2", "ru-1", "ru-2"]
    assert examples[0].answers == (Answer("1784", 41), Answer("in 1784", 38))
    assert examples[0].title == "Harrow Bend"
    assert all(e.context[a.start :].startswith(a.text) for e in examples for a in e.answers)
    assert examples.version == "1.1"
    assert examples.report() == ""


def test_korquad_says_so():
    assert load_examples(DATA / "korquad.json").version == "KorQuAD_v1.0_dev"


def test_squad_v2_and_its_plausible_answers():
    answerable, impossible = load_examples(DATA / "squad_v2.json")
    assert not answerable.is_impossible
    assert impossible.is_impossible
    assert impossible.answers == ()
    assert impossible.is_labeled


def test_a_news_test_file_has_guids_and_no_answers():
    examples = load_examples(DATA / "news_test.json")
    assert [e.id for e in examples] == ["news-0001", "news-0002"]
    assert not any(e.is_labeled for e in examples)
    assert not examples.trainable()


def test_an_empty_list_of_answers_means_no_answer(write):
    record = {**question(), "answers": []}
    assert load_examples(write(squad(record)))[0].is_impossible
    assert not load_examples(write(squad({**record, "is_impossible": False})))[0].is_labeled


def test_a_byte_order_mark_and_odd_characters_keep_their_offsets(write):
    context = "A\r\nB\u0000 e\u0301 👩‍👩‍👧 שלום \ud800 1784."
    path = write("")
    path.write_bytes(
        b"\xef\xbb\xbf"
        + json.dumps(squad(question(start=context.index("1784")), context=context)).encode()
    )
    assert load_examples(path)[0].context == context


@pytest.mark.parametrize(("policy", "start"), [("repair", 22), ("skip", NOT_FOUND)])
def test_an_answer_beside_its_place(write, policy, start):
    examples = load_examples(write(squad(question(start=20))), on_bad_answer=policy)
    assert examples[0].answers == (Answer("1784", start),)
    assert [bad.moved_to for bad in examples.bad_answers] == [start]
    assert len(examples.trainable()) == (policy == "repair")
    assert "data[0].paragraphs[0].qas[0].answers[0]" in examples.report()


def test_the_nearest_occurrence_is_taken(write):
    context = "1784 x 1784 xxxxxx 1784"
    starts = {
        near: load_examples(write(squad(question(start=near), context=context)))[0].answers[0].start
        for near in (1, 5, 9, 12, 18, 99)
    }
    assert starts == {1: 0, 5: 7, 9: 7, 12: 7, 18: 19, 99: 19}


def test_an_answer_that_stands_nowhere_still_counts_in_scores(write):
    examples = load_examples(write(squad(question(text="1900"))))
    assert examples[0].answers == (Answer("1900", NOT_FOUND),)
    assert not examples.trainable()
    assert "1 found nowhere" in examples.report()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "broken JSON at line 1, column 2"),
        ("[" * 100000, "nested too deeply"),
        ([1, 2], "[0]: must be an object with the key 'context', not a whole number"),
        ("1784", "must be an object with the key 'context', not a whole number"),
        ("1" * 5000, "broken JSON: Exceeds the limit"),
        ({"version": "1.1"}, "the key 'data' is missing"),
        ({"data": {}}, ".data: must be a list, not an object"),
        ({"data": [{}]}, "data[0]: the key 'context' is missing. Records hold"),
        ({"data": [{"paragraphs": {}}]}, "data[0].paragraphs: must be a list, not an object"),
        (
            {"data": [{"paragraphs": [{"context": "x"}]}]},
            "data[0].paragraphs[0]: the key 'qas' is missing",
        ),
        (
            {"data": [{"paragraphs": [{"context": "x", "qas": ["?"]}]}]},
            "qas[0]: must be an object with the key 'question', not a string",
        ),
        (
            {"data": [{"paragraphs": [{"qas": []}]}]},
            "data[0].paragraphs[0]: the key 'context' is missing",
        ),
        (squad(context="  \n"), "paragraphs[0].context: is empty"),
        (squad({"id": "1", "question": ""}), "qas[0].question: is empty"),
        (squad({"id": "1"}), "qas[0]: the key 'question' is missing"),
        (
            squad({"id": "1", "qestion": "?"}),
            "qas[0]: the key 'question' is missing; should 'qestion' be called so?",
        ),
        (
            squad({"id": ["1"], "question": "?"}),
            "qas[0].id: must be a string or a whole number, not a list",
        ),
        (
            squad(question("1"), {**question("1"), "question": "Who?"}),
            "qas[1].id: '1' is the id of {path}: data[0].paragraphs[0].qas[0] already, which is "
            "another question; ids must differ",
        ),
        (
            squad(question("1"), question("1", is_impossible=True)),
            "qas[1]: has the id '1' of {path}: data[0].paragraphs[0].qas[0]; one of the two has an "
            "answer, the other is marked as having none",
        ),
        (
            squad(question(start="22")),
            "answers[0].answer_start: must be a whole number, not a string",
        ),
        (
            squad(question(start=True)),
            "answers[0].answer_start: must be a whole number, not true or false",
        ),
        (
            squad({**question(), "answers": {"anwser": ["1784"]}}),
            "qas[0].answers: the key 'text' is missing",
        ),
        (
            squad({**question(), "answers": {"text": ["1784"], "answer_start": []}}),
            "qas[0].answers: has 1 text and 0 values of answer_start",
        ),
        (
            squad({**question(), "answers": 1784.5}),
            "qas[0].answers: must be a text, a list or an object, not a number",
        ),
        (
            squad({**question(), "answers": ["1784", True]}),
            "answers[1]: must be a text, not true or false",
        ),
        (
            squad({**question(), "answers": [{"text": "1784"}, "1784"]}),
            "answers[1]: must be an object with the key 'text', not a string",
        ),
        (
            squad({**question(), "answers": {"text": ["1784"], "answer_start": "22"}}),
            "answers.answer_start: must be a list, not a string",
        ),
        (squad(question(is_impossible="no")), "is_impossible: must be true or false, not a string"),
    ],
)
def test_faults_are_named(write, content, message):
    path = write(content)
    with pytest.raises(InputError) as raised:
        load_examples(path)
    assert str(raised.value).startswith(str(path))
    assert message.replace("{path}", str(path)) in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_examples(tmp_path / "absent.json")
    with pytest.raises(InputError, match="holds no data file"):
        load_examples(tmp_path)
    with pytest.raises(InputError, match="no file has a name of this pattern"):
        load_examples(tmp_path / "*.json")
    (tmp_path / "latin").write_bytes(b'{"data": "\xe9"}')
    with pytest.raises(InputError, match="byte 10 is not UTF-8"):
        load_examples(tmp_path / "latin")


def test_a_bad_answer_can_stop_the_run(write):
    with pytest.raises(
        InputError,
        match=r"answer_start: 20 holds 'n 17' where the text is '1784'; correct it, or use "
        "--on-bad-answer",
    ):
        load_examples(write(squad(question(start=20))), on_bad_answer="error")


TEXT = st.text(min_size=1, max_size=20).filter(str.strip)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(TEXT, TEXT, st.sampled_from(["answer", "none", "bare"])), min_size=1, max_size=6
    ),
    st.sampled_from(["", "t"]),
)
def test_what_is_written_is_read_back(tmp_path_factory, rows, title):
    examples = []
    for n, (context, asked, kind) in enumerate(rows):
        answers = (
            (Answer(context[len(context) // 2 :], len(context) // 2),) if kind == "answer" else ()
        )
        examples.append(Example(str(n), asked, context, answers, kind == "none", title))
    path = tmp_path_factory.mktemp("written") / "data.json"
    write_squad(examples, path)
    assert load_examples(path) == examples
    assert [p.name for p in path.parent.iterdir()] == ["data.json"]
