"""One optimizer step on its micro-batches, in the order in which it happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LRScheduler

from mrc.features.batching import StepBatch, to_device
from mrc.runtime.processes import ALONE, World
from mrc.runtime.sharding import full_tensor, no_sync
from mrc.training.precision import Precision

# From a model's output and the batch that it was given to a scalar, the mean over the batch.
LossFunction = Callable[[Any, Mapping[str, Any]], torch.Tensor]


class StepResult(NamedTuple):
    """What came of a step: scalars on the device.

    There they stay until a log line needs them: to read them is to wait for the device.
    """

    loss: torch.Tensor
    grad_norm: torch.Tensor
    is_bad: torch.Tensor


@dataclass
class TrainStep:
    """The parts of an optimizer step that are the same in every step; called with a StepBatch.

    model: as training calls it, wrapped for several processes. input_names: the entries of a batch
    that it takes.
    """

    model: nn.Module
    input_names: tuple[str, ...]
    loss: LossFunction
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    precision: Precision
    max_grad_norm: float = 1.0
    world: World = ALONE

    def __call__(self, step_batch: StepBatch) -> StepResult:
        """Take one step. The loss is the mean over the step's features, in all processes."""
        precision, device = self.precision, self.precision.device
        loss_sum = torch.zeros((), device=device)
        for number, micro_batch in enumerate(step_batch.batches, start=1):
            batch = to_device(micro_batch, device)
            # Only the last backward pass exchanges gradients between the processes.
            with no_sync(self.model, is_last=number == len(step_batch.batches)):
                with precision.autocast():
                    output = self.model(**self.inputs(batch))
                    loss = self.loss(output, batch)
                # Each micro-batch counts by its share of the step's features, so that the
                # gradient is that of one large batch, however it is split.
                loss = loss * micro_batch["weight"]
                # DDP averages the gradients of the processes; their sum is wanted.
                precision.backward(loss * self.world.size)
            loss_sum += loss.detach()
        self.world.sum(loss_sum)

        # Before the clip, which must see the true gradient.
        precision.unscale(self.optimizer)
        grad_norm = clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        grad_norm = full_tensor(grad_norm)
        is_bad = precision.is_bad(loss_sum, grad_norm)
        if precision.step(self.optimizer, is_bad):
            self.schedule.step()
        self.optimizer.zero_grad()
        return StepResult(loss_sum, grad_norm, is_bad)

    def inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a batch that the model takes."""
        return {name: batch[name] for name in self.input_names if name in batch}
