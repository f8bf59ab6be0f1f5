"""The training loop, in one place and in the order it happens."""

import json
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from torch.nn import functional as F
from tqdm import tqdm

from mrc.batching import INPUTS, make_loader
from mrc.checkpoint import BEST, LAST, save_checkpoint
from mrc.config import InputError
from mrc.device import autocast, choose_precision, peak_memory_mb
from mrc.examples import write_json
from mrc.metrics import Metrics, evaluate
from mrc.optim import linear_warmup, make_optimizer


class Trainer:
    """Train a model on a FeatureDataset, score it on another each epoch, keep the best and the last checkpoint.

    model: takes input_ids, attention_mask and token_type_ids, returns start and end logits, and has `save_pretrained`;
    train_set, eval_set: FeatureDatasets, the second None for a run that is not scored; folder: where the run goes.
    """

    def __init__(self, model, tokenizer, train_set, eval_set, config, folder, device):
        self.model, self.tokenizer, self.config, self.device = model.to(device), tokenizer, config, device
        self.folder, self.run_log = Path(folder), RunLog(folder)
        self.loader = make_loader(train_set, config.batch_size, device, shuffle=True, seed=config.seed)
        self.metrics = Metrics(eval_set, config.scorer, config.n_best, config.max_answer_length) if eval_set else None

        self.precision = choose_precision(config.precision, device)
        self.steps_per_epoch = -(-len(self.loader) // config.gradient_accumulation_steps)
        self.total_steps = config.max_steps or config.epochs * self.steps_per_epoch
        self.optimizer = make_optimizer(model, config.learning_rate, config.weight_decay)
        self.schedule = linear_warmup(self.optimizer, int(config.warmup_ratio * self.total_steps), self.total_steps)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")

    def fit(self):
        """Train to the end; return what metrics.json then holds: the best scores, and the run's time, rate and memory."""
        config, model, device = self.config, self.model, self.device
        step, epoch, features, train_seconds, started = 0, 0, 0, 0.0, time.perf_counter()
        best = None
        bar = tqdm(total=self.total_steps, desc="training", unit="step", disable=not sys.stderr.isatty())

        while step < self.total_steps:
            self.loader.batch_sampler.set_epoch(epoch)
            batches = iter(self.loader)
            epoch_started, loss_sum, loss_steps = time.perf_counter(), torch.zeros((), device=device), 0
            model.train()
            while step < self.total_steps and (group := list(islice(batches, config.gradient_accumulation_steps))):
                group_size = sum(len(batch["input_ids"]) for batch in group)
                for batch in group:
                    batch = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
                    with autocast(device, self.precision):
                        start_logits, end_logits = model(**{name: batch[name] for name in INPUTS if name in batch})
                    # Weighed by its features: the group's gradient is that of one big batch, however it is cut.
                    loss = span_loss(start_logits, end_logits, batch) * (len(start_logits) / group_size)
                    self.scaler.scale(loss).backward()
                    loss_sum += loss.detach()  # stays on the device: reading it would make the step wait
                self.scaler.unscale_(self.optimizer)
                grad_norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
                scale = self.scaler.get_scale()
                self.scaler.step(self.optimizer)
                self.scaler.update()
                if self.scaler.get_scale() >= scale:  # else fp16 overflowed and the step was skipped
                    self.schedule.step()
                self.optimizer.zero_grad(set_to_none=True)

                step, features, loss_steps = step + 1, features + group_size, loss_steps + 1
                bar.update()
                if step % config.log_every == 0 or step == self.total_steps:
                    loss, loss_sum, loss_steps = loss_sum.item() / loss_steps, torch.zeros_like(loss_sum), 0
                    if loss != loss:
                        raise InputError(f"the loss is not a number at step {step}; try a smaller --learning-rate, or --precision fp32.")
                    rate = features / (train_seconds + time.perf_counter() - epoch_started)
                    line = {"step": step, "epoch": round(step / self.steps_per_epoch, 3), "loss": loss, "grad_norm": grad_norm.item(),
                            "learning_rate": self.schedule.get_last_lr()[0], "features_per_second": rate}
                    self.run_log.write(line)
                    bar.set_postfix_str(f"loss {loss:.3f}, lr {line['learning_rate']:.1e}, {rate:.1f} features/s")
                    if bar.disable:
                        print(f"step {step}/{self.total_steps}  loss {loss:.3f}  lr {line['learning_rate']:.1e}  {rate:.1f} features/s", flush=True)
            train_seconds += time.perf_counter() - epoch_started

            epoch += 1
            scores = self.evaluate(step, epoch)
            settings = {"config": config.to_dict(), "epoch": epoch, "step": step, "scores": scores}
            save_checkpoint(self.folder / LAST, model, self.tokenizer, settings)
            if best is None or not scores or scores["f1"] > best["f1"]:
                best = {**scores, "epoch": epoch, "step": step}
                save_checkpoint(self.folder / BEST, model, self.tokenizer, settings)
        bar.close()

        results = {**best, "epochs": epoch, "steps": step, "features_per_second": features / train_seconds, "train_seconds": train_seconds,
                   "seconds": time.perf_counter() - started, "peak_memory_mb": peak_memory_mb(device), "precision": self.precision}
        if self.metrics:
            results["scorer"] = self.metrics.scorer
        write_json(self.folder / "metrics.json", results, indent=2)
        return results

    def evaluate(self, step, epoch):
        """Score the model on the evaluation set (an empty dict without one), log it, and say so."""
        if self.metrics is None:
            return {}
        started = time.perf_counter()
        scores = evaluate(self.model, self.metrics, self.config.eval_batch_size, self.precision)
        self.run_log.write({"step": step, "epoch": epoch, **scores, "eval_seconds": time.perf_counter() - started})
        tqdm.write(f"epoch {epoch}: " + "  ".join(f"{name} {value:.2f}" for name, value in scores.items() if name != "total"), file=sys.stdout)
        return scores


def span_loss(start_logits, end_logits, batch):
    """Mean over the batch of the mean of the start's and the end's cross-entropy, in float32; a scalar.

    Padding takes no part in the softmax, so the loss does not depend on how far a batch was padded.
    """
    padding = batch["attention_mask"] == 0
    start_loss = F.cross_entropy(start_logits.float().masked_fill(padding, -torch.inf), batch["start_positions"])
    end_loss = F.cross_entropy(end_logits.float().masked_fill(padding, -torch.inf), batch["end_positions"])
    return (start_loss + end_loss) / 2


class RunLog:
    """`log.jsonl` of a run: one object a line, each on disk once it is written."""

    def __init__(self, folder):
        self.path = Path(folder) / "log.jsonl"
        self.path.touch()

    def write(self, line):
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
