"""The built-in corpus keeps its promises."""

import hashlib
import re

import pytest

from mrc.commands import sample
from mrc.data.loading import load_examples
from mrc.data.sample import LANGUAGES, Hangul, load_sample, sample_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError


@pytest.fixture(scope="module")
def parts():
    return sample_examples("train"), sample_examples("validation")


def test_answers_stand_where_they_should(parts):
    for part in parts:
        assert all(e.context[a.start :].startswith(a.text) for e in part for a in e.answers)
        assert len({e.id for e in part}) == len(part)


# Of the train and the validation part. Another corpus would make all published scores void.
CHECKSUMS = {
    False: ["5ede85feb9467537", "470bb2286cc5b116"],
    True: ["3528c51b3f88eabe", "423bb184210a51aa"],
}


@pytest.mark.parametrize("unanswerable", CHECKSUMS)
def test_it_is_the_same_on_every_machine(unanswerable):
    for split, checksum in zip(("train", "validation"), CHECKSUMS[unanswerable], strict=True):
        examples = sample_examples(split, unanswerable=unanswerable)
        rows = [
            (
                example.id,
                example.question,
                example.context,
                [(answer.text, answer.start) for answer in example.answers],
                example.is_impossible,
                example.title,
            )
            for example in examples
        ]
        assert hashlib.sha256(repr(rows).encode()).hexdigest().startswith(checksum)


def test_it_is_the_same_each_time_and_different_for_each_seed(parts):
    assert sample_examples("validation") == parts[1] != sample_examples("validation", seed=1)


def test_no_entity_name_stands_in_both_parts(parts):
    names = [{e.question for e in part} for part in parts]
    # Every question holds its entity's name.
    assert not names[0] & names[1]
    people = [
        {
            a.text
            for e in part
            if "-en-" in e.id
            for a in e.answers
            if re.fullmatch(r"[A-Z]\w+ [A-Z]\w+", a.text)
        }
        for part in parts
    ]
    assert len(people[1]) > 20
    assert not people[0] & people[1]
    words = re.findall(
        r"[A-Z]\w+ [A-Z]\w+", " ".join({e.context for e in parts[0] if "-en-" in e.id})
    )
    assert not people[1] & set(words)


def test_several_entities_share_each_kind_of_fact(parts):
    from mrc.data.sample_facts import FACTS

    # Each context tells the fact of three entities, so its type does not give the answer away.
    statements = [
        s
        for facts in FACTS["en"].values()
        for pool, sentences, _ in facts
        if pool == "year"
        for s in sentences
    ]
    told = re.compile(
        "|".join(
            re.escape(s).replace(r"\{e\}", r"[\w ]+").replace(r"\{v\}", r"\d+") for s in statements
        )
    )
    asked = [
        e for e in parts[1] if "-en-" in e.id and e.question.startswith(("When", "In which year"))
    ]
    assert len(asked) > 20
    assert all(len(told.findall(e.context)) >= 3 for e in asked)


def test_some_contexts_do_not_fit_a_short_window(parts, bert):
    assert 0.01 < sum(len(e.context) > 600 for e in parts[0]) / len(parts[0]) < 0.1


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_language(language):
    examples = load_sample(f"sample:{language}", "validation")
    assert {e.id.split("-")[1] for e in examples} == {language}


def test_unanswerable_questions_ask_for_absent_entities():
    examples = load_sample("sample:en:unanswerable", "validation")
    examples += load_sample("sample:en:unanswerable", "train")
    share = sum(e.is_impossible for e in examples) / len(examples)
    names = {e.id: " ".join(re.findall(r"(?<!^)\b[A-Z]\w+", e.question)) for e in examples}
    assert all(
        bool(re.search(rf"\b{names[e.id]}\b", e.context)) != e.is_impossible for e in examples
    )
    assert 0.15 < share < 0.35
    assert all(e.is_labeled for e in examples)
    assert not any(e.is_impossible for e in load_sample("sample:en", "validation"))


def test_an_unknown_language_is_refused():
    with pytest.raises(
        InputError, match="'fr' is neither 'unanswerable' nor a list of ko, en, vi, ru"
    ):
        load_sample("sample:fr")
    with pytest.raises(
        InputError,
        match=r"data.json: the built-in corpus is called sample; a file to train on is a "
        "--train-file",
    ):
        load_sample("data.json")


def test_it_is_exported_and_never_over_a_users_files(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sample", str(tmp_path), "--data", "sample:ko"])
    sample.main()
    assert load_examples(tmp_path / "validation.json") == load_sample("sample:ko", "validation")
    with pytest.raises(InputError, match=r"train.json: already exists"):
        sample.main()


def test_it_can_be_written_as_squad_json(tmp_path):
    examples = load_sample("sample:ko:unanswerable", "validation")
    write_squad(examples, tmp_path / "sample.json")
    assert load_examples(tmp_path / "sample.json") == examples


@pytest.mark.parametrize(
    ("word", "topic", "subject"), [("나무", "나무는", "나무가"), ("솔", "솔은", "솔이")]
)
def test_korean_particles(word, topic, subject):
    assert f"{Hangul(word):은}" == topic
    assert f"{Hangul(word):이}" == subject
    assert f"{Hangul(word)}" == word
