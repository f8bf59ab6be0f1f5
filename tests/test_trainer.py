"""The loop: its loss, its accumulation, its records, and that it learns."""

import json
import math
import re
from types import SimpleNamespace

import pytest
import torch
from transformers import BertForQuestionAnswering

from mrc.checkpoint.store import find_resumable, load_state
from mrc.config.train import TrainConfig
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.evaluation import evaluate
from mrc.metrics.metrics import Metrics
from mrc.model.baseline import BaselineModel
from mrc.model.loss import span_loss
from mrc.training.trainer import Trainer

# Parameters that shift all that a softmax sees by one amount: their gradient is 0, and Adam makes
# steps of its rounding error.
SHIFTS = ("key.bias", "layer.1.output.LayerNorm.bias", "head.bias", "qa_outputs.bias")


def make_trainer(examples, bert, encoder_folder, folder, scored=True, loss=None, **settings):
    settings = {
        "model": str(encoder_folder),
        "dropout": 0.0,
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "max_length": 64,
        "stride": 16,
        "log_every": 1,
        "precision": "fp32",
        **settings,
    }
    config = TrainConfig(**settings)
    torch.manual_seed(config.seed)
    model = BaselineModel.from_pretrained(encoder_folder, dropout=config.dropout)
    dataset = FeatureDataset(
        examples,
        bert,
        WindowSettings(max_length=config.max_length, stride=config.stride),
    )
    eval_set = dataset if scored else None
    return Trainer(model, bert, dataset, eval_set, config, folder=folder, device="cpu", loss=loss)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_loss_is_the_reference_models(examples, bert, encoder_folder):
    """Without padding, which ours leaves out of the softmax, it is the loss of Hugging Face's own
    class."""
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    theirs = BertForQuestionAnswering.from_pretrained(encoder_folder).eval()
    theirs.qa_outputs.load_state_dict(model.head.state_dict())
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))
    for i in range(len(dataset)):
        batch = {name: torch.from_numpy(a) for name, a in dataset.batch([i]).items()}
        ours = span_loss(
            *model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]), batch
        )
        torch.testing.assert_close(ours, theirs(**batch).loss)


def test_padding_does_not_change_the_loss(examples, bert, encoder_folder):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))

    def loss(indices, multiple):
        batch = {name: torch.from_numpy(a) for name, a in dataset.batch(indices, multiple).items()}
        return span_loss(
            *model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]), batch
        )

    torch.testing.assert_close(loss([0, 5], 1), loss([0, 5], 64))
    torch.testing.assert_close(loss([0, 5], 1), (loss([0], 1) + loss([5], 1)) / 2)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_accumulated_micro_batches_are_one_big_batch(
    examples, bert, encoder_folder, tmp_path, batch_size
):
    whole = make_trainer(
        examples, bert, encoder_folder, tmp_path / "whole", False, batch_size=1000, epochs=3
    )
    # The last micro-batch may be smaller than the others.
    accumulation = math.ceil(len(whole.train_set) / batch_size)
    parts = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "parts",
        False,
        batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        epochs=3,
    )
    assert whole.fit()["steps"] == 3
    assert parts.fit()["steps"] == 3
    for (name, mine), theirs in zip(
        whole.model.named_parameters(), parts.model.parameters(), strict=False
    ):
        if not name.endswith(SHIFTS):
            torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)
    for mine, theirs in zip(log_of(tmp_path / "whole"), log_of(tmp_path / "parts"), strict=False):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-6)
        assert mine["grad_norm"] == pytest.approx(theirs["grad_norm"], abs=1e-4)


def test_a_short_last_group_weighs_its_features_alike(examples, bert, encoder_folder, tmp_path):
    """Its steps are those of big batches, though its last group has fewer micro-batches."""
    count = len(FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16)))
    assert count % 7 in range(1, 6), "the last group has to be short"
    settings = {"epochs": 1, "max_length": 64, "stride": 16}
    whole = make_trainer(
        examples, bert, encoder_folder, tmp_path / "whole", False, batch_size=7, **settings
    )
    parts = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "parts",
        False,
        batch_size=1,
        gradient_accumulation_steps=7,
        **settings,
    )
    for trainer in (whole, parts):
        assert trainer.fit()["steps"] == math.ceil(count / 7)
        assert trainer.progress.features == count
    for (name, mine), theirs in zip(
        whole.model.named_parameters(), parts.model.parameters(), strict=False
    ):
        if not name.endswith(SHIFTS):
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)


def test_it_learns_a_few_examples_by_heart(examples, bert, encoder_folder, tmp_path):
    results = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        epochs=50,
        learning_rate=3e-3,
        max_length=128,
        eval_every=10_000,
    ).fit()
    assert results["exact_match"] == 100
    assert results["f1"] == 100
    assert results["total"] == len(examples)


def test_two_runs_with_one_seed_are_the_same(examples, bert, encoder_folder, tmp_path):
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trainer = make_trainer(
            examples, bert, encoder_folder, tmp_path / name, dropout=0.1, seed=seed
        )
        trainer.fit()
        weights.append([p.detach() for p in trainer.model.parameters()])
    a, b, c = weights
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=False))
    assert not all(torch.equal(x, y) for x, y in zip(a, c, strict=False))


def test_what_a_run_leaves(examples, bert, encoder_folder, tmp_path):
    folder = tmp_path / "run"
    trainer = make_trainer(examples, bert, encoder_folder, folder)
    results = trainer.fit()
    assert json.loads((folder / "metrics.json").read_text()) == results
    assert {
        "exact_match",
        "f1",
        "total",
        "features_per_second",
        "seconds",
        "peak_memory_mb",
    } <= set(results)
    log = log_of(folder)
    steps = [line for line in log if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, trainer.total_steps + 1))
    assert all(math.isfinite(line["loss"]) and line["features_per_second"] > 0 for line in steps)
    assert steps[-1]["learning_rate"] == 0
    scored = [line for line in log if "f1" in line]
    assert [line["epoch"] for line in scored] == [1, 2]
    assert results["f1"] == max(line["f1"] for line in scored)
    assert sorted(p.name for p in folder.iterdir()) == [
        ".lock",
        "best",
        "last",
        "log.jsonl",
        "metrics.json",
        f"step-{trainer.total_steps // 2}",
    ]


def test_the_best_is_kept_when_later_ones_are_worse(
    examples, bert, encoder_folder, tmp_path, monkeypatch
):
    f1 = iter([50.0, 80.0, 80.0, 60.0])
    weights = []
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", epochs=4)

    def scripted(*arguments, **settings):
        weights.append(trainer.model.head.weight.detach().clone())
        return {"exact_match": 1.0, "f1": next(f1), "total": 10}

    monkeypatch.setattr("mrc.training.trainer.evaluate", scripted)
    assert trainer.fit()["epoch"] == 2
    assert torch.equal(
        BaselineModel.from_pretrained(tmp_path / "run" / "best").head.weight, weights[1]
    )
    assert torch.equal(
        BaselineModel.from_pretrained(tmp_path / "run" / "last").head.weight, weights[3]
    )


def test_the_best_checkpoint_is_the_one_that_scored_so(examples, bert, encoder_folder, tmp_path):
    trainer = make_trainer(
        examples, bert, encoder_folder, tmp_path / "run", epochs=6, learning_rate=3e-3
    )
    results = trainer.fit()
    best = BaselineModel.from_pretrained(tmp_path / "run" / "best")
    scores = evaluate(best, Metrics(trainer.metrics.dataset))
    # Batches of another size are padded differently, which moves the loss by a rounding.
    assert scores.pop("eval_loss") == pytest.approx(results["eval_loss"], rel=1e-5)
    assert {name: results[name] for name in scores} == scores
    settings = json.loads((tmp_path / "run" / "best" / "mrc.json").read_text())
    saved = settings["scores"]
    assert saved.pop("eval_loss") == results["eval_loss"]
    assert saved == scores
    assert settings["epoch"] == results["epoch"]


def test_max_steps_ends_within_an_epoch_or_after_many(examples, bert, encoder_folder, tmp_path):
    for steps in (1, 9):
        results = make_trainer(
            examples, bert, encoder_folder, tmp_path / f"run{steps}", max_steps=steps
        ).fit()
        assert results["steps"] == steps


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precisions_train(examples, bert, encoder_folder, tmp_path, precision):
    results = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        precision=precision,
        epochs=20,
        eval_every=10_000,
        learning_rate=3e-3,
    ).fit()
    assert results["precision"] == precision
    assert results["f1"] > 50
    assert {
        p.dtype for p in BaselineModel.from_pretrained(tmp_path / "run" / "best").parameters()
    } == {torch.float32}


def test_a_run_without_validation_keeps_its_last(examples, bert, encoder_folder, tmp_path):
    results = make_trainer(examples, bert, encoder_folder, tmp_path / "run", scored=False).fit()
    assert "f1" not in results
    assert results["epoch"] == 2
    assert (tmp_path / "run" / "best").is_dir()


def test_a_loss_that_is_no_number_stops_the_run(examples, bert, encoder_folder, tmp_path):
    # Noticed even if no log line is due.
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", log_every=1000)
    with torch.no_grad():
        trainer.model.head.weight[0, 0] = torch.nan
    with pytest.raises(
        InputError,
        match=r"a number at step 5 \(examples .*ko-.*\), the last of 5 such steps in a row; "
        r"nothing is saved yet",
    ):
        trainer.fit()
    assert not (tmp_path / "run" / "best").exists()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_bad_step_is_left_out_and_named(
    examples, bert, encoder_folder, tmp_path, capsys, precision
):
    """The weights are those of a run in which that step does nothing but pass."""
    # The first call is the Trainer's own, which looks for parameters that the loss does not need.
    steps = []

    def loss(output, batch):
        trained = trainer.model if steps else torch.nn.Module()
        steps.append({name: p.detach().clone() for name, p in trained.named_parameters()})
        return span_loss(*output, batch) * (math.inf if len(steps) == 4 else 1)

    trainer = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        False,
        loss=loss,
        epochs=1,
        precision=precision,
    )
    results = trainer.fit()
    weights = dict(trainer.model.named_parameters())
    before, after = steps[3], steps[4]
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not all(torch.equal(after[name], weights[name]) for name in after)
    assert results["bad_steps"] == 1
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert "the loss is not a number at step 3 (examples " in capsys.readouterr().out
    assert [line["loss"] is None for line in log_of(tmp_path / "run") if "loss" in line][:4] == [
        False,
        False,
        True,
        False,
    ]


def test_a_skipped_step_of_fp16_does_not_advance_the_schedule(
    examples, bert, encoder_folder, tmp_path
):
    calls = []

    def overflowing(output, batch):
        calls.append(1)
        # Times the scale of 65536, it is beyond float32. The first call is the Trainer's own.
        return span_loss(*output, batch) * (1e35 if len(calls) == 3 else 1)

    trainer = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        False,
        loss=overflowing,
        max_steps=4,
        precision="fp16",
        warmup_ratio=0.0,
    )
    trainer.fit()
    lines = [line for line in log_of(tmp_path / "run") if "loss" in line]
    taken = [line["grad_norm"] is not None for line in lines]
    assert False in taken
    assert True in taken
    assert trainer.state.schedule.last_epoch == sum(taken)
    assert [line["learning_rate"] for line in lines] == pytest.approx(
        [1e-3 * (1 - sum(taken[: n + 1]) / 4) for n in range(4)]
    )


def test_scoring_every_few_steps_and_running_out_of_patience(
    examples, bert, encoder_folder, tmp_path, monkeypatch, capsys
):
    f1 = iter([50.0, 80.0, 80.0, 60.0, 90.0])
    monkeypatch.setattr(
        "mrc.training.trainer.evaluate",
        lambda *arguments, **settings: {"exact_match": 1.0, "f1": next(f1), "total": 10},
    )
    results = make_trainer(
        examples, bert, encoder_folder, tmp_path / "run", epochs=9, eval_every=3, patience=2, keep=2
    ).fit()
    assert (results["step"], results["steps"], results["f1"]) == (6, 12, 80)
    assert "\nNo better f1 in 2 scorings: ended at step 12/" in capsys.readouterr().out
    assert [line["step"] for line in log_of(tmp_path / "run") if "f1" in line] == [3, 6, 9, 12]
    assert sorted(p.name for p in (tmp_path / "run").glob("step-*")) == ["step-6", "step-9"]


def test_the_plan_says_what_is_trained_and_a_warm_up_leaves_steps(
    examples, bert, encoder_folder, tmp_path
):
    trainer = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        max_steps=5,
        warmup_steps=4,
        freeze_layers=1,
    )
    assert re.fullmatch(
        r"5 steps of 4 features, fp32; 0\.\dM of 0\.\dM parameters are trained", trainer.describe()
    )
    with pytest.raises(InputError, match="--warmup-steps 5: the run has 5 steps"):
        make_trainer(
            examples, bert, encoder_folder, tmp_path / "other", max_steps=5, warmup_steps=5
        )


def test_saving_every_few_minutes(examples, bert, encoder_folder, tmp_path, monkeypatch):
    """Steps of 20 seconds each, by a clock of the test's own: after every third, 45 have passed."""
    seconds = []

    def loss(output, batch):
        seconds.append(1)
        return span_loss(*output, batch)

    trainer = make_trainer(
        examples,
        bert,
        encoder_folder,
        tmp_path / "run",
        False,
        loss=loss,
        max_steps=8,
        eval_every=100,
        save_every_minutes=0.75,
        keep=9,
    )
    seconds.clear()
    monkeypatch.setattr(
        "mrc.training.trainer.time", SimpleNamespace(perf_counter=lambda: 20.0 * len(seconds))
    )
    trainer.fit()
    assert sorted(path.name for path in (tmp_path / "run").glob("step-*")) == ["step-3", "step-6"]
    assert load_state(tmp_path / "run" / "last")["progress"]["step"] == 8
    assert load_state(tmp_path / "run" / "step-6")["progress"]["seconds"] == 120


@pytest.mark.parametrize(
    ("log_every", "place"), [(1, "log.jsonl: cannot be written"), (1000, "cannot be written")]
)
def test_a_run_whose_folder_is_gone_ends_with_one_sentence(
    examples, bert, encoder_folder, tmp_path, log_every, place
):
    """In its place is a file: nobody, root included, can write there. What was saved before,
    wherever it is now, stays whole."""
    run, moved = tmp_path / "run", tmp_path / "moved"
    steps = []

    def loss(output, batch):
        steps.append(1)
        # The first call is the Trainer's own.
        if len(steps) == 7:
            run.rename(moved)
            run.write_text("")
        return span_loss(*output, batch)

    trainer = make_trainer(
        examples,
        bert,
        encoder_folder,
        run,
        False,
        loss=loss,
        max_steps=8,
        log_every=log_every,
        save_every=2,
    )
    with pytest.raises(InputError, match=place) as raised:
        trainer.fit()
    assert str(run) in str(raised.value)
    assert len(steps) == 7
    assert "\n" not in str(raised.value)
    checkpoint = find_resumable(moved)
    assert checkpoint == moved / "last"
    assert load_state(checkpoint)["progress"]["step"] == 4


def test_another_score_can_decide(examples, bert, encoder_folder, tmp_path, monkeypatch):
    scores = iter([(60.0, 70.0), (50.0, 80.0)])
    monkeypatch.setattr(
        "mrc.training.trainer.evaluate",
        lambda *arguments, **settings: dict(zip(("exact_match", "f1"), next(scores), strict=False)),
    )
    assert (
        make_trainer(
            examples, bert, encoder_folder, tmp_path / "run", metric_for_best="exact_match"
        ).fit()["epoch"]
        == 1
    )
    with pytest.raises(
        InputError, match="--metric-for-best bleu: the scorer squad has exact_match and f1"
    ):
        make_trainer(examples, bert, encoder_folder, tmp_path / "other", metric_for_best="bleu")


def test_the_moving_average_is_what_is_scored_and_saved(examples, bert, encoder_folder, tmp_path):
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", ema_decay=0.9)
    trainer.fit()
    averaged = dict(trainer.state.average.module.named_parameters())
    saved = dict(BaselineModel.from_pretrained(tmp_path / "run" / "last").named_parameters())
    assert all(torch.equal(saved[name], averaged[name]) for name in saved)
    assert not all(torch.equal(saved[name], p) for name, p in trainer.model.named_parameters())


def test_label_smoothing_is_pytorchs_without_padding_and_blind_to_it(
    examples, bert, encoder_folder
):
    model = BaselineModel.from_pretrained(encoder_folder).eval()
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=16))

    def loss(multiple, smoothing=0.1):
        batch = {name: torch.from_numpy(a) for name, a in dataset.batch([0, 5], multiple).items()}
        return span_loss(
            *model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]),
            batch,
            smoothing,
        )

    torch.testing.assert_close(loss(1), loss(64))
    start, end = torch.randn(2, 3, 7)
    places = torch.tensor([0, 3, 6])
    expected = (
        sum(
            torch.nn.functional.cross_entropy(logits, places, label_smoothing=0.1)
            for logits in (start, end)
        )
        / 2
    )
    batch = {"attention_mask": None, "start_positions": places, "end_positions": places}
    torch.testing.assert_close(span_loss(start, end, batch, 0.1), expected)


def test_frozen_layers_stay_as_they_were(examples, bert, encoder_folder, tmp_path):
    settings = {"freeze_layers": 1, "epochs": 1, "layer_decay": 0.5, "weight_decay": 0.5}
    trainer = make_trainer(examples, bert, encoder_folder, tmp_path / "run", False, **settings)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.fit()
    for name, p in trainer.model.named_parameters():
        assert torch.equal(p, before[name]) == ("embeddings" in name or "layer.0" in name), name


def test_no_mask_without_padding(examples, bert, encoder_folder, tmp_path, monkeypatch):
    """The mask is handed on where something is padding, and only there."""
    trainer = make_trainer(
        examples, bert, encoder_folder, tmp_path / "run", False, batch_size=2, epochs=1
    )
    seen = []
    forward = trainer.model.forward
    monkeypatch.setattr(
        trainer.model, "forward", lambda **inputs: seen.append(inputs) or forward(**inputs)
    )
    trainer.fit()
    lengths = [trainer.train_set.lengths[indices] for indices in trainer.loader.sampler]
    masks = [inputs["attention_mask"] for inputs in seen]
    assert any(mask is None for mask in masks)
    assert any(mask is not None for mask in masks)
    assert [mask is None for mask in masks] == [len(set(batch.tolist())) == 1 for batch in lengths]


def test_gradient_checkpointing_changes_no_weight(examples, bert, encoder_folder, tmp_path):
    weights = []
    for name in ("plain", "checkpointed"):
        trainer = make_trainer(
            examples, bert, encoder_folder, tmp_path / name, False, dropout=0.1, epochs=1
        )
        if name == "checkpointed":
            trainer.model.recompute_activations()
        trainer.fit()
        weights.append([p.detach() for p in trainer.model.parameters()])
    for one, other in zip(*weights, strict=False):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.skipif(
    torch.__version__.startswith("2.6."),
    reason="PyTorch 2.6 cannot compile models of current versions of Transformers",
)
def test_compiled_once_for_all_lengths(examples, bert, encoder_folder, tmp_path, monkeypatch):
    torch.compiler.reset()
    graphs = []
    compile_in_place = BaselineModel.compile

    def backend(graph, inputs):
        """Run a graph as it is, and count it."""
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        BaselineModel,
        "compile",
        lambda self, **settings: compile_in_place(self, backend=backend, **settings),
    )
    trainer = make_trainer(
        examples, bert, encoder_folder, tmp_path / "run", batch_size=3, epochs=1, compile=True
    )
    trainer.fit()
    lengths = set(trainer.train_set.lengths.tolist())
    assert len(lengths) > 8 > len(graphs) > 0
    # The weights are saved under the names that they have without compiling.
    assert BaselineModel.from_pretrained(tmp_path / "run" / "last")


def test_tensorboard_and_the_plot(examples, bert, encoder_folder, tmp_path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("matplotlib")
    make_trainer(
        examples, bert, encoder_folder, tmp_path / "run", tensorboard=True, plot=True
    ).fit()
    assert (tmp_path / "run" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
