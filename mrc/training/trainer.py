"""The training loop: when a step is taken, logged, scored and saved, and when a run stops.

Read it in this order: `fit`, `train_epoch`, `train_step`; then `TrainStep.__call__` in
mrc/training/step.py, where the loss is computed and its gradient applied. docs/loop.md has the loop
in its simplest form.
"""

import math
import time
from pathlib import Path
from signal import Signals
from typing import Any, NoReturn

import torch
from torch import nn
from torch.utils.data import DataLoader

from mrc.checkpoint.store import (
    BEST,
    LAST,
    STATE,
    find_resumable,
    load_state,
    old_name,
    save_checkpoint,
)
from mrc.config.train import TrainConfig, TrainingSettings
from mrc.errors import InputError, Stopped
from mrc.features.batching import BatchLoader
from mrc.features.dataset import FeatureDataset
from mrc.features.sampler import StepBatch
from mrc.files import make_folder, write_json
from mrc.metrics.evaluation import evaluate
from mrc.metrics.metrics import Metrics
from mrc.model.loss import Loss
from mrc.runtime.memory import peak_memory_mb
from mrc.runtime.processes import ALONE, World
from mrc.runtime.sharding import gather_full_model
from mrc.runtime.signals import StopSignals
from mrc.training.arguments import check_arguments
from mrc.training.card import card_text
from mrc.training.description import describe_steps, trainer_line
from mrc.training.log import figure_class, plot
from mrc.training.parts import learns_no_answer, make_parts
from mrc.training.recording import copy_weights, recorded_settings
from mrc.training.report import Report
from mrc.training.results import StepResults
from mrc.training.resume import check_same_settings, how_to_resume
from mrc.training.run_folder import check_holds_no_run, new_run_folder, run_lock
from mrc.training.state import Progress, check_state
from mrc.wording import counted


def is_due(step: int, every: int | None) -> bool:
    """Whether the step is a multiple of `every`, which may be None for never."""
    return every is not None and step % every == 0


class Trainer:
    """Train a model on a FeatureDataset, score it on another, and keep the best and the last::

        trainer = mrc.Trainer(model, tokenizer, train_set, eval_set, TrainingSettings(epochs=2))
        results = trainer.fit()

    Args:
        model: a BaselineModel, or any nn.Module whose `forward` takes input_ids, attention_mask
            (None if nothing is padding) and token_type_ids by keyword and returns start and end
            logits. It may bring its loss: a method `loss(output, batch)`.
        tokenizer: the Hugging Face fast tokenizer of the two data sets.
        train_set: what to train on; may be None if there is a `loader`.
        eval_set: what to score on. Without it, the best checkpoint is the last.
        settings: TrainingSettings; of a TrainConfig, the training settings count.
        folder: for log.jsonl, metrics.json and the checkpoints; created if it does not exist. `fit`
            refuses one that holds a run. By default a new one in checkpoints/.
        device: "auto", a name such as "cuda:1", or a torch.device.
        optimizer, schedule, loss, loader: yours, instead of those that the settings describe. The
            schedule is stepped after each optimizer step. `loss(output, batch)` returns the mean
            over the batch. The loader yields dicts of tensors, as a Collator makes them.
        world: the processes that share the run.
        config: the whole config of the run, for the checkpoints to record; `mrc.train` gives it.

    Raises:
        InputError: a setting does not suit the model or the data, or has no effect beside a part
            of yours.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        train_set: FeatureDataset | None = None,
        eval_set: FeatureDataset | None = None,
        settings: TrainingSettings | None = None,
        *,
        folder: str | Path | None = None,
        device: str | torch.device = "auto",
        optimizer: torch.optim.Optimizer | None = None,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
        loss: Loss | None = None,
        loader: DataLoader[Any] | None = None,
        world: World = ALONE,
        config: TrainConfig | None = None,
        **unknown: object,
    ) -> None:
        check_arguments(tokenizer, train_set, eval_set, settings, unknown)
        self.settings = settings or TrainingSettings()
        self.tokenizer = tokenizer
        self.train_set = train_set
        self.world = world
        self.config = config
        self.recorded_settings = recorded_settings(config, self.settings, train_set)
        self.allows_no_answer = learns_no_answer(train_set)
        if self.settings.plot:
            # Raises InputError now, and not at the end of the run, if Matplotlib is missing.
            figure_class()
        # How each part is made: mrc/training/parts.py, to be read after the loop.
        parts = make_parts(
            model,
            train_set,
            eval_set,
            self.settings,
            device=device,
            optimizer=optimizer,
            schedule=schedule,
            loss=loss,
            loader=loader,
            world=world,
        )
        self.model = parts.model
        self.full_model = parts.full_model
        # It yields a StepBatch for each optimizer step.
        self.loader = parts.loader
        self.metrics = parts.metrics
        self.eval_loss = parts.eval_loss
        self.take_step = parts.take_step
        self.state = parts.state
        self.total_steps = parts.total_steps
        self.precision = parts.take_step.precision
        self.flops = parts.flops
        if folder is None:
            folder = world.broadcast(new_run_folder(None, "run") if world.is_main else None)
        self.folder = make_folder(Path(folder))
        self.report = Report(
            self.folder, self.total_steps, tensorboard=self.settings.tensorboard, world=world
        )
        self.results = StepResults(train_set, self.settings.max_bad_steps, self.report)
        # The step of the last save; None for a new run.
        self.saved_step: int | None = None
        # Three moments by the clock: when the run began, when it was last saved, and up to when
        # the seconds of training are counted. `fit` sets them.
        self.started = self.saved_at = self.counted_until = 0.0
        self.signals = StopSignals()
        # Whether someone removed the best checkpoint of a resumed run.
        self.best_is_lost = False

    def __repr__(self) -> str:
        return trainer_line(
            self.model,
            self.progress,
            self.total_steps,
            precision=self.precision,
            score=self.score_for_best,
            folder=self.folder,
        )

    def describe(self) -> str:
        """Return a sentence on the steps to come, and on what is trained."""
        return describe_steps(
            self.settings,
            self.total_steps,
            model=self.model,
            precision=self.precision,
            processes=self.world.size,
            has_own_loader=isinstance(self.loader, BatchLoader),
        )

    @property
    def progress(self) -> Progress:
        """How far the run has come."""
        return self.state.progress

    # The loop.

    def fit(self) -> dict[str, Any]:
        """Train to the end, and return what metrics.json then holds.

        These are the best scores, and the run's time, rate and memory. Raises Stopped, once all
        is saved, if SIGINT or SIGTERM asks for it.
        """
        with run_lock(self.folder, self.world):
            is_new = self.saved_step is None
            if is_new and self.world.is_main:
                check_holds_no_run(self.folder)
            self.train_epochs()
            return self.finish()

    def train_epochs(self) -> None:
        """Train to the end, or until a signal comes."""
        self.signals = StopSignals()
        self.saved_at = self.counted_until = time.perf_counter()
        self.started = self.saved_at - self.progress.seconds
        with self.signals, self.report.progress_bar(self.progress.step):
            if self.scoring_is_due():
                # The run was stopped while it was being scored.
                self.score_and_save()
            while not self.is_finished():
                self.train_epoch()

    def train_epoch(self) -> None:
        """Take the steps of one epoch; after each, do what is due."""
        progress = self.progress
        # A resumed run starts inside an epoch, or at its very end: then no step is left in it.
        self.loader.set_epoch(progress.epoch, progress.step_in_epoch)
        self.model.train()
        for step_batch in self.loader:
            self.train_step(step_batch)
            is_last = progress.step == self.total_steps
            if is_last or is_due(progress.step, self.settings.log_every):
                self.log_step()
            if self.scoring_is_due():
                self.score_and_save()
            self.save_or_stop_if_due()
            if self.is_finished():
                return
        progress.end_epoch()

    def train_step(self, step_batch: StepBatch) -> None:
        """Take one step, and count it."""
        result = self.take_step(step_batch)
        self.results.add(result, step_batch)
        if self.state.average is not None:
            self.state.average.update()
        flops = self.flops.of_step(step_batch.padded_tokens, step_batch.features)
        self.progress.count(step_batch, flops)
        self.report.bar.update()

    def is_finished(self) -> bool:
        """Whether the run has taken all its steps, or has not improved for too long."""
        patience = self.settings.patience
        is_patient = patience is None or self.progress.evals_without_improvement < patience
        return self.progress.step >= self.total_steps or not is_patient

    # Scoring.

    def scoring_is_due(self) -> bool:
        """Whether to score now: every --eval-every steps or after each epoch, and at the end."""
        progress, every = self.progress, self.settings.eval_every
        if progress.step <= progress.scored_step:
            return False
        epoch_has_ended = every is None and progress.step_in_epoch == len(self.loader)
        run_has_ended = progress.step >= self.total_steps
        return epoch_has_ended or run_has_ended or is_due(progress.step, every)

    def score_and_save(self) -> None:
        """Score the model, and save it: as the last, and as the best if it is.

        Without an evaluation set it is only saved.
        """
        self.read_results()
        self.count_training_time()
        scores = self.scores_of_now(self.metrics) if self.metrics is not None else {}
        progress = self.progress
        is_best = self.is_best(scores)
        if is_best:
            progress.best = {**scores, "epoch": progress.epoch_number, "step": progress.step}
            progress.evals_without_improvement = 0
        else:
            progress.evals_without_improvement += 1
        progress.scored_step = progress.step
        self.save(scores, is_best=is_best)

    def scores_of_now(self, metrics: Metrics) -> dict[str, Any]:
        """Return the scores on the evaluation set; log and show them."""
        started = time.perf_counter()
        scores = evaluate(
            self.averaged_model,
            metrics,
            batch_size=self.settings.eval_batch_size,
            precision=self.precision.name,
            world=self.world,
            signals=self.signals,
            loss=self.eval_loss,
        )
        self.model.train()
        if scores is None:
            # A signal came to some process. The resumed run will start with the scoring.
            (self.signals.received,) = self.world.max(self.signals.received)
            self.counted_until = time.perf_counter()
            self.save()
            self.stop()
        line = {
            "step": self.progress.step,
            "epoch": self.progress.epoch_number,
            "eval_seconds": time.perf_counter() - started,
        }
        self.report.eval_line(line, scores)
        # Scoring is not training.
        self.counted_until = time.perf_counter()
        return scores

    def is_best(self, scores: dict[str, Any]) -> bool:
        """Whether these scores are better than all before, or there is nothing to compare."""
        best, name = self.progress.best, self.score_for_best
        if best is None or name not in scores:
            return True
        is_as_good = scores[name] == best[name]
        return scores[name] > best[name] or (is_as_good and self.best_is_lost)

    @property
    def score_for_best(self) -> str | None:
        """The name of the score that decides which checkpoint is the best."""
        if self.metrics is None:
            return None
        return self.metrics.choose_score(self.settings.metric_for_best)

    @property
    def averaged_model(self) -> nn.Module:
        """What is scored and saved: the moving average of the weights if there is one."""
        average = self.state.average
        return self.model if average is None else average.module

    # Saving, stopping and resuming.

    def save_or_stop_if_due(self) -> None:
        """Save every so many steps or minutes; save and stop if a signal asks for it."""
        minutes = self.settings.save_every_minutes
        time_is_up = minutes is not None and time.perf_counter() - self.saved_at > 60 * minutes
        # The processes agree: the main one's clock counts, and a signal to any of them.
        asked_to_save = int(time_is_up and self.world.is_main)
        signal, asked_to_save = self.world.max(self.signals.received, asked_to_save)
        self.signals.received = signal
        is_saved = self.saved_step == self.progress.step
        save_is_due = is_due(self.progress.step, self.settings.save_every)
        if not is_saved and (save_is_due or asked_to_save or signal):
            self.save()
        if signal:
            self.stop()

    def stop(self) -> NoReturn:
        """Raise Stopped, which says which signal came and how to resume."""
        signal = self.signals.received
        how = how_to_resume(
            self.config,
            self.folder,
            self.world.size,
            # A signal may end the process of a command, and not that of a notebook.
            from_python=not self.signals.process_exits,
        )
        raise Stopped(
            signal,
            f"stopped by {Signals(signal).name} after step {self.progress.step} of "
            f"{self.total_steps}; all is saved in {self.folder}. Resume with: {how}",
        )

    def save(self, scores: dict[str, Any] | None = None, *, is_best: bool = False) -> None:
        """Save the last checkpoint, with all that a resumed run needs, and the best beside it."""
        self.read_results()
        self.count_training_time()
        self.progress.seconds = time.perf_counter() - self.started
        # All processes take part in these two; the main one writes.
        state = self.state.state_dict()
        model = gather_full_model(self.averaged_model, self.full_model)
        if state is not None:
            state["features"] = self.feature_count
            state["log_bytes"] = self.report.log.sync()
            record = self.record(scores or {})
            card = card_text(model, self.tokenizer, record)
            if is_best:
                save_checkpoint(self.folder / BEST, model, self.tokenizer, record, card=card)
                self.best_is_lost = False
            save_checkpoint(
                self.folder / LAST,
                model,
                self.tokenizer,
                record,
                card=card,
                state=state,
                keep=self.settings.keep,
            )
            if not self.signals.received:
                # Else `stop` says so.
                self.report.save_line(self.progress.step, is_best=is_best)
        self.saved_step = self.progress.step
        # Saving is not training.
        self.saved_at = self.counted_until = time.perf_counter()

    def record(self, scores: dict[str, Any]) -> dict[str, Any]:
        """Return what a checkpoint's mrc.json holds: how it was made, and what it scored."""
        return {
            "config": self.recorded_settings,
            "epoch": self.progress.epoch_number,
            "step": self.progress.step,
            "scores": scores,
            "allows_no_answer": self.allows_no_answer,
            "null_threshold": self.metrics.null_threshold if self.metrics else 0.0,
            "scorer": self.metrics.scorer if self.metrics else None,
            "processes": self.world.size,
        }

    @property
    def feature_count(self) -> int | None:
        """The number of features to train on; None if only a loader of your own knows."""
        return None if self.train_set is None else len(self.train_set)

    def resume(
        self, run: str | Path, *, load_weights: bool = True, unverified: bool = False
    ) -> None:
        """Go on from the last checkpoint of a run, or from one of its checkpoints.

        Args:
            run: the run's folder, which is this Trainer's `folder` too, or a checkpoint in it.
            load_weights: False if `run` is a checkpoint from which the model was loaded, and whose
                settings are those of this Trainer.
            unverified: take a checkpoint that has lost its manifest.json too.

        Raises:
            InputError: there is no checkpoint, or it is of another run.
        """
        checkpoint = find_resumable(run, unverified=unverified) if load_weights else Path(run)
        if checkpoint.parent.resolve() != self.folder.resolve():
            raise InputError(
                f"{run}: a resumed run stays in its own folder; make the Trainer with "
                f'folder="{checkpoint.parent}".'
            )
        state = load_state(checkpoint)
        check_state(state, checkpoint / STATE)
        if state["features"] != self.feature_count:
            raise InputError(
                f"{run}: the training data make {self.feature_count} features, and made "
                f"{state['features']} when the run began; resume a run with the same data."
            )
        if load_weights:
            check_same_settings(checkpoint, self.recorded_settings, self.world.size)
            copy_weights(checkpoint, self.model, self.averaged_model)
        self.state.load_state_dict(state)
        self.check_what_is_left(state["log_bytes"])
        self.saved_step = self.progress.step
        # `scoring_is_due` asks for the length of the epoch, and epochs may differ in it.
        self.loader.set_epoch(self.progress.epoch, self.progress.step_in_epoch)

    def check_what_is_left(self, log_bytes: int) -> None:
        """Go on in the log of the run, and say what of the run's folder is lost.

        log_bytes: length of the log when the checkpoint was saved.
        """
        progress = self.progress
        if self.world.is_main and not self.report.log.cut(log_bytes, progress.step):
            self.report.say(
                f"{self.report.log.path}: lines of the steps up to {progress.step} are lost; the "
                "log goes on from here."
            )
        best = self.folder / BEST
        is_there = best.is_dir() or old_name(best).is_dir()
        self.best_is_lost = progress.best is not None and not is_there
        if progress.best is not None and self.best_is_lost:
            self.report.say(
                f"{best}: is lost, which was of step {progress.best['step']}; the next checkpoint "
                "whose score is as good takes its place."
            )

    # Reading results, and telling them.

    def read_results(self) -> None:
        """Read the results of the steps since the last reading from the device.

        Raises InputError if too many steps in a row were bad.
        """
        saved = "nothing is saved yet"
        if self.saved_step:
            saved = f"the last checkpoint is {self.folder / LAST}, of step {self.saved_step}"
        self.results.read(self.progress, saved)

    def count_training_time(self) -> None:
        """Add the time since the last count to the seconds of training."""
        now = time.perf_counter()
        self.progress.train_seconds += now - self.counted_until
        self.counted_until = now

    def log_step(self) -> None:
        """Log and show the mean loss since the last line, the gradient's norm, and the rates."""
        grad_norm = self.results.last_grad_norm()
        self.read_results()
        self.count_training_time()
        progress = self.progress
        mean_loss = sum(progress.losses) / len(progress.losses) if progress.losses else None
        progress.losses = []
        self.report.train_line(
            {
                "step": progress.step,
                "epoch": progress.epoch_number,
                "loss": mean_loss,
                "grad_norm": grad_norm if math.isfinite(grad_norm) else None,
                # Of the first group of parameters: the top layer's.
                "learning_rate": self.state.schedule.get_last_lr()[0],
                "padding": 1 - progress.tokens / progress.padded_tokens,
                **progress.rates(),
                **self.flops.rates(progress.flops / progress.train_seconds),
            }
        )

    def finish(self) -> dict[str, Any]:
        """Write metrics.json, and return what it holds."""
        progress = self.progress
        if progress.step < self.total_steps:
            count, where = progress.evals_without_improvement, self.report.step_text(progress.step)
            self.report.say(
                f"No better {self.score_for_best} in {counted(count, 'scoring')}: ended at {where}."
            )
        results = {
            **(progress.best or {}),
            "epochs": progress.epochs_begun,
            "steps": progress.step,
            "scorer": self.metrics.scorer if self.metrics else None,
            "precision": self.precision.name,
            "bad_steps": progress.bad_steps,
            **progress.rates(),
            "train_seconds": progress.train_seconds,
            "seconds": time.perf_counter() - self.started,
            "peak_memory_mb": peak_memory_mb(self.precision.device),
        }
        if self.world.is_main:
            write_json(self.folder / "metrics.json", results, indent=2)
            if self.settings.plot:
                plot(self.folder)
        return results
