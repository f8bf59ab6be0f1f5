"""What a run logs and prints: log.jsonl, lines on the terminal, a progress bar."""

import math
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mrc.runtime.processes import World
from mrc.training.log import RunLog


class Report:
    """Log and show how a run goes. Only the main process writes the log and shows a progress bar.

    folder: the run's. total_steps: optimizer steps of the run. tensorboard: see RunLog.
    """

    def __init__(self, folder: Path, total_steps: int, *, tensorboard: bool, world: World) -> None:
        self.is_main = world.is_main
        self.total_steps = total_steps
        self.log = RunLog(folder, tensorboard=tensorboard and world.is_main)
        self.bar: Any = None

    def progress_bar(self, step: int) -> Any:
        """Return a context in which a terminal shows a progress bar."""
        is_shown = sys.stderr.isatty() and self.is_main
        self.bar = tqdm(
            total=self.total_steps,
            initial=step,
            desc="training",
            unit="step",
            disable=not is_shown,
        )
        return self.bar

    def train_line(self, line: dict[str, Any]) -> None:
        """Log and show a line of training."""
        self._write({"kind": "train", **line})
        text = train_text(line)
        self.bar.set_postfix_str(text)
        if self.bar.disable:
            print(f"{self.step_text(line['step'])}: {text}", flush=True)

    def eval_line(self, line: dict[str, Any], scores: dict[str, Any]) -> None:
        """Log and show the scores of an evaluation."""
        self._write({"kind": "eval", **line, **scores})
        text = scores_text(scores) or "no answers to score"
        self.say(f"{self.step_text(line['step'])}: {text}")

    def say(self, text: str) -> None:
        """Print a line, above the progress bar if there is one."""
        tqdm.write(text, file=sys.stdout)

    def step_text(self, step: int) -> str:
        """Return where the run is, such as "step 50/4137"."""
        return f"step {step}/{self.total_steps}"

    def _write(self, line: dict[str, Any]) -> None:
        if self.is_main:
            self.log.write(line)


def train_text(line: dict[str, Any]) -> str:
    """Return a line of the training log as people read it."""
    loss, grad_norm = line["loss"], line["grad_norm"]
    return ", ".join(
        [
            "no finite loss" if loss is None else f"loss {loss:.3f}",
            f"lr {line['learning_rate']:.1e}",
            f"grad norm {math.inf if grad_norm is None else grad_norm:.2f}",
            f"{line['features_per_second']:.1f} features/s",
            f"{line['tokens_per_second']:.0f} tokens/s",
        ]
    )


def scores_text(scores: dict[str, Any]) -> str:
    """Return the scores of an evaluation, and its loss, as people read them."""
    parts = []
    for name, value in scores.items():
        if name == "eval_loss":
            parts.append(f"{name} {value:.3f}")
        elif not name.endswith("total"):
            parts.append(f"{name} {value:.2f}")
    return "  ".join(parts)
