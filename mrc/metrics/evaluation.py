"""The evaluation loop: a model over a dataset, to scores."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from mrc.features.batching import INPUTS, make_loader, to_device
from mrc.features.dataset import FeatureDataset
from mrc.metrics.metrics import Metrics
from mrc.model.heads import marginal_logits
from mrc.model.loss import Loss, loss_of
from mrc.model.span_model import span_logits
from mrc.runtime.device import autocast
from mrc.runtime.processes import ALONE, World
from mrc.runtime.progress import ProgressReport
from mrc.runtime.sharding import dummy_input, is_sharded
from mrc.runtime.signals import StopSignals


# Not inference_mode: a sharded model could no longer be trained with what it gathers there.
@torch.no_grad()
def evaluate(
    model: nn.Module,
    metrics: Metrics,
    *,
    batch_size: int = 64,
    precision: str = "fp32",
    world: World = ALONE,
    signals: StopSignals | None = None,
    loss: Loss | None = None,
    also: Sequence[Metrics] = (),
) -> dict[str, float] | None:
    """Run a model over the dataset of `metrics` and return the scores.

    The model stays on its device and is left in evaluation mode. Its logits are turned into spans
    batch by batch and never kept.

    Args:
        model: a SpanModel, or anything that is called and returns logits like one.
        metrics: what collects the spans; afterwards it holds the predictions.
        batch_size: features per forward pass.
        precision: "fp32", "bf16" or "fp16".
        world: the processes that share the work. They exchange spans, and `metrics` holds the
            predictions in the main process only.
        signals: checked after each batch; once a signal has arrived, the result is None.
        loss: called with the model's output and the batch, a dict of tensors, whose features all
            have a label; returns the mean over the batch, a scalar. By default the model's own
            loss, or else `span_loss`. The evaluation output of a conditional head (start logits,
            end logits by start, starts) reaches it as the pair of `marginal_logits`: the
            log-probabilities of starts and of ends.
        also: more Metrics on the same dataset, which take in the same batches.

    Returns:
        In every process, the scores of `Metrics.compute`, and "eval_loss", the mean loss over all
        labeled features. Without a labeled feature there is no "eval_loss".

    Raises:
        FloatingPointError: a logit is NaN; the message names the example.
    """
    device = next(model.parameters()).device
    dataset = metrics.dataset
    collectors = [metrics, *also]
    for collector in collectors:
        collector.reset()
    mean_loss = MeanLoss(loss or loss_of(model), dataset)
    loader = make_loader(
        dataset,
        batch_size,
        device=device,
        precision=precision,
        rank=world.rank,
        world_size=world.size,
    )
    features_per_round = batch_size * world.size
    # As many as the process with the most batches has.
    rounds = world.max(len(loader))[0]

    model.eval()
    with ProgressReport(
        "evaluated", total=len(dataset), unit="feature", is_silent=not world.is_main
    ) as progress:
        for batch in _padded_with_none(loader, rounds):
            if batch is not None:
                _take_in(batch, model, collectors, mean_loss, device, precision)
            elif is_sharded(model):
                # The other processes wait for this one's shards.
                with autocast(device, precision):
                    model(dummy_input(device))
            progress.update(min(features_per_round, len(dataset) - progress.count))
            if signals and world.max(signals.received)[0]:
                return None
    return _scores_of_all(collectors, mean_loss, world)


def _take_in(
    batch: dict[str, Any],
    model: nn.Module,
    collectors: Sequence[Metrics],
    mean_loss: "MeanLoss",
    device: torch.device,
    precision: str,
) -> None:
    """Run the model over a batch; add its spans to the collectors, and its loss to the mean."""
    indices = batch["feature_index"].numpy()
    batch = to_device(batch, device)
    inputs = {name: batch[name] for name in INPUTS if name in batch}
    with autocast(device, precision):
        output = model(**inputs)
        mean_loss.update(output, batch, indices)
    for collector in collectors:
        collector.update(indices, *span_logits(output))


class MeanLoss:
    """The mean loss over the labeled features of an evaluation.

    Args:
        loss: (output, batch) -> mean over the batch, a scalar.
        dataset: the FeatureDataset whose batches are evaluated.
    """

    def __init__(self, loss: Loss, dataset: FeatureDataset) -> None:
        self.loss = loss
        self.has_label = dataset.has_label
        self.losses: list[torch.Tensor] = []
        self.sizes: list[int] = []

    def update(self, output: Any, batch: dict, indices: np.ndarray) -> None:
        """Take in the output for a batch of the features `indices`, if they have labels."""
        if not self.has_label[indices].all():
            return
        # The three tensors of a conditional head, and not an object with more than two fields.
        logits = span_logits(output)
        if len(logits) == 3:
            output = marginal_logits(*logits)
        # Left on the device: reading it here would make the host wait for each batch.
        self.losses.append(self.loss(output, batch).float())
        self.sizes.append(len(indices))

    def collected(self) -> list[tuple[float, int]]:
        """The summed loss of each batch and the number of its features."""
        losses = torch.stack(self.losses).tolist() if self.losses else []
        return [(loss * size, size) for loss, size in zip(losses, self.sizes, strict=True)]

    @staticmethod
    def combine(parts: Iterable[list[tuple[float, int]]]) -> dict[str, float]:
        """{"eval_loss": the mean over what several processes collected}, {} if that is nothing."""
        batches = [batch for part in parts for batch in part]
        if not batches:
            return {}
        # fsum rounds once: the result does not depend on how the batches were shared out.
        total = math.fsum(loss for loss, _ in batches)
        return {"eval_loss": total / sum(size for _, size in batches)}


def _padded_with_none(batches: Iterable[dict], rounds: int) -> Iterator[dict | None]:
    """The batches, then None up to `rounds` items: processes go through the same rounds."""
    iterator = iter(batches)
    for _ in range(rounds):
        yield next(iterator, None)


def _scores_of_all(
    collectors: list[Metrics], mean_loss: MeanLoss, world: World
) -> dict[str, float]:
    """Bring together what the processes collected, and compute the scores in the main one."""
    own = [collector.collected() for collector in collectors]
    parts = world.gather((own, mean_loss.collected()))
    scores: dict[str, float] | None = None
    if parts is not None:
        spans, losses = zip(*parts, strict=True)
        all_scores = []
        for collector, collected in zip(collectors, zip(*spans, strict=True), strict=True):
            collector.collect(collected)
            all_scores.append(collector.compute())
        scores = {**all_scores[0], **MeanLoss.combine(losses)}
    return world.broadcast(scores)
