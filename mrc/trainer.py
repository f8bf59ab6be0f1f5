"""The training loop, in one place and in the order it happens."""

import json
import math
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm import tqdm

from mrc.batching import INPUTS, make_loader
from mrc.checkpoint import BEST, LAST, RUN_FILE, save_checkpoint
from mrc.config import InputError
from mrc.device import autocast, choose_precision, peak_memory_mb
from mrc.files import write_json
from mrc.metrics import Metrics, evaluate
from mrc.optim import linear_warmup, make_optimizer


class Trainer:
    """Train a model on a FeatureDataset, score it on another each epoch, keep the best and the last checkpoint.

    model: takes input_ids, attention_mask and token_type_ids, returns start and end logits, and has `save_pretrained`.
    train_set, eval_set: FeatureDatasets; the second is None for a run that is not scored, whose best is then its last.
    config: TrainConfig. folder: an existing folder for log.jsonl, metrics.json and the checkpoints. device: torch.device.
    """

    def __init__(self, model, tokenizer, train_set, eval_set, config, folder, device):
        self.model, self.tokenizer, self.config, self.device = model.to(device), tokenizer, config, device
        self.folder = Path(folder)
        self.loader = make_loader(train_set, config.batch_size, device, shuffle=True, seed=config.seed)
        self.metrics = None
        self.takes_null = any(example.is_impossible for example in train_set.examples)  # it learns to give no answer
        if eval_set is not None:
            self.metrics = Metrics(eval_set, config.scorer, config.n_best, config.max_answer_length, config.search,
                                   self.takes_null or None, tune_threshold=True)

        steps_per_epoch = math.ceil(len(self.loader) / config.gradient_accumulation_steps)
        self.total_steps = config.max_steps or config.epochs * steps_per_epoch
        self.optimizer = make_optimizer(model, config.learning_rate, config.weight_decay)
        self.schedule = linear_warmup(self.optimizer, int(config.warmup_ratio * self.total_steps), self.total_steps)
        self.precision = choose_precision(config.precision, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")

        self.step, self.epoch = 0, 0  # optimiser steps and epochs done
        self.features, self.train_seconds = 0, 0.0  # trained on so far, and the time that took, scoring left out
        self.loss_sum, self.loss_steps = torch.zeros((), device=device), 0  # since the last log line
        self.bar = tqdm(total=self.total_steps, desc="training", unit="step", disable=not sys.stderr.isatty())

    def fit(self):
        """Train to the end; return what metrics.json then holds: the best scores, and the run's time, rate and memory."""
        started, best = time.perf_counter(), None
        while self.step < self.total_steps:
            self.train_epoch()
            scores = self.evaluate()
            settings = {"config": self.config.to_dict(), "epoch": self.epoch, "step": self.step, "scores": scores,
                        "takes_null": self.takes_null, "null_threshold": self.metrics.null_threshold if self.metrics else 0.0}
            save_checkpoint(self.folder / LAST, self.model, self.tokenizer, settings)
            if best is None or not scores or scores[self.metrics.main_score] > best[self.metrics.main_score]:
                best = {**scores, "epoch": self.epoch, "step": self.step}
                save_checkpoint(self.folder / BEST, self.model, self.tokenizer, settings)
        self.bar.close()

        results = {**best, "epochs": self.epoch, "steps": self.step, "scorer": self.metrics and self.metrics.scorer,
                   "precision": self.precision, "features_per_second": self.features / self.train_seconds,
                   "train_seconds": self.train_seconds, "seconds": time.perf_counter() - started, "peak_memory_mb": peak_memory_mb(self.device)}
        write_json(self.folder / "metrics.json", results, indent=2)
        return results

    def train_epoch(self):
        """Take the steps of one epoch, or as many of them as the run still has."""
        self.loader.batch_sampler.set_epoch(self.epoch)
        self.model.train()
        batches, started = iter(self.loader), time.perf_counter()
        while self.step < self.total_steps and (group := list(islice(batches, self.config.gradient_accumulation_steps))):
            loss, grad_norm = self.train_step(group)
            self.loss_sum, self.loss_steps = self.loss_sum + loss, self.loss_steps + 1
            self.step, self.features = self.step + 1, self.features + sum(len(batch["input_ids"]) for batch in group)
            self.bar.update()
            if self.step % self.config.log_every == 0 or self.step == self.total_steps:
                seconds = self.train_seconds + time.perf_counter() - started
                self.log_step(self.check_loss(), grad_norm.item(), self.features / seconds)
                self.loss_sum, self.loss_steps = torch.zeros_like(self.loss_sum), 0
        self.check_loss()  # before anything is saved; it also waits for the device, so that the clock below is right
        self.train_seconds += time.perf_counter() - started
        self.epoch += 1

    def train_step(self, group):
        """One optimiser step on a group of micro-batches.

        Returns the mean loss of the group's features and the gradient's norm before clipping: scalars on the device,
        where they stay until a log line needs them, as reading them would make every step wait for the device.
        """
        group_size, group_loss = sum(len(batch["input_ids"]) for batch in group), 0
        for batch in group:
            batch = {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}
            with autocast(self.device, self.precision):
                start_logits, end_logits = self.model(**{name: batch[name] for name in INPUTS if name in batch})
            # Weighed by its features, so that the group's gradient is that of one big batch, however it is cut.
            loss = span_loss(start_logits, end_logits, batch) * (len(start_logits) / group_size)
            self.scaler.scale(loss).backward()
            group_loss += loss.detach()

        self.scaler.unscale_(self.optimizer)  # before the clip, which must see the true gradient
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scaler.get_scale() >= scale:  # else fp16 overflowed and the optimiser's step was skipped
            self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return group_loss, grad_norm

    def evaluate(self):
        """Score the model on the evaluation set and log it; an empty dict where there is none, or none with answers."""
        if self.metrics is None:
            return {}
        started = time.perf_counter()
        scores = evaluate(self.model, self.metrics, self.config.eval_batch_size, self.precision)
        self.log({"step": self.step, "epoch": self.epoch, **scores, "eval_seconds": time.perf_counter() - started})
        shown = "  ".join(f"{name} {value:.2f}" for name, value in scores.items() if not name.endswith("total"))
        tqdm.write(f"epoch {self.epoch}: {shown or 'no answers to score'}", file=sys.stdout)
        return scores

    def check_loss(self):
        """The mean loss of the steps since the last log line, 0 if there are none. Raises InputError if it is not a number."""
        loss = self.loss_sum.item() / max(1, self.loss_steps)
        if math.isnan(loss):
            raise InputError(f"the loss is not a number at step {self.step}; try a smaller --learning-rate, or --precision fp32.")
        return loss

    def log_step(self, loss, grad_norm, rate):
        """Log and show the mean loss since the last line, the gradient's norm before clipping, and features per second."""
        learning_rate = self.schedule.get_last_lr()[0]
        self.log({"step": self.step, "epoch": self.epoch + 1, "loss": loss, "grad_norm": grad_norm, "learning_rate": learning_rate,
                  "features_per_second": rate})
        shown = f"loss {loss:.3f}, lr {learning_rate:.1e}, {rate:.1f} features/s"
        self.bar.set_postfix_str(shown)
        if self.bar.disable:
            print(f"step {self.step}/{self.total_steps}: {shown}", flush=True)

    def log(self, line):
        """Append one object to log.jsonl, on disk once this returns."""
        with (self.folder / RUN_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def span_loss(start_logits, end_logits, batch):
    """Mean over the batch of the mean of the start's and the end's cross-entropy, in float32; a scalar.

    start_logits, end_logits: (batch, length); batch: with attention_mask (batch, length), start_positions and
    end_positions (batch,). Padding takes no part in the softmax, so the loss does not depend on how far a batch was padded.
    """
    padding = batch["attention_mask"] == 0
    start_loss = F.cross_entropy(start_logits.float().masked_fill(padding, -torch.inf), batch["start_positions"])
    end_loss = F.cross_entropy(end_logits.float().masked_fill(padding, -torch.inf), batch["end_positions"])
    return (start_loss + end_loss) / 2
