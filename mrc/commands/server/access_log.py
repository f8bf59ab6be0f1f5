"""The access log: one line of JSON for each request."""

import json
import sys
from datetime import datetime, timezone
from typing import TextIO

from mrc.commands.server.observer import Seen
from mrc.config.serve import ServeConfig
from mrc.errors import InputError
from mrc.files import STDIN

# A client may send a path of any length.
MAX_PATH_CHARS = 200


class AccessLog:
    """Write a line for each request, of what was asked only if it is to be.

    Args:
        stream: where to; each line is written at once.
        with_questions: also write the questions.
    """

    def __init__(self, stream: TextIO, with_questions: bool) -> None:
        self.stream = stream
        self.with_questions = with_questions

    def __call__(self, seen: Seen) -> None:
        """Write one line."""
        entry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "client": seen.client,
            "method": seen.method,
            "path": seen.path[:MAX_PATH_CHARS],
            "status": seen.status,
            "seconds": round(seen.seconds, 4),
            "bytes": seen.sent,
        }
        if self.with_questions and seen.questions:
            entry["questions"] = seen.questions
        print(json.dumps(entry), file=self.stream, flush=True)


def open_access_log(config: ServeConfig) -> AccessLog | None:
    """The log that the settings name, if any. Raises InputError if it cannot be written."""
    if config.access_log is None:
        return None
    if config.access_log == STDIN:
        return AccessLog(sys.stderr, config.log_questions)
    try:
        # Left open as long as the server runs; lines are added to those of earlier runs.
        stream = open(config.access_log, "a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise InputError(
            f"--access-log {config.access_log}: cannot be written ({error.strerror})."
        ) from None
    return AccessLog(stream, config.log_questions)
