"""Readers side by side: scores, changed answers and speed on the same batches."""

import time
from typing import Any

import torch
from torch import nn

from mrc.features.batching import INPUTS, make_loader
from mrc.features.dataset import FeatureDataset
from mrc.metrics.metrics import Metrics
from mrc.runtime.progress import ProgressReport


def compare(
    readers: dict[str, nn.Module], dataset: FeatureDataset, batch_size: int = 16, **settings: Any
) -> dict[str, dict[str, Any]]:
    """Score and time readers on the same batches.

    Each batch goes through all of them in turn, so that whatever else the machine does slows
    them alike.

    Args:
        readers: by name; the first is the one that the others are compared with.
        dataset: the features.
        batch_size: features per forward pass.
        settings: of `Metrics`.

    Returns:
        For each name "windows_per_second" (forward passes alone), "answers_changed", "scorer"
        and the scores.
    """
    metrics = {name: Metrics(dataset, **settings) for name in readers}
    seconds = dict.fromkeys(readers, 0.0)
    with ProgressReport("compared", total=len(dataset), unit="window") as progress:
        for number, batch in enumerate(make_loader(dataset, batch_size)):
            inputs = {name: batch[name] for name in INPUTS if name in batch}
            for name, reader in readers.items():
                with torch.inference_mode():
                    if number == 0:
                        # Not timed: the first pass also sets things up.
                        reader(**inputs)
                    started = time.perf_counter()
                    logits = reader(**inputs)
                    seconds[name] += time.perf_counter() - started
                metrics[name].update(batch["feature_index"], *logits)
            progress.update(len(batch["feature_index"]))

    results = {}
    for name in readers:
        scores = metrics[name].compute()
        answers = metrics[name].predictions
        originals = metrics[next(iter(readers))].predictions
        results[name] = {
            "windows_per_second": len(dataset) / seconds[name],
            "answers_changed": sum(text != originals[i] for i, text in answers.items()),
            "scorer": metrics[name].scorer,
            **scores,
        }
    return results
