"""The evaluation loop: a model over a dataset, to scores."""

import sys

import torch
from tqdm import tqdm

from mrc.features.batching import INPUTS, make_loader, to_device
from mrc.runtime.device import autocast
from mrc.runtime.processes import ALONE
from mrc.runtime.sharding import dummy_input, is_sharded


@torch.no_grad()  # not inference_mode: what a sharded model gathers in it, it could not be trained with
def evaluate(model, metrics, *, batch_size=64, precision="fp32", world=ALONE, signals=None):
    """Run a model over the dataset of `metrics`, on the device that holds the model, and return the scores.

    batch_size: windows per forward pass; precision: "fp32", "bf16" or "fp16". world: the processes that share the work; spans
    are gathered, no logits, and in the main process `metrics` ends as if it had been alone; all return the scores.
    signals: a StopSignals, or None; once it has received one, the result is None.
    Raises FloatingPointError naming an example whose logits are no numbers.
    """
    device = next(model.parameters()).device
    loader = make_loader(metrics.dataset, batch_size, device, precision, world.rank, world.size)
    metrics.reset()
    model.eval()
    batches, rounds = iter(loader), -(-len(metrics.dataset) // (batch_size * world.size))
    for _ in tqdm(
        range(rounds),
        desc="evaluating",
        unit="batch",
        leave=False,
        disable=not (sys.stderr.isatty() and world.is_main),
    ):
        batch = next(batches, None)  # the last round may have none for the last processes
        if batch is not None:
            inputs = to_device({name: batch[name] for name in INPUTS if name in batch}, device)
            with autocast(device, precision):
                logits = model(**inputs)
            metrics.update(batch["feature_index"], *logits)
        elif is_sharded(model):  # the others wait for this one's shards
            with autocast(device, precision):
                model(dummy_input(device))
        if signals and world.max(signals.received)[0]:
            return None
    parts = world.gather(metrics.collected())
    if world.is_main:
        metrics.collect(parts)
    return world.broadcast(metrics.compute() if world.is_main else None)
