"""The log of a run: log.jsonl, TensorBoard, and a plot."""

import json
import os
from pathlib import Path

from mrc.checkpoint.store import RUN_FILE
from mrc.errors import InputError


class RunLog:
    """log.jsonl: one object a line, for each log step and each scoring; with `tensorboard` also in TensorBoard's form.

    Raises InputError where it cannot be written, or TensorBoard is not installed.
    """

    def __init__(self, folder, tensorboard=False):
        self.path, self.board, self.make_board, self.forgotten = (
            Path(folder) / RUN_FILE,
            None,
            None,
            None,
        )
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise InputError(
                    '--tensorboard needs another package: pip install -e ".[tensorboard]"'
                ) from None
            self.make_board = SummaryWriter

    def write(self, line):
        """Append one object; it is with the operating system once this returns."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}).") from None
        if self.make_board:
            self.board = self.board or self.make_board(self.path.parent, purge_step=self.forgotten)
            part = "train" if "loss" in line else "validation"
            for name, value in line.items():
                if name != "step" and isinstance(value, (int, float)):
                    self.board.add_scalar(f"{part}/{name}", value, line["step"])

    def sync(self):
        """Wait until all is on the disk; return the length in bytes."""
        if self.board:
            self.board.flush()
        try:
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
                return file.tell()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}).") from None

    def cut(self, length, step):
        """Forget what was written beyond `length` bytes, and in TensorBoard of steps after `step`: a resumed run does those again."""
        self.forgotten = step + 1
        if self.path.exists() and self.path.stat().st_size > length:
            os.truncate(self.path, length)


def figure_class():
    """Matplotlib's Figure. Raises InputError if it is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError('--plot needs another package: pip install -e ".[plot]"') from None
    return Figure


def plot(folder):
    """Draw the loss and the scores of log.jsonl over the steps, to plot.png. Raises InputError if Matplotlib is not installed."""
    Figure = figure_class()
    lines = [json.loads(line) for line in (Path(folder) / RUN_FILE).read_text("utf-8").splitlines()]
    steps, scored = (
        [line for line in lines if "loss" in line],
        [line for line in lines if "eval_seconds" in line],
    )
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    loss = figure.add_subplot(xlabel="optimiser steps", ylabel="training loss")
    loss.plot(
        [line["step"] for line in steps],
        [line["loss"] for line in steps],
        color="tab:gray",
        label="loss",
        marker="." if len(steps) < 20 else None,
    )  # a line of one point shows nothing
    loss.set_ylim(bottom=0)
    score = loss.twinx()
    score.set(ylabel="score, %", ylim=(0, 100))
    names = [
        name
        for name in ("exact_match", "exact", "f1", "rouge_w")
        if any(name in line for line in scored)
    ]
    for name in names:
        score.plot(
            [line["step"] for line in scored],
            [line[name] for line in scored],
            marker="o",
            label=name,
        )
    figure.legend(loc="outside upper center", ncols=1 + len(names))
    figure.savefig(Path(folder) / "plot.png", dpi=120)
