"""The last line of a terminal: a progress bar, or what is being done; lines printed go above it."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any

from tqdm import tqdm
from tqdm.utils import disp_trim

from mrc.runtime.torchrun import torchrun_place

# A bar no wider than this survives most changes of the terminal's width.
MAX_WIDTH = 80
# Columns that are left free, for the ^C that a terminal shows where the cursor is.
MARGIN = 3
# Without a known width, as in a terminal that says it has 0 columns.
USUAL_WIDTH = 80
# Seconds between two drawings of a bar.
REDRAW = 0.25
# Seconds for a line to reach the terminal another way, as with `| tee`, before the bar comes back.
DETOUR = 0.25
ERASE_TO_END_OF_LINE = "\x1b[K"

# What a command does first, once its flags are known to be right.
IMPORTING = "importing torch and transformers"

BAR_FORMAT = (
    "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, {remaining} left{postfix}]"
)


def is_terminal(stream: Any) -> bool:
    """Whether a stream can show a bar: a terminal that is not "dumb", and not that of a CI job."""
    if stream is None or not stream.isatty():
        return False
    is_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return not is_ci and os.environ.get("TERM") != "dumb"


@contextmanager
def phase(what: str, *, in_logs: bool = True) -> Iterator[None]:
    """Say what the block is doing, such as "reading the data": a word for what takes seconds.

    Where standard error is a terminal, it stands there until the block ends. Elsewhere it is a
    line on standard output.

    Args:
        what: what is done in the block.
        in_logs: False where standard output is for results alone: then it is no line.
    """
    rank, _, _ = torchrun_place()
    if rank:
        yield
    elif is_terminal(sys.stderr):
        with LastLine(total=None, desc=what, bar_format="{desc} ..."):
            yield
    else:
        if in_logs:
            print(f"{what} ...", flush=True)
        yield


class LastLine(tqdm):
    """A bar of tqdm's on the last line of the terminal, for as long as the block lasts.

    Whatever is printed in the block appears above it: the bar is erased first, and drawn again at
    its next update. The arguments are those of tqdm.
    """

    # No thread draws a bar that was not updated: it could come between a line and its end.
    monitor_interval = 0

    def __init__(self, *, bar_format: str = BAR_FORMAT, **settings: Any) -> None:
        # A bar inside another writes to the terminal itself, not through the outer bar's Lines.
        stream = sys.stderr
        while isinstance(stream, Lines):
            stream = stream.stream
        # Whether something was printed that does not end its line, such as a prompt.
        self.line_is_open = False
        self.redirections = ExitStack()
        self.hidden_until = 0.0
        if settings["total"] is not None:
            self.let_pass(sys.stdout)
        super().__init__(
            **settings,
            bar_format=bar_format,
            file=stream,
            position=0,
            leave=False,
            dynamic_ncols=True,
            miniters=1,
            mininterval=REDRAW,
        )

    def __enter__(self) -> "LastLine":
        if not self.disable:
            self.redirections.enter_context(redirect_stdout(Lines(sys.stdout, self)))
            self.redirections.enter_context(redirect_stderr(Lines(sys.stderr, self)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.redirections.close()
        self.close()

    def make_way(self, text: str) -> None:
        """Free the last line for a text that is about to be printed."""
        if not self.line_is_open:
            self.clear()
        self.line_is_open = not text.endswith("\n")

    def let_pass(self, stream: Any) -> None:
        """Stay away until what was printed to a stream has come to the terminal."""
        if stream is None:
            return
        stream.flush()
        if not is_terminal(stream):
            self.hidden_until = time.monotonic() + DETOUR

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the bar, or `msg` in its place, unless a printed line needs the place."""
        is_hidden = time.monotonic() < self.hidden_until
        if self.line_is_open or (msg is None and is_hidden):
            return
        super().display(msg, pos)

    @property
    def format_dict(self) -> dict[str, Any]:
        """What the bar shows. Its width is read anew each time, for the terminal may change it."""
        values = super().format_dict
        columns = values["ncols"] or USUAL_WIDTH
        return {**values, "ncols": max(min(columns, MAX_WIDTH) - MARGIN, 1)}

    def __str__(self) -> str:
        return disp_trim(super().__str__(), self.format_dict["ncols"])

    @staticmethod
    def status_printer(file: Any) -> Any:
        """Return what draws a text. tqdm pads with spaces, which wrap in a narrowed terminal."""

        def draw(text: str) -> None:
            file.write(f"\r{text}{ERASE_TO_END_OF_LINE}")
            file.flush()

        return draw


class Lines:
    """A stream whose text appears above a LastLine; in all else it is the stream itself."""

    def __init__(self, stream: Any, last_line: LastLine) -> None:
        self.stream = stream
        self.last_line = last_line

    def write(self, text: str) -> int:
        """Print a text."""
        self.last_line.make_way(text)
        written = self.stream.write(text)
        self.last_line.let_pass(self.stream)
        return written

    def writelines(self, lines: Any) -> None:
        """Print several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
