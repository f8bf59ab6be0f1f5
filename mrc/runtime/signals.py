"""SIGINT and SIGTERM: the first asks a run to save and stop, the second ends it at once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import ClassVar

from mrc.runtime.torchrun import is_under_torchrun, torchrun_place

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds. torchrun passes on a Ctrl-C that its processes have had from the terminal already.
ECHO = 1.0


class StopSignals:
    """Inside the block, note the first SIGINT or SIGTERM; the second has its usual effect.

    In a notebook, that is a KeyboardInterrupt, and the kernel goes on. The process ends instead
    inside `second_signal_exits`. Outside the main thread nothing is noted, for Python gives
    signals to the main thread alone.

    received: the signal's number, 0 until there is one.
    """

    process_exits: ClassVar[bool] = False

    def __init__(self) -> None:
        self.received = 0
        self.received_at = 0.0

    def __enter__(self) -> "StopSignals":
        self.before = {}
        try:
            for number in SIGNALS:
                self.before[number] = signal.signal(number, self._note)
        except ValueError:
            # Only the main thread may set handlers.
            pass
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.before.items():
            # None stands for a handler that was not set from Python and cannot be.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = number
            self.received_at = time.monotonic()
            _say("stopping after this step, to save all; a second signal or Ctrl-C stops at once")
            return
        if is_under_torchrun() and time.monotonic() - self.received_at <= ECHO:
            return
        _say("stopped at once: steps since the last checkpoint are lost")
        if self.process_exits:
            # At once: neither a wait for other processes nor for threads of a library.
            os._exit(128 + number)
        self.__exit__()
        signal.raise_signal(number)


@contextmanager
def second_signal_exits() -> Iterator[None]:
    """Inside the block, the second signal ends the process: a command's, not a notebook's."""
    before = StopSignals.process_exits
    StopSignals.process_exits = True
    try:
        yield
    finally:
        StopSignals.process_exits = before


def _say(text: str) -> None:
    """Print a line from a signal handler."""
    rank, _, _ = torchrun_place()
    if rank:
        return
    # Raised if the signal came while a line was being written.
    with suppress(RuntimeError):
        print(text, file=sys.stderr, flush=True)
