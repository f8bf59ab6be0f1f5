"""Flags: a dataclass field declared once is a setting in Python and a flag on the command line."""

import argparse
import math
import operator
from dataclasses import asdict, field, fields
from inspect import cleandoc
from typing import get_args, get_type_hints

from mrc.errors import InputError


def flag(
    default,
    help,
    *,
    group,
    tiny=None,
    choices=None,
    nargs=None,
    kind=None,
    positional=False,
    at_least=None,
    above=None,
    below=None,
):
    """Declare a setting. `tiny` is its default with `--model tiny`; the bounds are checked when a config is made.

    A positional setting is given without its name, and must be. kind: the type of what the command
    line gives, where the field's own annotation does not say it.
    """
    metadata = {
        "default": default,
        "help": help,
        "group": group,
        "tiny": tiny,
        "choices": choices,
        "nargs": nargs,
        "kind": kind,
        "positional": positional,
        "bounds": (
            ("at least", at_least, operator.ge),
            ("above", above, operator.gt),
            ("below", below, operator.lt),
        ),
    }
    # With two defaults, a setting is None until `__post_init__` knows the model.
    return field(default=default if tiny is None else None, metadata=metadata)


class Config:
    """What the two configs share: defaults that depend on the model, and bounds."""

    given = {}  # what the command line gave, where there was one

    def __post_init__(self):
        for setting in fields(self):
            meta = setting.metadata
            if getattr(self, setting.name) is None:
                is_tiny = meta["tiny"] is not None and getattr(self, "model", None) == "tiny"
                setattr(self, setting.name, meta["tiny"] if is_tiny else meta["default"])
            if getattr(self, setting.name) is not None:
                _check(setting.name, getattr(self, setting.name), meta)

    def check_given(self):
        """Raise InputError for flags that the command line gave and that do not go together; for subclasses."""

    def to_dict(self):
        return asdict(self)


def _check(name, value, meta):
    option = name.upper() if meta["positional"] else "--" + name.replace("_", "-")
    if meta["choices"] and value not in meta["choices"]:
        raise InputError(f"{option} {value}: choose one of {', '.join(meta['choices'])}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{option} {value}: must be a finite number.")
    for words, bound, holds in meta["bounds"]:
        if bound is not None and not holds(value, bound):
            raise InputError(f"{option} {value}: must be {words} {bound}.")


def parse_args(config_class, argv=None, program=None):
    """Make a config from a command line (`sys.argv` by default); `program` is how --help calls it.

    Raises InputError for a value out of bounds.
    """
    # transformers.HfArgumentParser makes a parser too, but prints each flag twice and knows no groups and no bounds.
    parser = argparse.ArgumentParser(
        program,
        description=cleandoc(config_class.__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    groups, types = {}, get_type_hints(config_class)
    for setting in fields(config_class):
        meta = setting.metadata
        if meta["group"] not in groups:
            groups[meta["group"]] = parser.add_argument_group(meta["group"])
        # `int | None` is read as int
        declared = types[setting.name]
        kind = meta["kind"] or (get_args(declared) or [declared])[0]
        option, help = "--" + setting.name.replace("_", "-"), _help(meta)
        if meta["positional"]:
            groups[meta["group"]].add_argument(
                setting.name, type=kind, metavar=setting.name.upper(), help=help
            )
        elif kind is bool:
            groups[meta["group"]].add_argument(option, action="store_true", help=help)
        else:
            metavar = None if meta["choices"] else {int: "N", float: "X", str: "NAME"}[kind]
            groups[meta["group"]].add_argument(
                option,
                type=kind,
                nargs=meta["nargs"],
                metavar=metavar,
                choices=meta["choices"],
                help=help,
            )
    settings = vars(parser.parse_args(argv))
    config = config_class(**settings)
    config.given = {
        name: value for name, value in settings.items() if value is not None and value is not False
    }
    config.check_given()
    return config


def _help(meta):
    text = meta["help"].replace("%", "%%")
    if meta["default"] in (None, False):
        return text
    tiny = f"; {meta['tiny']} with --model tiny" if meta["tiny"] is not None else ""
    return f"{text} (default: {meta['default']}{tiny})"
