"""Arguments in the wrong place: what Python is told in a sentence, by each class of `mrc`."""

import re

import pytest
import torch

import mrc
from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.training.resume import how_to_resume

EXAMPLES = [Example("1", "Who came?", "Anna came.", (), True)]
WINDOWS = mrc.WindowSettings(max_length=64, stride=16)


@pytest.fixture(scope="module")
def features(bert):
    return mrc.FeatureDataset(EXAMPLES, bert, WINDOWS)


@pytest.fixture(scope="module")
def model(bert):
    return mrc.BaselineModel.tiny(len(bert))


def test_a_trainer_says_which_argument_is_in_the_wrong_place(model, bert, features):
    settings = mrc.TrainingSettings(epochs=1)
    wrong = {
        "eval_set is of type TrainingSettings; give the settings by name: settings=": (
            (model, bert, features, settings),
            {},
        ),
        "settings is of type dict; give TrainingSettings": (
            (model, bert, features),
            {"settings": {"epochs": 1}},
        ),
        "tokenizer is of type FeatureDataset; give .*Trainer.model, tokenizer, train_set": (
            (model, features),
            {},
        ),
        "train_set is of type list; give a FeatureDataset": ((model, bert, EXAMPLES), {}),
        "eval_set is of type list; give a FeatureDataset": ((model, bert, features, EXAMPLES), {}),
    }
    for message, (given, named) in wrong.items():
        with pytest.raises(InputError, match=message):
            mrc.Trainer(*given, **named)
    with pytest.raises(TypeError, match=r"'epochs'; give it in settings=TrainingSettings\(epochs="):
        mrc.Trainer(model, bert, features, epochs=1)
    with pytest.raises(TypeError, match=r"'evalset'; Trainer\(model, tokenizer, train_set, "):
        mrc.Trainer(model, bert, features, evalset=features)


def test_the_parts_say_what_they_take(bert, features):
    wrong = {
        "the tokenizer is of type int; give": lambda: mrc.FeatureDataset(EXAMPLES, 1),
        "settings is of type int; give a WindowSettings": lambda: mrc.FeatureDataset(
            EXAMPLES, bert, 128
        ),
        r"examples\[0\] is of type dict; give Examples": lambda: mrc.FeatureDataset([{}], bert),
        "encoder is of type int; give a Hugging Face model": lambda: mrc.BaselineModel(99),
        "Metrics: dataset is of type list; give": lambda: mrc.Metrics(EXAMPLES),
        "Collator: dataset is of type list; give": lambda: mrc.Collator(EXAMPLES),
        "max_length is of type str; give": lambda: mrc.WindowSettings(max_length="128"),
        "give the dataset's: dataset.lengths": lambda: mrc.LengthBucketSampler(features, 4),
        "config is of type dict; give a TrainConfig": lambda: mrc.train({"epochs": 1}),
        "give a TrainConfig": lambda: mrc.train(mrc.TrainingSettings()),
        "give an EvalConfig": lambda: mrc.evaluate({}),
    }
    for message, make in wrong.items():
        with pytest.raises(InputError, match=message):
            make()


def test_a_model_says_how_a_batch_is_passed(model, bert, features):
    batch = mrc.Collator(features)([0])
    with pytest.raises(InputError, match=r'model\(batch\["input_ids"\], batch\["attention_'):
        model(batch)
    with pytest.raises(InputError, match="takes the tensors of a batch"):
        model(bert("Who came?", return_tensors="pt"))


def test_the_check_of_a_batch_does_not_break_a_graph(model, features):
    batch = mrc.Collator(features)([0])
    inputs = (batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
    exported = torch.export.export(model.eval(), inputs)
    torch.testing.assert_close(exported.module()(*inputs), model(*inputs))
    explained = torch._dynamo.explain(model)(*inputs)
    assert explained.graph_break_count == 0


def test_a_misspelled_setting_is_told_its_name():
    for given, advice in {
        "epoch": "no setting 'epoch'; did you mean epochs?",
        "lr": "no setting 'lr'; write learning_rate",
        "xyzzy": "no setting 'xyzzy'; help",
    }.items():
        with pytest.raises(TypeError, match=f"TrainConfig: {re.escape(advice)}"):
            mrc.TrainConfig(**{given: 1})


def test_sampler_and_collator_say_what_they_do(features):
    sampler = mrc.LengthBucketSampler(features.lengths, 4)
    assert repr(sampler) == "<LengthBucketSampler: 1 feature, 4 a batch; 1 step an epoch>"
    assert repr(mrc.Collator(features, pad_to=64)).startswith("<Collator: pads to 64 tokens; of <F")


def test_how_to_resume_is_said_in_the_language_of_the_caller():
    config = mrc.TrainConfig(model="a/b", trust_remote_code=True)
    line = how_to_resume(config, "runs/x", from_python=True)
    assert line == 'mrc.train(TrainConfig(resume="runs/x", trust_remote_code=True))'
    assert how_to_resume(config, "runs/x").endswith("train --resume runs/x --trust-remote-code")
