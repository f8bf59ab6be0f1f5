"""SIGINT and SIGTERM: asked once, a run finishes its step and saves; asked twice, it leaves at once."""

import os
import signal
import time

from mrc.runtime.processes import is_under_torchrun

SIGNALS = (signal.SIGINT, signal.SIGTERM)


ECHO = 1.0  # seconds; torchrun passes on a Ctrl-C that its processes have had from the terminal already


class StopSignals:
    """Within the block, note the first SIGINT or SIGTERM in `received` (0 until then) and leave on the second."""

    def __init__(self):
        self.received, self.at = 0, 0.0

    def __enter__(self):
        try:
            self.before = {number: signal.signal(number, self._note) for number in SIGNALS}
        except ValueError:  # not the main thread, which alone may set handlers
            self.before = {}
        return self

    def __exit__(self, *exception):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        if not self.received:
            self.received, self.at = number, time.monotonic()
        elif not is_under_torchrun() or time.monotonic() - self.at > ECHO:
            os._exit(128 + number)
