"""`mrc --print-completion SHELL`: a script that completes commands, flags, choices and files."""

import argparse
import importlib
from collections.abc import Mapping

from mrc.config.command_line import make_parser
from mrc.errors import InputError, import_optional

SHELLS = ("bash", "zsh")
# The settings of a command are named after it, but for these.
CONFIGS = {"train": "TrainCommand", "evaluate": "EvalConfig"}
# What is completed for a placeholder, under the name that shtab has for it.
PLACES = {
    "FILE": "FILE",
    "SOURCE": "FILE",
    "FOLDER": "DIRECTORY",
    "CHECKPOINT": "DIRECTORY",
    "OUT": "DIRECTORY",
}


def completion_script(shell: str, commands: Mapping[str, str]) -> str:
    """Return the script that a shell reads to complete `mrc`.

    Args:
        shell: "bash" or "zsh".
        commands: what each command does, by its name.

    Raises:
        InputError: for another shell, or without the package that writes the script.
    """
    if shell not in SHELLS:
        raise InputError(f"--print-completion {shell}: choose one of {', '.join(SHELLS)}.")
    shtab = import_optional("shtab", extra="completion", purpose="Shell completion")
    parser = argparse.ArgumentParser(prog="mrc", add_help=False)
    for name in ("--help", "--version"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--print-completion", choices=SHELLS)
    subparsers = parser.add_subparsers()
    for name, what in commands.items():
        flags = _parser_of(name)
        # argparse has no public list of its arguments; shtab reads this one too.
        for action in flags._actions:
            kind = PLACES.get(str(action.metavar))
            if kind:
                action.complete = getattr(shtab, kind)  # type: ignore[attr-defined]
        subparsers.add_parser(name, help=what, parents=[flags], add_help=False)
    return shtab.complete(parser, shell)


def _parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of a command, with all its flags."""
    module = importlib.import_module(f"mrc.commands.{command}")
    config_class = getattr(module, CONFIGS.get(command, f"{command.capitalize()}Config"))
    return make_parser(config_class, command)
