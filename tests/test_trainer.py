"""The loop: its loss, its accumulation, its records, and that it learns."""

import json
import math

import pytest
import torch
from transformers import BertForQuestionAnswering

from mrc.config import InputError, TrainConfig
from mrc.features import FeatureDataset
from mrc.metrics import Metrics, evaluate
from mrc.model import BaselineModel
from mrc.trainer import Trainer, span_loss

# Parameters that shift all that a softmax sees by one amount: their gradient is 0, and Adam makes steps of its rounding error.
SHIFTS = ("key.bias", "layer.1.output.LayerNorm.bias", "head.bias", "qa_outputs.bias")


def make_trainer(examples, bert, encoder_folder, folder, scored=True, **settings):
    settings = {"model": str(encoder_folder), "dropout": 0.0, "epochs": 2, "batch_size": 4, "learning_rate": 1e-3, "max_length": 64, "stride": 16,
                "log_every": 1, "precision": "fp32", **settings}
    config = TrainConfig(**settings)
    torch.manual_seed(config.seed)
    model = BaselineModel.from_pretrained(encoder_folder, config.dropout)
    dataset = FeatureDataset(examples, bert, config.max_length, config.stride)
    folder.mkdir()
    return Trainer(model, bert, dataset, dataset if scored else None, config, folder, torch.device("cpu"))


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_loss_is_the_reference_models(examples, bert, encoder_folder):
    """Without padding, which ours leaves out of the softmax, it is the loss of Hugging Face's own class."""
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    theirs = BertForQuestionAnswering.from_pretrained(encoder_folder).eval()
    theirs.qa_outputs.load_state_dict(model.head.state_dict())
    dataset = FeatureDataset(examples, bert, 64, 16)
    for i in range(len(dataset)):
        batch = {name: torch.from_numpy(a) for name, a in dataset.batch([i]).items()}
        ours = span_loss(*model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]), batch)
        torch.testing.assert_close(ours, theirs(**batch).loss)


def test_padding_does_not_change_the_loss(examples, bert, encoder_folder):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    dataset = FeatureDataset(examples, bert, 64, 16)

    def loss(indices, multiple):
        batch = {name: torch.from_numpy(a) for name, a in dataset.batch(indices, multiple).items()}
        return span_loss(*model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]), batch)

    torch.testing.assert_close(loss([0, 5], 1), loss([0, 5], 64))
    torch.testing.assert_close(loss([0, 5], 1), (loss([0], 1) + loss([5], 1)) / 2)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_accumulated_micro_batches_are_one_big_batch(examples, bert, encoder_folder, tmp_path, batch_size):
    whole = make_trainer(examples, bert, encoder_folder, tmp_path / "whole", False, batch_size=1000, epochs=3)
    accumulation = -(-len(whole.loader.dataset) // batch_size)  # the last micro-batch may be smaller than the others
    parts = make_trainer(examples, bert, encoder_folder, tmp_path / "parts", False, batch_size=batch_size,
                         gradient_accumulation_steps=accumulation, epochs=3)
    assert whole.fit()["steps"] == parts.fit()["steps"] == 3
    for (name, mine), theirs in zip(whole.model.named_parameters(), parts.model.parameters()):
        if not name.endswith(SHIFTS):
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)
    for mine, theirs in zip(log_of(tmp_path / "whole"), log_of(tmp_path / "parts")):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], abs=1e-4)


def test_a_short_last_group_weighs_its_features_alike(examples, bert, encoder_folder, tmp_path):
    """An epoch whose last group has fewer micro-batches than the others takes the steps that big batches would."""
    count = len(FeatureDataset(examples, bert, 64, 16))
    settings = {"epochs": 1, "max_length": 64, "stride": 16}
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", False, batch_size=2, gradient_accumulation_steps=4, **settings)
    assert trainer.fit()["steps"] == -(-count // 8) and trainer.progress.features == count


def test_it_learns_a_few_examples_by_heart(examples, bert, encoder_folder, tmp_path):
    results = make_trainer(examples, bert, encoder_folder, tmp_path / "run", epochs=50, learning_rate=3e-3, max_length=128).fit()
    assert results["exact_match"] == 100 and results["f1"] == 100 and results["total"] == len(examples)


def test_two_runs_with_one_seed_are_the_same(examples, bert, encoder_folder, tmp_path):
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trainer = make_trainer(examples, bert, encoder_folder, tmp_path / name, dropout=0.1, seed=seed)
        trainer.fit()
        weights.append([p.detach() for p in trainer.model.parameters()])
    a, b, c = weights
    assert all(torch.equal(x, y) for x, y in zip(a, b)) and not all(torch.equal(x, y) for x, y in zip(a, c))


def test_what_a_run_leaves(examples, bert, encoder_folder, tmp_path):
    folder = tmp_path / "run"
    trainer = make_trainer(examples, bert, encoder_folder, folder)
    results = trainer.fit()
    assert json.loads((folder / "metrics.json").read_text()) == results
    assert {"exact_match", "f1", "total", "features_per_second", "seconds", "peak_memory_mb"} <= set(results)
    log = log_of(folder)
    steps = [line for line in log if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, trainer.total_steps + 1))
    assert all(math.isfinite(line["loss"]) and line["features_per_second"] > 0 for line in steps) and steps[-1]["learning_rate"] == 0
    scored = [line for line in log if "f1" in line]
    assert [line["epoch"] for line in scored] == [1, 2] and results["f1"] == max(line["f1"] for line in scored)
    assert sorted(p.name for p in folder.iterdir()) == ["best", "last", "log.jsonl", "metrics.json", f"step-{trainer.total_steps // 2}"]


def test_the_best_is_kept_when_later_ones_are_worse(examples, bert, encoder_folder, tmp_path, monkeypatch):
    f1, weights = iter([50.0, 80.0, 80.0, 60.0]), []
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", epochs=4)

    def scripted(*arguments):
        weights.append(trainer.model.head.weight.detach().clone())
        return {"exact_match": 1.0, "f1": next(f1), "total": 10}

    monkeypatch.setattr("mrc.trainer.evaluate", scripted)
    assert trainer.fit()["epoch"] == 2
    assert torch.equal(BaselineModel.from_pretrained(tmp_path / "run" / "best").head.weight, weights[1])
    assert torch.equal(BaselineModel.from_pretrained(tmp_path / "run" / "last").head.weight, weights[3])


def test_the_best_checkpoint_is_the_one_that_scored_so(examples, bert, encoder_folder, tmp_path):
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", epochs=6, learning_rate=3e-3)
    results = trainer.fit()
    best = BaselineModel.from_pretrained(tmp_path / "run" / "best")
    scores = evaluate(best, Metrics(trainer.metrics.dataset))
    assert {name: results[name] for name in scores} == scores
    settings = json.loads((tmp_path / "run" / "best" / "mrc.json").read_text())
    assert settings["scores"] == scores and settings["epoch"] == results["epoch"]


def test_max_steps_ends_within_an_epoch_or_after_many(examples, bert, encoder_folder, tmp_path):
    for steps in (1, 9):
        results = make_trainer(examples, bert, encoder_folder, tmp_path / f"run{steps}", max_steps=steps).fit()
        assert results["steps"] == steps


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions_train(examples, bert, encoder_folder, tmp_path, precision):
    results = make_trainer(examples, bert, encoder_folder, tmp_path / "run", precision=precision, epochs=20, learning_rate=3e-3).fit()
    assert results["precision"] == precision and results["f1"] > 50
    assert {p.dtype for p in BaselineModel.from_pretrained(tmp_path / "run" / "best").parameters()} == {torch.float32}


def test_a_run_without_validation_keeps_its_last(examples, bert, encoder_folder, tmp_path):
    results = make_trainer(examples, bert, encoder_folder, tmp_path / "run", scored=False).fit()
    assert "f1" not in results and results["epoch"] == 2 and (tmp_path / "run" / "best").is_dir()


def test_a_loss_that_is_no_number_stops_the_run(examples, bert, encoder_folder, tmp_path):
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", log_every=1000)  # noticed without a log line, too
    with torch.no_grad():
        trainer.model.head.weight[0, 0] = torch.nan
    with pytest.raises(InputError, match="not a number at step"):
        trainer.fit()
    assert not (tmp_path / "run" / "best").exists()
