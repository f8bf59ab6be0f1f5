"""The log of a run: log.jsonl, TensorBoard, and a plot."""

import json
import os
from pathlib import Path
from typing import Any

from mrc.checkpoint.store import RUN_FILE
from mrc.errors import InputError, import_optional

# What a plot shows of a scoring, if the scorer has it.
PLOTTED_SCORES = ("exact_match", "exact", "f1", "rouge_w")


class RunLog:
    """log.jsonl: one object a line, with "kind": "train" for a log step, "eval" for a scoring.

    folder: the run's. tensorboard: write the numbers in TensorBoard's form too, beside it.

    Raises InputError if it cannot be written, or TensorBoard is not installed.
    """

    def __init__(self, folder: str | Path, *, tensorboard: bool = False) -> None:
        self.path = Path(folder) / RUN_FILE
        self.make_board: Any = None
        self.board: Any = None
        # The first step that TensorBoard must forget, in a resumed run.
        self.purge_step: int | None = None
        if tensorboard:
            import_optional("tensorboard", extra="tensorboard", purpose="--tensorboard")
            from torch.utils.tensorboard import SummaryWriter

            self.make_board = SummaryWriter

    def write(self, line: dict[str, Any]) -> None:
        """Append one object, flushed to the operating system."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise self._cannot_be_written(error) from None
        if self.make_board is None:
            return
        # Made with the first line, so that a run that does not start leaves no file.
        if self.board is None:
            self.board = self.make_board(self.path.parent, purge_step=self.purge_step)
        for name, value in line.items():
            if name != "step" and isinstance(value, (int, float)):
                self.board.add_scalar(f"{line['kind']}/{name}", value, line["step"])

    def sync(self) -> int:
        """Wait until all is on the disk; return the length of log.jsonl in bytes."""
        if self.board is not None:
            self.board.flush()
        try:
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
                return file.tell()
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def cut(self, length: int, step: int) -> bool:
        """Forget what was written after so many bytes and steps: a resumed run repeats it.

        Returns whether all that was written before is there. What is left of a line is removed.
        """
        self.purge_step = step + 1
        self.path.touch()
        content = self.path.read_bytes()
        is_whole = len(content) >= length
        whole_lines = content[:length].rpartition(b"\n")[0]
        os.truncate(self.path, len(whole_lines) + bool(whole_lines))
        return is_whole

    def _cannot_be_written(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be written ({error.strerror}).")


def figure_class() -> Any:
    """Return Matplotlib's Figure. Raises InputError if it is not installed."""
    return import_optional("matplotlib.figure", extra="plot", purpose="--plot").Figure


def plot(folder: str | Path) -> None:
    """Draw the losses and the scores of log.jsonl over the steps, to plot.png.

    Raises InputError if Matplotlib is not installed.
    """
    text = (Path(folder) / RUN_FILE).read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    trained = [line for line in lines if line["kind"] == "train"]
    scored = [line for line in lines if line["kind"] == "eval"]

    figure = figure_class()(figsize=(8, 4.5), layout="constrained")
    losses = figure.add_subplot(xlabel="optimizer step", ylabel="loss")
    # A line of one point shows nothing.
    marker = "." if len(trained) < 20 else None
    _draw(losses, trained, "loss", label="training loss", color="tab:gray", marker=marker)
    _draw(losses, scored, "eval_loss", label="validation loss", color="black", marker="o")
    losses.set_ylim(bottom=0)
    scores = losses.twinx()
    scores.set(ylabel="score, %", ylim=(0, 100))
    names = [name for name in PLOTTED_SCORES if any(name in line for line in scored)]
    for name in names:
        _draw(scores, scored, name, label=name, marker="o")
    figure.legend(loc="outside upper center", ncols=2 + len(names))
    figure.savefig(Path(folder) / "plot.png", dpi=120)


def _draw(axes: Any, lines: list[dict[str, Any]], name: str, **style: Any) -> None:
    """Draw one value of the log over the steps, where there is one."""
    points = [(line["step"], line[name]) for line in lines if line.get(name) is not None]
    if points:
        steps, values = zip(*points, strict=True)
        axes.plot(steps, values, **style)
