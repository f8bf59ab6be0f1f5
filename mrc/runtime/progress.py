"""Progress of a long loop: a bar on a terminal, elsewhere a printed line now and then."""

import sys
import time
from types import TracebackType

from mrc.runtime.terminal import LastLine, is_terminal

# Seconds until the first printed line, and between one line and the next.
FIRST_LINE = 10.0
NEXT_LINE = 30.0


class ProgressReport:
    """Report how far a loop has come, without a word for what takes only seconds.

        with ProgressReport("evaluated", total=5509, unit="feature") as progress:
            for batch in batches:
                ...
                progress.update(len(batch))

    Where standard error is a terminal, this is a bar. Elsewhere, such as in a notebook or a batch
    job, it is a line on standard output now and then:
    "evaluated 1,024 of 5,509 features, 63 features/s".

    Args:
        done: what has happened to the units so far, such as "evaluated".
        total: number of units.
        unit: what is counted, in the singular.
        is_silent: say nothing, as in every process but the main one.
    """

    def __init__(self, done: str, *, total: int, unit: str, is_silent: bool = False) -> None:
        has_bar = is_terminal(sys.stderr) and not is_silent
        self.done = done
        self.total = total
        self.unit = unit
        self.prints_lines = not has_bar and not is_silent
        self.count = 0
        self.started = time.perf_counter()
        self.line_due = self.started + FIRST_LINE
        self.bar = LastLine(total=total, desc=done, disable=not has_bar)

    def __enter__(self) -> "ProgressReport":
        self.bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.__exit__(kind, error, traceback)

    def update(self, count: int) -> None:
        """Count `count` more units as done, and report if a report is due."""
        self.count += count
        self.bar.update(count)
        now = time.perf_counter()
        if self.prints_lines and now >= self.line_due and self.count < self.total:
            self.line_due = now + NEXT_LINE
            rate = self.count / (now - self.started)
            print(
                f"{self.done} {self.count:,} of {self.total:,} {self.unit}s, "
                f"{rate:,.0f} {self.unit}s/s",
                flush=True,
            )
