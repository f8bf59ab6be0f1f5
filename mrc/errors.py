"""Errors: what the user is told, in one line, when the program cannot continue."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

MAX_LENGTH_IN_SHORT = 200


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message says what is wrong, where it is, and what to do about it.
    """


class Stopped(Exception):
    """A run was asked to stop and has saved its state.

    Args:
        signal: number of the signal that asked for it.
        message: says where the state was saved and how to resume.
    """

    def __init__(self, signal: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message. The line that a signal interrupts says nothing."""
        return [str(self)]


def in_short(text: object) -> str:
    """Turn a text or an error into one line of at most 200 characters, to quote in a message.

    What is too long ends with a sentence, if one ends in that space.
    """
    line = " ".join(str(text).split())
    if len(line) <= MAX_LENGTH_IN_SHORT:
        return line
    start = line[:MAX_LENGTH_IN_SHORT]
    end = start.rfind(". ") + 1
    return start[:end] or start


def expect(value: object, kind: type | tuple[type, ...], name: str, hint: str) -> None:
    """Raise InputError if an argument is of another type than it must be.

    Args:
        value: the argument.
        kind: what it must be an instance of.
        name: whose argument it is, and its name: "Metrics: dataset".
        hint: what to give instead, to follow "give".
    """
    if isinstance(value, kind):
        return
    given = "None" if value is None else f"of type {type(value).__name__}"
    raise InputError(f"{name} is {given}; give {hint}.")


def import_optional(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module of an optional package.

    Args:
        module: name to import, possibly dotted, such as `onnxruntime.quantization`.
        extra: the extra of `mrc-reader` that installs the package.
        purpose: what needs it, as the beginning of a sentence: "Reading Parquet files".

    Raises:
        InputError: if the package, or one that it imports itself, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        # An installed package may fail to import because of another one: name that one.
        missing = (error.name or module).partition(".")[0]
        reason = "" if isinstance(error, ModuleNotFoundError) else f" ({in_short(error)})"
        raise InputError(
            f"{purpose} needs the package {missing}{reason}: {how_to_install(extra)}."
        ) from error


def how_to_install(extra: str) -> str:
    """The command that installs an extra of `mrc-reader`."""
    return f'pip install "mrc-reader[{extra}]", or in a checkout pip install -e ".[{extra}]"'


@contextmanager
def command_line(program: str) -> Iterator[None]:
    """Report errors that end the block as one line on standard error, then exit.

    The exit status is 2 for unusable input and for logits that are not finite, 1 if the device
    runs out of memory, 130 for an interrupt from the keyboard, and 143 for SIGTERM.
    """
    try:
        yield
    except (InputError, FloatingPointError) as error:
        _exit(program, f"error: {error}", 2)
    except Stopped as stop:
        _exit(program, str(stop), 128 + stop.signal)
    except KeyboardInterrupt:
        _exit(program, "interrupted", 130)
    except RuntimeError as error:
        # PyTorch's error, told by its name: a command that fails early never imports torch.
        if type(error).__name__ != "OutOfMemoryError":
            raise
        advice = "use a smaller batch size or --max-length"
        _exit(program, f"error: the device has too little memory; {advice}.", 1)
    except BrokenPipeError:
        # The reader of our output, such as head, has closed the pipe. Python would complain
        # once more when it flushes standard output at exit.
        discard_output()
        sys.exit(1)


def discard_output() -> None:
    """From here on, throw away what is printed: nobody reads standard output any more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _exit(program: str, message: str, status: int) -> None:
    """Print the last line of a program and end it."""
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(status)
