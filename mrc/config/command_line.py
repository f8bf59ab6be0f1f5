"""The command line: flags become a config, and `--help` describes them."""

import argparse
import sys
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any, get_args, get_type_hints

from mrc.config.flags import AnyConfig, Flag, declared_flags, option

# Scripts at the root of the repository, for those who read before they install.
SCRIPTS = ("train", "evaluate")

METAVARS = {int: "N", float: "X", str: "NAME"}


def parse_args(
    config_class: type[AnyConfig], argv: Sequence[str] | None = None, command: str = "COMMAND"
) -> AnyConfig:
    """Make a config from a command line.

    Args:
        config_class: the class, whose docstring describes the command.
        argv: the command line without the command; None reads `sys.argv`.
        command: name of the command in the usage line.

    Raises:
        InputError: a value is out of bounds, or two flags exclude each other.
    """
    parser = argparse.ArgumentParser(
        prog=program(command),
        usage=_usage(config_class, command),
        description=cleandoc(config_class.__doc__ or ""),
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        # What is not given is not in the result, so that Config.given tells it from a default.
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, Any] = {}
    types = get_type_hints(config_class)
    for setting, declared in declared_flags(config_class):
        if declared.group not in groups:
            groups[declared.group] = parser.add_argument_group(declared.group)
        kind = declared.kind or _kind(types[setting.name])
        _add_flag(groups[declared.group], setting.name, declared, kind)
    return config_class(**vars(parser.parse_args(argv)))


def program(command: str) -> str:
    """How to call a command: `python train.py` if the user ran that script, else `mrc train`."""
    started = Path(sys.argv[0]).name
    scripts = [f"{script}.py" for script in SCRIPTS]
    if started in scripts and command in SCRIPTS:
        return f"python {command}.py"
    return f"mrc {command}"


class _HelpFormatter(argparse.HelpFormatter):
    """Wraps each paragraph of a description by itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(part, width, indent) for part in text.split("\n\n"))


def _kind(annotation: Any) -> type:
    """The type of one value: int for `int | None`."""
    return (get_args(annotation) or (annotation,))[0]


def _usage(config_class: type, command: str) -> str:
    """The usage line: argparse's own would list every flag."""
    positionals = [
        s.name.upper() for s, declared in declared_flags(config_class) if declared.positional
    ]
    return " ".join([program(command), *positionals, "[--FLAG ...]"])


def _add_flag(group: Any, name: str, declared: Flag, kind: type) -> None:
    help = _help(declared)
    if declared.positional:
        group.add_argument(name, type=kind, metavar=name.upper(), help=help)
    elif kind is bool:
        action = argparse.BooleanOptionalAction if declared.default else "store_true"
        group.add_argument(option(name), action=action, help=help)
    else:
        group.add_argument(
            option(name),
            type=kind,
            nargs=declared.nargs,
            metavar=None if declared.choices else METAVARS[kind],
            choices=declared.choices,
            help=help,
        )


def _help(declared: Flag) -> str:
    text = declared.help.replace("%", "%%")
    if declared.positional or declared.default in (None, False):
        return text
    default = "yes" if declared.default is True else declared.default
    tiny = "" if declared.tiny is None else f"; {declared.tiny} with --model tiny"
    return f"{text} (default: {default}{tiny})"
