"""`mrc COMMAND`, or `python -m mrc COMMAND`: every command, one module each in mrc/commands."""

import argparse
import importlib
import sys

from mrc.errors import InputError, command_line
from mrc.version import __version__
from mrc.wording import nearest

# What each command does, by its name; mrc.commands.NAME has its main(argv).
COMMANDS = {
    "train": "train a reader",
    "evaluate": "score a reader, or answers that any program has written",
    "ask": "ask a reader about a text, at a prompt or once",
    "predict": "let a reader answer a whole file of questions",
    "serve": "serve a reader as a web page and a JSON API",
    "inspect": "show what a data set holds, and the windows it makes",
    "export": "write a reader as ONNX, checked against PyTorch",
    "push": "upload a checkpoint to the Hugging Face hub",
    "sample": "write the built-in corpus as SQuAD JSON",
    "doctor": "show what mrc finds on this machine, and what is wrong with it",
}


def main(argv: list[str] | None = None) -> None:
    """Run the command that `argv` (by default the command line) names."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in COMMANDS:
        importlib.import_module(f"mrc.commands.{name}").main(rest)
    elif name in ("-h", "--help", "--help-all"):
        print_help()
    elif [name, *rest] == ["--version", "--verbose"]:
        importlib.import_module("mrc.commands.doctor").main([])
    elif name == "--version":
        print(f"mrc {__version__}")
    elif name == "--print-completion":
        from mrc.commands.completion import completion_script

        print(completion_script(" ".join(rest), COMMANDS))
    else:
        raise InputError(f"{name}: no such command; {suggestion(name)}")


def suggestion(name: str) -> str:
    """What to type in place of a command that does not exist."""
    is_telling = len(name) > 1
    begun = [command for command in COMMANDS if is_telling and command.startswith(name)]
    match = begun[0] if begun else nearest(name, COMMANDS)
    return f"did you mean {match}?" if match else f"choose one of {', '.join(COMMANDS)}."


def print_help() -> None:
    """Print what `mrc` alone prints: its commands."""
    # Only here: a command that runs needs no colors.
    from mrc.config.help import Formatter

    parser = argparse.ArgumentParser(
        usage="mrc COMMAND ...",
        description="Train, score and use extractive question-answering readers.",
        epilog="mrc COMMAND --help shows the flags of a command.",
        formatter_class=Formatter,
        add_help=False,
    )
    commands = parser.add_argument_group("commands")
    for name, what in COMMANDS.items():
        commands.add_argument(name, help=what)
    general = parser.add_argument_group("general")
    general.add_argument(
        "--version",
        action="store_true",
        help="print the version, and exit; --verbose is mrc doctor",
    )
    general.add_argument(
        "--print-completion",
        metavar="SHELL",
        help="print a script that completes commands and flags in bash or zsh, and exit",
    )
    parser.print_help()


def console_script() -> None:
    """The entry point of the installed command `mrc`."""
    with command_line("mrc"):
        main()


if __name__ == "__main__":
    console_script()
