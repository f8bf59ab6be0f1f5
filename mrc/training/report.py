"""What a run logs and prints: log.jsonl, lines on the terminal, a progress bar."""

import math
import sys
from pathlib import Path
from typing import Any

from mrc.checkpoint.store import BEST, LAST
from mrc.errors import discard_output
from mrc.runtime.processes import World
from mrc.runtime.terminal import LastLine, is_terminal
from mrc.training.log import RunLog


class Report:
    """Log and show how a run goes. Only the main process writes the log and shows a progress bar.

    folder: the run's. total_steps: optimizer steps of the run. tensorboard: see RunLog.
    """

    def __init__(self, folder: Path, total_steps: int, *, tensorboard: bool, world: World) -> None:
        self.is_main = world.is_main
        self.total_steps = total_steps
        self.log = RunLog(folder, tensorboard=tensorboard and world.is_main)
        self.bar = LastLine(total=total_steps, disable=True)

    def progress_bar(self, step: int) -> LastLine:
        """Return a context in which a terminal shows a progress bar."""
        has_bar = is_terminal(sys.stderr) and self.is_main
        self.bar = LastLine(
            total=self.total_steps, initial=step, desc="training", disable=not has_bar
        )
        return self.bar

    def train_line(self, line: dict[str, Any]) -> None:
        """Log and show a line of training."""
        self._write({"kind": "train", **line})
        self.bar.set_postfix_str(loss_text(line), refresh=False)
        self.say(f"{self.step_text(line['step'])}: {train_text(line)}")

    def eval_line(self, line: dict[str, Any], scores: dict[str, Any]) -> None:
        """Log and show the scores of an evaluation."""
        self._write({"kind": "eval", **line, **scores})
        text = scores_text(scores) or "no answers to score"
        self.say(f"{self.step_text(line['step'])}: {text}")

    def save_line(self, step: int, *, is_best: bool) -> None:
        """Show that the run is saved."""
        self.say(f"{self.step_text(step)}: saved in {LAST}/{f' and {BEST}/' if is_best else ''}")

    def say(self, text: str) -> None:
        """Print a line, and draw the bar again below it."""
        try:
            print(text, flush=True)
        except BrokenPipeError:
            # Ctrl-C ends the tee of `| tee log.txt` as well, and the run has still to be saved.
            discard_output()
        self.bar.refresh()

    def step_text(self, step: int) -> str:
        """Return where the run is, such as "step 50/4137"."""
        return f"step {step}/{self.total_steps}"

    def _write(self, line: dict[str, Any]) -> None:
        if self.is_main:
            self.log.write(line)


def loss_text(line: dict[str, Any]) -> str:
    """Return the loss in a line of the training log."""
    return "no finite loss" if line["loss"] is None else f"loss {line['loss']:.3f}"


def train_text(line: dict[str, Any]) -> str:
    """Return a line of the training log as people read it, short enough for 80 columns."""
    grad_norm = line["grad_norm"]
    return ", ".join(
        [
            loss_text(line),
            f"lr {line['learning_rate']:.1e}",
            f"grad norm {math.inf if grad_norm is None else grad_norm:.2f}",
            f"{line['features_per_second']:.1f} features/s",
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
