"""The training loop, in one place and in the order it happens."""

import math
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from signal import Signals

import torch
from tqdm import tqdm

from mrc.checkpoint.store import BEST, LAST, load_state, save_checkpoint
from mrc.errors import InputError, Stopped
from mrc.features.batching import INPUTS, Collator, make_training_loader, to_device
from mrc.files import write_json
from mrc.metrics.evaluation import evaluate
from mrc.metrics.metrics import Metrics
from mrc.model.layers import freeze, freeze_unused_parameters
from mrc.model.loss import span_loss
from mrc.runtime.device import DTYPES, autocast, choose_precision
from mrc.runtime.memory import peak_memory_mb, tune_malloc
from mrc.runtime.processes import ALONE
from mrc.runtime.sharding import (
    full_tensor,
    gather_full_model,
    is_sharded,
    no_sync,
    shard,
    wrap_for_processes,
)
from mrc.runtime.signals import StopSignals
from mrc.training.card import card_text
from mrc.training.flops import FlopCounter
from mrc.training.log import RunLog, figure_class, plot
from mrc.training.optim import WeightAverage, make_optimizer, make_schedule
from mrc.training.state import Progress, capture, restore


class Trainer:
    """Train a model on a FeatureDataset, score it on another, keep the best and the last checkpoint, and be ready to go on.

    model: takes input_ids, attention_mask (None where nothing is padding) and token_type_ids, returns start and end logits,
    and has `save_pretrained`. train_set, eval_set: FeatureDatasets; the second is None for a run that is not scored, whose best
    is then its last. config: TrainConfig. folder: an existing folder for log.jsonl, metrics.json and the checkpoints.
    device: torch.device. world: the processes that share the run.
    """

    def __init__(self, model, tokenizer, train_set, eval_set, config, folder, device, world=ALONE):
        self.model, self.tokenizer, self.config, self.device, self.world = (
            model,
            tokenizer,
            config,
            device,
            world,
        )
        self.folder, self.precision = Path(folder), choose_precision(config.precision, device)
        tune_malloc(device)
        self.loader = make_training_loader(
            train_set,
            config,
            device=device,
            precision=self.precision,
            rank=world.rank,
            world_size=world.size,
        )
        self.inputs = (*INPUTS, "start_positions") if model.takes_start_positions else INPUTS
        self.metrics = None
        self.allows_no_answer = any(
            example.is_impossible for example in train_set.examples
        )  # it learns to give no answer
        if eval_set is not None:
            self.metrics = Metrics(
                eval_set,
                scorer=config.scorer,
                n_best=config.n_best,
                max_answer_length=config.max_answer_length,
                search=config.search,
                allows_no_answer=self.allows_no_answer or None,
                tune_threshold=True,
            )
            self.score_for_best = self.metrics.choose_score(config.metric_for_best)

        self.total_steps = config.max_steps or self.loader.total_steps(config.epochs)
        warmup_steps = (
            int(config.warmup_ratio * self.total_steps)
            if config.warmup_steps is None
            else config.warmup_steps
        )
        if warmup_steps >= self.total_steps > 1:
            raise InputError(
                f"--warmup-steps {warmup_steps}: the run has {self.total_steps} steps, and the learning rate would never reach "
                "its height."
            )
        if config.freeze_layers is not None:
            freeze(model, config.freeze_layers)
        # Sharded, the model comes to the device in parts, and a copy on the host is what is saved.
        sharded = config.fsdp and world.size > 1
        here = torch.device("cpu") if sharded else device
        model.to(here)
        batch = to_device(Collator(train_set, device=device, precision=self.precision)([0]), here)
        with autocast(here, self.precision):
            freeze_unused_parameters(
                model, {name: batch[name] for name in self.inputs if name in batch}
            )
        self.whole_model = (
            shard(model, world, device, DTYPES.get(self.precision)) if sharded else model
        )
        if config.compile:
            model.compile(
                dynamic=True
            )  # once for all lengths; in place, so that the weights keep their names
        self.parallel = wrap_for_processes(model, world)
        self.optimizer = make_optimizer(
            model, config.learning_rate, config.weight_decay, config.layer_decay
        )
        self.schedule = make_schedule(
            self.optimizer, config.schedule, warmup_steps, self.total_steps
        )
        self.average = WeightAverage(model, config.ema_decay) if config.ema_decay else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.work = FlopCounter(model, device, self.precision, world.size)

        self.progress, self.saved_step = Progress(), None
        self.records = RunLog(self.folder, config.tensorboard and world.is_main)
        if config.plot:
            figure_class()  # or an error, before the run and not at its end
        self.losses, self.seen = (
            [],
            [],
        )  # since they were last read: each step's loss, on the device, and its features

    def plan(self):
        """A sentence on the steps to come, and on what each of them holds over all processes."""
        config, parts = self.config, self.config.gradient_accumulation_steps * self.world.size
        tokens = config.max_tokens_per_batch
        size = (
            f"about {parts * tokens} tokens" if tokens else f"{parts * config.batch_size} windows"
        )
        shared = f" shared by {self.world.size} processes" if self.world.size > 1 else ""
        shared += ", the model in as many shards" if is_sharded(self.model) else ""
        trained, of = (
            sum(p.numel() for p in self.model.parameters() if p.requires_grad or every) / 1e6
            for every in (False, True)
        )
        some = (
            f"; {trained:.1f}M of {of:.1f}M parameters are trained"
            if config.lora_rank or config.freeze_layers is not None
            else ""
        )
        return f"{self.total_steps} steps of {size}{shared}, {self.precision}{some}"

    def resume(self, checkpoint):
        """Go on from a checkpoint of a run, with which the model has been loaded. Raises InputError if it does not fit."""
        restore(self, load_state(checkpoint))
        self.saved_step = self.progress.step
        self.loader.set_epoch(
            self.progress.epoch, self.progress.step_in_epoch
        )  # whose length tells where it ends

    def fit(self):
        """Train to the end; return what metrics.json then holds: the best scores, and the run's time, rate and memory.

        Raises Stopped, once all is saved, if SIGINT or SIGTERM asks for it.
        """
        progress = self.progress
        self.started = time.perf_counter() - progress.seconds
        self.mark = self.saved_at = time.perf_counter()
        with (
            StopSignals() as self.signals,
            tqdm(
                total=self.total_steps,
                initial=progress.step,
                desc="training",
                unit="step",
                disable=not (sys.stderr.isatty() and self.world.is_main),
            ) as self.bar,
        ):
            if self.is_due_to_score():  # it was stopped while it was scored
                self.score()
            while not self.is_over():
                self.train_epoch()
        return self.finish()

    def train_epoch(self):
        """Take the steps of one epoch, or those that are left of it, or as many as the run still has."""
        progress = self.progress
        self.loader.set_epoch(progress.epoch, progress.step_in_epoch)
        self.model.train()
        for group in self.loader:
            grad_norm = self.train_step(group)
            progress.step, progress.step_in_epoch = progress.step + 1, progress.step_in_epoch + 1
            progress.features, progress.tokens, progress.padded_tokens = (
                progress.features + group.features,
                progress.tokens + group.tokens,
                progress.padded_tokens + group.padded_tokens,
            )
            progress.flops += self.work.flops(
                group.padded_tokens, group.padded_tokens / group.features
            )
            self.bar.update()
            if progress.step % self.config.log_every == 0 or progress.step == self.total_steps:
                self.log_step(grad_norm)
            if self.is_due_to_score():
                self.score()
            self.save_or_stop_if_due()
            if self.is_over():
                return
        progress.epoch, progress.step_in_epoch = progress.epoch + 1, 0

    def train_step(self, group):
        """One optimiser step on a Group of micro-batches. Returns the gradient's norm before clipping, a scalar on the device.

        There it stays, and the loss with it, until a log line needs them: reading them would make every step wait for the device.
        """
        loss_sum = torch.zeros((), device=self.device)
        for number, batch in enumerate(group.batches, start=1):
            # Only the last micro-batch's backward pass exchanges gradients, those of the others with its own.
            with no_sync(self.parallel, until_last=number < len(group.batches)):
                moved = to_device(batch, self.device)
                with autocast(self.device, self.precision):
                    start_logits, end_logits = self.parallel(
                        **{name: moved[name] for name in self.inputs if name in moved}
                    )
                # Weighed by its features, so that the step's gradient is that of one big batch, however it is cut.
                loss = (
                    span_loss(start_logits, end_logits, moved, self.config.label_smoothing)
                    * batch["weight"]
                )
                self.scaler.scale(
                    loss * self.world.size
                ).backward()  # the processes' gradients are averaged, not summed
                loss_sum += loss.detach()
        self.world.sum(loss_sum)

        self.scaler.unscale_(self.optimizer)  # before the clip, which must see the true gradient
        grad_norm = full_tensor(
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        )
        if self.scaler.is_enabled():
            scale = self.scaler.get_scale()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            taken = (
                self.scaler.get_scale() >= scale
            )  # else fp16 overflowed and the optimiser's step was skipped
        else:
            # The fused optimiser's own way to leave a step out, decided on the device: nothing waits for the answer.
            self.optimizer.grad_scale, self.optimizer.found_inf = (
                None,
                (~torch.isfinite(loss_sum + grad_norm)).float(),
            )
            self.optimizer.step()
            taken, loss_sum = (
                True,
                loss_sum + 0 * grad_norm,
            )  # a bad gradient shows in the loss that is looked at
        if taken:
            self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update()
        self.losses.append(loss_sum)
        self.seen.append([batch["feature_index"] for batch in group.batches])
        return grad_norm

    def is_over(self):
        out_of_patience = (
            self.config.patience is not None and self.progress.without_gain >= self.config.patience
        )
        return self.progress.step >= self.total_steps or out_of_patience

    def is_due_to_score(self):
        """Whether a scoring belongs here: at an epoch's end or every --eval-every steps, and at the run's end."""
        step, every = self.progress.step, self.config.eval_every
        here = step % every == 0 if every else self.progress.step_in_epoch == len(self.loader)
        return step > self.progress.scored_step and (here or step >= self.total_steps)

    def score(self):
        """Score the model on the evaluation set, log it, and save it, as the best if it is."""
        self.read_losses()
        progress, scores, started = self.progress, {}, time.perf_counter()
        if self.metrics:
            with self.average.in_place() if self.average else nullcontext():
                scores = evaluate(
                    self.model,
                    self.metrics,
                    batch_size=self.config.eval_batch_size,
                    precision=self.precision,
                    world=self.world,
                    signals=self.signals,
                )
            self.model.train()
            if scores is None:  # asked to stop; a resumed run begins with the scoring
                self.save_or_stop_if_due()
            self.log(
                {
                    "step": progress.step,
                    "epoch": progress.epoch + 1,
                    **scores,
                    "eval_seconds": time.perf_counter() - started,
                }
            )
            shown = "  ".join(
                f"{name} {value:.2f}"
                for name, value in scores.items()
                if not name.endswith("total")
            )
            tqdm.write(f"{self.place()}: {shown or 'no answers to score'}", file=sys.stdout)
        gain = (
            progress.best is None
            or not scores
            or scores[self.score_for_best] > progress.best[self.score_for_best]
        )
        if gain:
            progress.best, progress.without_gain = (
                {**scores, "epoch": progress.epoch + 1, "step": progress.step},
                0,
            )
        else:
            progress.without_gain += 1
        progress.scored_step = progress.step
        self.save(scores, is_best=gain)

    def save_or_stop_if_due(self):
        """Save every so many steps or minutes, or because a signal asks to stop; then raise Stopped. The processes agree on it."""
        step, every, minutes = (
            self.progress.step,
            self.config.save_every,
            self.config.save_every_minutes,
        )
        late = minutes is not None and time.perf_counter() - self.saved_at > 60 * minutes
        signal, late = self.world.max(self.signals.received, int(late and self.world.is_main))
        if self.saved_step != step and (signal or late or (every and step % every == 0)):
            self.save()
        if signal:
            raise Stopped(
                signal,
                f"stopped by {Signals(signal).name} after step {step} of {self.total_steps}; all is saved in "
                f"{self.folder}. Go on with: {self.world.launcher} train.py --resume {self.folder}"
                f"{self.config.trust_flags()}",
            )

    def save(self, scores=None, is_best=False):
        """Save the last checkpoint, with all that a run needs to go on from it, and the best beside."""
        self.read_losses()
        progress = self.progress
        progress.seconds = time.perf_counter() - self.started
        state, model = capture(self), gather_full_model(self.model, self.whole_model)
        if self.world.is_main:
            settings = {
                "config": self.config.to_dict(),
                "epoch": progress.epoch + 1,
                "step": progress.step,
                "scores": scores or {},
                "allows_no_answer": self.allows_no_answer,
                "null_threshold": self.metrics.null_threshold if self.metrics else 0.0,
                "scorer": self.metrics and self.metrics.scorer,
                "processes": self.world.size,
            }
            with self.average.in_place() if self.average else nullcontext():
                if is_best:
                    save_checkpoint(
                        self.folder / BEST,
                        model,
                        self.tokenizer,
                        settings,
                        card=card_text(model, self.tokenizer, settings),
                    )
                save_checkpoint(
                    self.folder / LAST,
                    model,
                    self.tokenizer,
                    settings,
                    state=state,
                    keep=self.config.keep,
                    card=card_text(model, self.tokenizer, settings),
                )
        self.saved_step, self.saved_at = progress.step, time.perf_counter()
        self.mark = time.perf_counter()  # the clock of training starts again

    def read_losses(self):
        """Read the losses of the steps since the last reading from the device; stop the clock of training.

        Raises InputError if too many steps in a row were left out because their loss or gradient was not finite.
        """
        losses = torch.stack(self.losses).tolist() if self.losses else []
        progress, first = self.progress, self.progress.step - len(losses) + 1
        for step, (loss, seen) in enumerate(zip(losses, self.seen), start=first):
            if math.isfinite(loss):
                progress.losses.append(loss)
                progress.bad_in_a_row = 0
                continue
            progress.bad_steps, progress.bad_in_a_row = (
                progress.bad_steps + 1,
                progress.bad_in_a_row + 1,
            )
            data = self.loader.dataset
            identities = sorted(
                {data.examples[e].id for e in data.example_index[torch.cat(seen).numpy()].tolist()}
            )
            what = f"the loss is not a number at step {step} (examples {', '.join(identities)})"
            if progress.bad_in_a_row >= self.config.max_bad_steps:
                kept = (
                    f"the last checkpoint is {self.folder / LAST}, of step {self.saved_step}"
                    if self.saved_step
                    else "none is saved yet"
                )
                raise InputError(
                    f"{what}, the last of {progress.bad_in_a_row} such steps in a row; {kept}. Try a smaller --learning-rate, "
                    "or --precision fp32."
                )
            tqdm.write(f"{what}; the step is left out.", file=sys.stdout)
        self.losses, self.seen = [], []
        progress.train_seconds, self.mark = (
            progress.train_seconds + time.perf_counter() - self.mark,
            time.perf_counter(),
        )

    def log_step(self, grad_norm):
        """Log and show the mean loss since the last line, the gradient's norm before clipping, and the rates so far."""
        self.read_losses()
        progress, learning_rate = self.progress, self.schedule.get_last_lr()[-1]
        norm = grad_norm.item()
        loss = sum(progress.losses) / len(progress.losses) if progress.losses else None
        line = {
            "step": progress.step,
            "epoch": progress.epoch + 1,
            "loss": loss,
            "grad_norm": norm if math.isfinite(norm) else None,
            "learning_rate": learning_rate,
            "padding": 1 - progress.tokens / progress.padded_tokens,
            **progress.rates(),
            **self.work.rates(progress.flops / progress.train_seconds),
        }
        progress.losses = []
        self.log(line)
        self.show(line)

    def show(self, line):
        """Show a log line: beside the bar on a terminal, else as a line of its own."""
        parts = [
            f"loss {line['loss']:.3f}" if line["loss"] is not None else "no finite loss",
            f"lr {line['learning_rate']:.1e}",
            f"grad norm {math.inf if line['grad_norm'] is None else line['grad_norm']:.2f}",
            f"{line['features_per_second']:.1f} features/s",
            f"{line['tokens_per_second']:.0f} tokens/s",
        ]
        self.bar.set_postfix_str(", ".join(parts))
        if self.bar.disable:
            print(f"{self.place()}: {', '.join(parts)}", flush=True)

    def place(self):
        return f"step {self.progress.step}/{self.total_steps}"

    def log(self, line):
        if self.world.is_main:
            self.records.write(line)

    def finish(self):
        """Write metrics.json, and what it holds return."""
        progress = self.progress
        if progress.step < self.total_steps:
            tqdm.write(
                f"No better {self.score_for_best} in {progress.without_gain} scorings: ended at {self.place()}.",
                file=sys.stdout,
            )
        results = {
            **progress.best,
            "epochs": progress.epoch + (progress.step_in_epoch > 0),
            "steps": progress.step,
            "scorer": self.metrics and self.metrics.scorer,
            "precision": self.precision,
            "bad_steps": progress.bad_steps,
            **progress.rates(),
            "train_seconds": progress.train_seconds,
            "seconds": time.perf_counter() - self.started,
            "peak_memory_mb": peak_memory_mb(self.device),
        }
        if self.world.is_main:
            write_json(self.folder / "metrics.json", results, indent=2)
            if self.config.plot:
                plot(self.folder)
        return results
