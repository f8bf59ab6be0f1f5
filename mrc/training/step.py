"""One optimizer step, in the order in which it happens.

A step may go through the model in several parts, the micro-batches, whose gradients add up
(--gradient-accumulation-steps). With one process and in fp32, `no_sync`, `world.sum`, `full_tensor`
and most of `precision` do nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LRScheduler

from mrc.features.batching import to_device
from mrc.features.sampler import StepBatch
from mrc.model.loss import Loss
from mrc.runtime.processes import ALONE, World
from mrc.runtime.sharding import full_tensor, no_sync
from mrc.training.precision import Precision


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
    loss: Loss
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    precision: Precision
    max_grad_norm: float = 1.0
    world: World = ALONE

    def __call__(self, step_batch: StepBatch) -> StepResult:
        """Take one step. Its loss is the mean over the step's features, in all processes."""
        precision, device = self.precision, self.precision.device
        step_loss = torch.zeros((), device=device)
        for number, micro_batch in enumerate(step_batch.batches, start=1):
            # The micro-batch's share of the step's features, from the loader in
            # mrc/features/batching.py.
            weight = micro_batch["weight"]
            batch = to_device(micro_batch, device)
            # Only the last backward pass exchanges gradients between the processes.
            with no_sync(self.model, is_last=number == len(step_batch.batches)):
                with precision.autocast():
                    output = self.model(**self.inputs(batch))
                    loss = self.loss(output, batch)
                # The losses are means. Weighted so, the gradient is that of one large batch,
                # however it is split.
                loss = loss * weight
                # DDP averages the gradients of the processes. Their sum is wanted, since the
                # weights are already shares of the whole step.
                precision.backward(loss * self.world.size)
            step_loss += loss.detach()
        # Over the processes, in place.
        self.world.sum(step_loss)

        # fp16 gradients are scaled up; unscale them before they are clipped.
        precision.unscale(self.optimizer)
        grad_norm = clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        grad_norm = full_tensor(grad_norm)
        is_bad = precision.is_bad(step_loss, grad_norm)
        if precision.step(self.optimizer, is_bad):
            self.schedule.step()
        # Of the model, since an optimizer of your own may not have all of its parameters.
        self.model.zero_grad()
        return StepResult(step_loss, grad_norm, is_bad)

    def inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the part of a batch that the model takes."""
        return {name: batch[name] for name in self.input_names if name in batch}
