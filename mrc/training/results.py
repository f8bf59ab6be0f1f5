"""The results of steps, which are read from the device together and not after each step."""

import torch

from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset
from mrc.features.sampler import StepBatch
from mrc.training.report import Report
from mrc.training.state import Progress
from mrc.training.step import StepResult


class StepResults:
    """The results of the steps since the last reading.

    To read a number is to wait until the device has computed it, so the losses stay there until a
    log line, a scoring or a save needs them.

    train_set: tells the examples of a bad step; None if only a loader of your own knows them.
    max_bad_steps: how many steps in a row may be skipped.
    """

    def __init__(
        self, train_set: FeatureDataset | None, max_bad_steps: int, report: Report
    ) -> None:
        self.train_set = train_set
        self.max_bad_steps = max_bad_steps
        self.report = report
        # Each with the features of its micro-batches, where these say which they are.
        self.unread: list[tuple[StepResult, list[torch.Tensor]]] = []

    def add(self, result: StepResult, step_batch: StepBatch) -> None:
        """Take in the result of the latest step."""
        batches = step_batch.batches
        features = [batch["feature_index"] for batch in batches if "feature_index" in batch]
        self.unread.append((result, features))

    def last_grad_norm(self) -> float:
        """Return the gradient's norm in the latest step, before it was clipped."""
        result, _ = self.unread[-1]
        return result.grad_norm.item()

    def read(self, progress: Progress, saved: str) -> None:
        """Read the losses, and count the steps that were skipped.

        progress: where the losses and the counts go. saved: what is saved so far, for an error.
        Raises InputError if too many steps in a row were bad.
        """
        if not self.unread:
            return
        losses = torch.stack([result.loss for result, _ in self.unread]).tolist()
        are_bad = torch.stack([result.is_bad for result, _ in self.unread]).tolist()
        first_step = progress.step - len(self.unread) + 1
        for n, (_, features) in enumerate(self.unread):
            if are_bad[n]:
                self.note_bad_step(progress, first_step + n, features, saved)
            else:
                progress.losses.append(losses[n])
                progress.bad_in_a_row = 0
        self.unread = []

    def note_bad_step(
        self, progress: Progress, step: int, features: list[torch.Tensor], saved: str
    ) -> None:
        """Say that a step was skipped, and with which examples; stop if it was one too many."""
        progress.bad_steps += 1
        progress.bad_in_a_row += 1
        what = f"the loss is not a number at step {step}{self.examples_of(features)}"
        if progress.bad_in_a_row < self.max_bad_steps:
            self.report.say(f"{what}; the step is skipped.")
            return
        raise InputError(
            f"{what}, the last of {progress.bad_in_a_row} such steps in a row; {saved}. Try a "
            "smaller --learning-rate, or --precision fp32."
        )

    def examples_of(self, features: list[torch.Tensor]) -> str:
        """Return the ids of a step's examples in brackets, if they are known."""
        if self.train_set is None or not features:
            return ""
        examples = self.train_set.example_index[torch.cat(features).numpy()].tolist()
        ids = sorted({self.train_set.examples[example].id for example in examples})
        return f" (examples {', '.join(ids)})"
