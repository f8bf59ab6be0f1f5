"""What objects say of themselves: in a line, and as HTML in a notebook, where nothing acts."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mrc
from mrc import (
    Answer,
    EvalConfig,
    Example,
    FeatureDataset,
    Metrics,
    TrainConfig,
    Trainer,
    TrainingSettings,
    WindowSettings,
)
from mrc.data.examples import NOT_FOUND, ExampleList

CONTEXT = "The mill was built in 1784. " * 100


def test_an_example_is_one_short_line():
    example = Example("a", "When was it built?", CONTEXT, (Answer("1784", 22),))
    assert repr(example) == (
        "<Example 'a': 'When was it built?' -> '1784'; context of 2800 characters>"
    )
    impossible = Example("b", "Who painted it?" * 100, CONTEXT, is_impossible=True)
    assert "-> no answer" in repr(impossible)
    assert len(repr(impossible)) < 150
    assert "-> unlabeled" in repr(Example("c", "Who?", CONTEXT))


def test_a_list_of_examples_is_counted():
    examples = ExampleList(
        [
            Example("a", "When?", CONTEXT, (Answer("1784", 22),)),
            Example("b", "Who?", CONTEXT, is_impossible=True),
        ],
        source="mill.json",
    )
    assert repr(examples) == (
        "<ExampleList of mill.json: 2 questions on 1 context, 1 without an answer>"
    )


def test_a_notebook_shows_the_context_with_its_answers_marked():
    answers = (Answer("b c", 2), Answer("c d", 4), Answer("e", 8), Answer("x", NOT_FOUND))
    shown = Example("a", "Which?", "a b c d e", answers)._repr_html_()
    assert "a <mark>b c</mark> d <mark>e</mark></div>" in shown
    examples = ExampleList(
        [Example(str(number), f"Question {number}?", "a b c") for number in range(12)]
    )
    shown = examples._repr_html_()
    assert "Question 4?" in shown
    assert "Question 5?" not in shown
    assert "7 more questions" in shown


HOSTILE = st.text(st.sampled_from("<>&\"'/scriptb=\u202e\u2066\u200f\x1b\x08\n é한"), max_size=30)


@given(HOSTILE, HOSTILE, HOSTILE, st.data())
def test_nothing_in_an_example_acts_in_a_notebook(identity, question, context, data):
    start = data.draw(st.integers(0, len(context)))
    end = data.draw(st.integers(start, len(context)))
    answer = Answer(context[start:end], start)
    shown = Example(identity, question, context, (answer,))._repr_html_()
    assert set(re.findall(r"<[^>]*?([a-z]+)\b", shown)) <= {"div", "b", "small", "mark"}
    assert not re.search("[\u202e\u2066\u200f\x1b\x08]", shown)


@pytest.fixture(scope="module")
def dataset(examples, bert):
    return FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))


def test_features_and_metrics_say_what_they_hold(dataset):
    count = len(dataset.examples)
    assert re.fullmatch(
        rf"<FeatureDataset: {len(dataset)} features of {count} questions; windows of up to "
        r"64 tokens, stride 16; \d+ features with an answer>",
        repr(dataset),
    )
    metrics = Metrics(dataset, scorer="squad_v2")
    assert repr(metrics) == (
        f"<Metrics: {count} questions, scorer squad_v2, pruned search, "
        'may say "no answer"; nothing scored yet>'
    )


def test_a_trainer_says_how_far_it_is(dataset, bert, encoder_folder, tmp_path):
    model = mrc.BaselineModel.from_pretrained(encoder_folder, dropout=0.0)
    settings = TrainingSettings(max_steps=2, batch_size=4, precision="fp32")
    trainer = Trainer(
        model, bert, dataset, dataset, settings, folder=tmp_path / "run", device="cpu"
    )
    assert re.fullmatch(
        r"<Trainer: BaselineModel \(0\.\dM parameters\) on cpu, fp32; step 0 of 2; run in .*run>",
        repr(trainer),
    )
    scores = trainer.fit()
    best = f"best f1 {scores['f1']:.2f} at step 2"
    assert f"step 2 of 2; {best};" in repr(trainer)
    assert f"f1 {scores['f1']:.2f}>" in repr(trainer.metrics)


def test_a_config_shows_what_differs_from_the_defaults():
    assert repr(TrainingSettings()) == "TrainingSettings()"
    table = TrainingSettings(epochs=7, metric_for_best="<b>")._repr_html_()
    assert "<tr><td><b>epochs</b></td><td><b>7</b></td></tr>" in table
    assert "<td>batch_size</td><td>16</td>" in table
    assert "&lt;b&gt;" in table
    assert repr(TrainingSettings(epochs=7)) == "TrainingSettings(epochs=7)"
    config = TrainConfig(model="klue/bert-base", train_file=[{"id": "a"}] * 100)
    assert repr(config) == "TrainConfig(train_file=<list>, model='klue/bert-base')"
    config = EvalConfig(checkpoint="runs/first", batch_size=8)
    assert eval(repr(config)) == config


def test_a_number_of_numpys_is_recorded_as_pythons():
    settings = TrainingSettings(epochs=np.int64(7), learning_rate=np.float32(0.5))
    assert repr(settings) == "TrainingSettings(epochs=7, learning_rate=0.5)"
    assert json.loads(json.dumps(settings.to_dict()))["epochs"] == 7


def test_tab_completion_offers_the_public_names_alone():
    assert [name for name in dir(mrc) if not name.startswith("__")] == mrc.__all__
