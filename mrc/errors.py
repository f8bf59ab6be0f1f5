"""Errors: what a user is told, in one line, when something cannot go on."""

import os
import sys
from contextlib import contextmanager


def in_short(text):
    """A text, or what an error says, as one line that fits into a sentence."""
    return " ".join(str(text).split())[:200]


class InputError(ValueError):
    """What a user gave cannot be used. The message says what is wrong, where, and what to do about it."""


class Stopped(Exception):
    """A run was asked to stop, and has saved what it had. The message says where, and how to go on."""

    def __init__(self, signal, message):
        super().__init__(message)
        self.signal = signal


@contextmanager
def command_line(program):
    """Turn what ends a run within the block into one line on standard error.

    Exit status 2 for input that cannot be used and for logits that are not numbers, 1 for a device without enough memory,
    130 for an interruption from the keyboard, 143 for SIGTERM.
    """
    try:
        yield
    except (InputError, FloatingPointError) as error:
        message, status = f"error: {error}", 2
    except Stopped as stop:
        message, status = str(stop), 128 + stop.signal
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    except RuntimeError as error:
        if (
            type(error).__name__ != "OutOfMemoryError"
        ):  # PyTorch's, which is not imported for a command line that fails early
            raise
        message, status = (
            "error: the device has too little memory; use a smaller batch size or --max-length.",
            1,
        )
    except BrokenPipeError:  # the reader of a pipe, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    else:
        return
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(status)
