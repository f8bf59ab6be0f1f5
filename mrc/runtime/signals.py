"""SIGINT and SIGTERM: the first asks a run to save and stop, the second ends it at once."""

import os
import signal
import time
from types import FrameType

from mrc.runtime.processes import is_under_torchrun

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Seconds. torchrun passes on a Ctrl-C that its processes have had from the terminal already.
ECHO = 1.0


class StopSignals:
    """Inside the block, note the first SIGINT or SIGTERM, and exit on the second.

    received: the signal's number, 0 until there is one.
    """

    def __init__(self) -> None:
        self.received = 0
        self.received_at = 0.0

    def __enter__(self) -> "StopSignals":
        self.before = {}
        try:
            for number in SIGNALS:
                self.before[number] = signal.signal(number, self._note)
        except ValueError:
            # Only the main thread may set handlers; in another one, nothing is noted.
            pass
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.received:
            self.received = number
            self.received_at = time.monotonic()
            return
        is_echo = is_under_torchrun() and time.monotonic() - self.received_at <= ECHO
        if not is_echo:
            os._exit(128 + number)
