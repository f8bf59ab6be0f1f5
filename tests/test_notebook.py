"""Training from Python, as in a notebook: parts of one's own, data in memory, cells run again."""

import json
import math

import pytest
import torch
from conftest import DATA
from torch import nn
from torch.utils.data import DataLoader

import mrc
from mrc import EvalConfig, FeatureDataset, TrainConfig, Trainer, TrainingSettings, WindowSettings
from mrc.errors import InputError
from mrc.training.trainer import is_due


@pytest.fixture
def parts(examples, bert, encoder_folder):
    """A model, a tokenizer and a data set."""
    torch.manual_seed(0)
    model = mrc.BaselineModel.from_pretrained(encoder_folder, dropout=0.0)
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))
    return model, bert, dataset


SETTINGS = {"epochs": 1, "batch_size": 4, "learning_rate": 1e-3, "precision": "fp32"}


def weights_of(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("step", "every", "due"), [(6, 3, True), (7, 3, False), (1, 1, True), (7, None, False)]
)
def test_what_is_due(step, every, due):
    assert is_due(step, every) == due


def test_a_trainer_needs_no_more_than_its_parts(parts, tmp_path, monkeypatch):
    """Without a folder it makes one; the device is a name; the cell can be run again."""
    monkeypatch.chdir(tmp_path)
    model, tokenizer, dataset = parts
    settings = TrainingSettings(**SETTINGS)
    for folder in ("checkpoints/run", "checkpoints/run-2"):
        trainer = Trainer(model, tokenizer, dataset, dataset, settings, device="cpu")
        assert str(trainer.folder) == folder
        results = trainer.fit()
        assert json.loads((tmp_path / folder / "metrics.json").read_text()) == results
        assert math.isfinite(results["eval_loss"])


def test_a_folder_that_holds_a_run_is_not_overwritten(parts, tmp_path):
    model, tokenizer, dataset = parts
    settings = TrainingSettings(**SETTINGS)
    Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "run").fit()
    before = (tmp_path / "run" / "log.jsonl").read_text()
    again = Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "run")
    with pytest.raises(InputError, match=r"run: holds a run already; .*trainer\.resume"):
        again.fit()
    assert (tmp_path / "run" / "log.jsonl").read_text() == before


def test_a_run_is_resumed_in_a_new_session(parts, encoder_folder, tmp_path):
    """The weights come from the checkpoint, whatever the model that the Trainer was given."""
    model, tokenizer, dataset = parts
    settings = TrainingSettings(**{**SETTINGS, "epochs": 2, "ema_decay": 0.9, "save_every": 5})
    start = weights_of(model)
    whole = Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "whole")
    whole.fit()
    expected = weights_of(model)

    class Interrupted(Exception):
        pass

    calls = []

    def loss(output, batch):
        calls.append(1)
        # The first call is the Trainer's own.
        if len(calls) == 9:
            raise Interrupted
        return mrc.span_loss(*output, batch)

    model.load_state_dict(start)
    cut = Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "cut", loss=loss)
    with pytest.raises(Interrupted):
        cut.fit()
    fresh = mrc.BaselineModel.from_pretrained(encoder_folder, dropout=0.0)
    resumed = Trainer(fresh, tokenizer, dataset, settings=settings, folder=tmp_path / "cut")
    resumed.resume(tmp_path / "cut")
    assert resumed.progress.step == 5
    resumed.fit()
    assert same(expected, weights_of(fresh))
    assert same(weights_of(whole.averaged_model), weights_of(resumed.averaged_model))


def plain_sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def fused_adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)


@pytest.mark.parametrize("make_optimizer", [plain_sgd, torch.optim.Adagrad, fused_adamw])
def test_a_bad_step_is_skipped_with_any_optimizer(parts, tmp_path, make_optimizer):
    """Its weights are those of a run without that step; another loss, schedule and loader too."""
    model, tokenizer, dataset = parts
    is_class = isinstance(make_optimizer, type)
    optimizer = make_optimizer(model.parameters()) if is_class else make_optimizer(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    loader = DataLoader(dataset, batch_size=4, collate_fn=mrc.Collator(dataset))
    seen = []

    def loss(output, batch):
        seen.append(weights_of(model))
        return mrc.span_loss(*output, batch) * (math.nan if len(seen) == 4 else 1)

    trainer = Trainer(
        model,
        tokenizer,
        dataset,
        settings=TrainingSettings(max_steps=5, precision="fp32"),
        folder=tmp_path / "run",
        optimizer=optimizer,
        schedule=schedule,
        loss=loss,
        loader=loader,
        device="cpu",
    )
    results = trainer.fit()
    assert results["bad_steps"] == 1
    assert results["steps"] == 5
    assert trainer.state.schedule.last_epoch == 5
    # seen[0] is the Trainer's own call, seen[3] is before the bad step and seen[4] after it.
    assert same(seen[3], seen[4])
    assert not same(seen[4], weights_of(model))
    assert all(torch.isfinite(value).all() for value in weights_of(model).values())


def test_a_loader_alone_is_enough(parts, tmp_path):
    """Dicts of tensors from anywhere, in an order that only the loader knows."""
    model, tokenizer, dataset = parts
    batches = [dict(batch) for batch in DataLoader(dataset, batch_size=5)]
    for batch in batches:
        del batch["feature_index"]
    trainer = Trainer(
        model,
        tokenizer,
        settings=TrainingSettings(epochs=2, gradient_accumulation_steps=3, precision="fp32"),
        folder=tmp_path / "run",
        loader=DataLoader(batches, batch_size=None, shuffle=True),
        device="cpu",
    )
    assert trainer.fit()["steps"] == 2 * math.ceil(len(batches) / 3)
    with pytest.raises(InputError, match="give a train_set, or a loader"):
        Trainer(model, tokenizer, folder=tmp_path / "other")


@pytest.mark.parametrize(
    ("part", "setting"),
    [
        ("optimizer", {"learning_rate": 1e-3}),
        ("schedule", {"warmup_steps": 2}),
        ("loss", {"label_smoothing": 0.1}),
        ("loader", {"batch_size": 4}),
    ],
)
def test_a_setting_that_would_have_no_effect_is_refused(parts, tmp_path, part, setting):
    model, tokenizer, dataset = parts
    optimizer = plain_sgd(model)
    own = {
        "optimizer": optimizer,
        "schedule": torch.optim.lr_scheduler.ConstantLR(optimizer),
        "loss": lambda output, batch: mrc.span_loss(*output, batch),
        "loader": DataLoader(dataset, batch_size=4),
    }
    name = next(iter(setting))
    with pytest.raises(InputError, match=f"{name}=.*: has no effect with {part}="):
        Trainer(
            model,
            tokenizer,
            dataset,
            settings=TrainingSettings(**setting),
            folder=tmp_path / "run",
            **{part: own[part]},
        )
    assert not (tmp_path / "run").exists()


class Lecture(nn.Module):
    """A module as lectures write it: other names and another order of its inputs' positions."""

    def __init__(self, vocab_size):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, 16)
        self.types = nn.Embedding(3, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, input_ids, token_type_ids, attention_mask):
        states = self.embedding(input_ids) + self.types(token_type_ids)
        start_logits, end_logits = self.head(states).unbind(dim=2)
        return start_logits, end_logits


def test_a_lectures_module_is_trained_scored_saved_and_loaded(parts, tmp_path):
    _, tokenizer, dataset = parts
    model = Lecture(len(tokenizer))
    settings = TrainingSettings(**SETTINGS)
    results = Trainer(
        model, tokenizer, dataset, dataset, settings, folder=tmp_path / "run", device="cpu"
    ).fit()
    again, _, saved = mrc.load_checkpoint(tmp_path / "run", model_class=Lecture(len(tokenizer)))
    assert not again.training
    assert saved["scores"]["f1"] == results["f1"]
    assert saved["config"]["max_length"] == 64
    assert same(weights_of(model), weights_of(again.module))


RECORDS = json.loads((DATA / "korquad.json").read_text("utf-8"))["data"]
OTHER_RECORDS = json.loads((DATA / "squad.json").read_text("utf-8"))["data"]


def test_a_run_on_data_in_memory_is_recorded_and_resumed_as_such(encoder_folder, tmp_path):
    """Its record names no file and no corpus; it is resumed with the same data only."""
    settings = {
        "model": str(encoder_folder),
        "max_length": 64,
        "stride": 16,
        "epochs": 2,
        "batch_size": 4,
    }
    run = tmp_path / "run"
    results = mrc.train(
        TrainConfig(train_file=RECORDS, validation_file=RECORDS, output_dir=str(run), **settings)
    )
    assert json.loads((run / "metrics.json").read_text()) == results
    record = json.loads((run / "config.json").read_text())
    assert record["data"] is None
    assert record["train_file"].startswith("in memory (")
    card = (run / "best" / "README.md").read_text("utf-8")
    assert "data in memory" in card
    assert "language" not in card

    with pytest.raises(InputError, match=r"--data is needed: .* data in memory"):
        mrc.evaluate(EvalConfig(checkpoint=str(run)))
    scores = mrc.evaluate(EvalConfig(checkpoint=str(run), data=RECORDS, batch_size=64))
    assert scores["f1"] == results["f1"]

    same_data = {"train_file": RECORDS, "validation_file": RECORDS}
    again = mrc.train(TrainConfig(resume=str(run), **same_data))
    assert again["f1"] == results["f1"]
    with pytest.raises(InputError, match=r"resume it from Python, with mrc.train\(TrainConfig\("):
        mrc.train(TrainConfig(resume=str(run)))
    with pytest.raises(InputError, match="was started with in memory"):
        mrc.train(TrainConfig(resume=str(run), train_file=OTHER_RECORDS, validation_file=RECORDS))


def test_a_checkpoint_that_does_not_know_its_data_asks_for_them(parts, tmp_path):
    model, tokenizer, dataset = parts
    settings = TrainingSettings(**SETTINGS)
    Trainer(model, tokenizer, dataset, dataset, settings, folder=tmp_path / "run").fit()
    with pytest.raises(InputError, match=r"--data is needed: .* does not say what"):
        mrc.evaluate(EvalConfig(checkpoint=str(tmp_path / "run")))
    results = mrc.evaluate(
        EvalConfig(checkpoint=str(tmp_path / "run"), data=str(DATA / "squad.json"))
    )
    assert results["config"]["max_length"] == 64


def test_a_checkpoint_records_the_windows_that_the_model_saw(parts, tmp_path):
    """Whatever a TrainConfig says of windows and data that the Trainer was not given."""
    model, tokenizer, dataset = parts
    config = TrainConfig(epochs=1, batch_size=4)
    Trainer(model, tokenizer, dataset, settings=config, folder=tmp_path / "run").fit()
    _, _, settings = mrc.load_checkpoint(tmp_path / "run")
    assert settings["config"]["max_length"] == 64
    assert settings["config"]["stride"] == 16
    assert "data" not in settings["config"]
    assert "model" not in settings["config"]


def test_what_cannot_be_resumed_in_a_notebook(parts, tmp_path):
    model, tokenizer, dataset = parts
    settings = TrainingSettings(**SETTINGS)
    Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "run").fit()

    elsewhere = Trainer(model, tokenizer, dataset, settings=settings, folder=tmp_path / "other")
    with pytest.raises(InputError, match='stays in its own folder; make the Trainer with folder="'):
        elsewhere.resume(tmp_path / "run")
    for changed, message in (
        ({"seed": 1}, "was started with seed=42, .* the Trainer has 1"),
        ({"batch_size": 2}, "takes 4 features or micro-batches, and would take 2 now"),
    ):
        other = TrainingSettings(**{**SETTINGS, **changed})
        trainer = Trainer(model, tokenizer, dataset, settings=other, folder=tmp_path / "run")
        with pytest.raises(InputError, match=message):
            trainer.resume(tmp_path / "run")
    smaller = TrainingSettings(**{**SETTINGS, "batch_size": 2, "gradient_accumulation_steps": 2})
    Trainer(model, tokenizer, dataset, settings=smaller, folder=tmp_path / "run").resume(
        tmp_path / "run"
    )


def test_a_model_of_ones_own_is_resumed_as_an_instance(parts, tmp_path):
    """Its constructor needs an argument that no checkpoint knows."""
    _, tokenizer, dataset = parts
    settings = TrainingSettings(**SETTINGS)
    trained = Lecture(len(tokenizer))
    Trainer(trained, tokenizer, dataset, settings=settings, folder=tmp_path / "run").fit()
    fresh = Lecture(len(tokenizer))
    trainer = Trainer(fresh, tokenizer, dataset, settings=settings, folder=tmp_path / "run")
    trainer.resume(tmp_path / "run")
    assert trainer.is_finished()
    assert same(weights_of(trained), weights_of(fresh))


def test_gradients_of_parameters_that_the_optimizer_lacks_do_not_pile_up(parts, tmp_path):
    """Else they would shorten every later step by way of the clip."""
    model, tokenizer, dataset = parts
    trainer = Trainer(
        model,
        tokenizer,
        dataset,
        settings=TrainingSettings(max_steps=3, log_every=1, precision="fp32"),
        folder=tmp_path / "run",
        optimizer=torch.optim.SGD(model.head.parameters(), lr=0.0),
        device="cpu",
    )
    trainer.fit()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_there_must_be_something_to_train_and_to_score_on(parts, tmp_path):
    model, tokenizer, dataset = parts
    nothing = DataLoader(dataset, batch_size=4, sampler=[])
    with pytest.raises(InputError, match="nothing to train on"):
        Trainer(model, tokenizer, loader=nothing, folder=tmp_path / "run")
    with pytest.raises(InputError, match="need an eval_set"):
        Trainer(
            model,
            tokenizer,
            dataset,
            settings=TrainingSettings(patience=2),
            folder=tmp_path / "run",
        )
