"""The command line: flags, over a config file, become a config."""

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

from mrc.config.config_file import ConfigFile, read_config_file
from mrc.config.flags import AnyConfig, Config, settings_of
from mrc.config.help import Formatter, describe, usage
from mrc.config.refusals import unexpected_value, unknown_flags
from mrc.config.setting import Setting, option
from mrc.config.yaml_file import as_yaml
from mrc.errors import InputError, in_short

# Scripts at the root of the repository, for those who read before they install.
SCRIPTS = ("train", "evaluate")


def parse_args(
    config_class: type[AnyConfig], argv: Sequence[str] | None = None, command: str = "COMMAND"
) -> AnyConfig:
    """Make a config from a command line.

    Args:
        config_class: the class, whose docstring describes the command.
        argv: the command line without the command; None reads `sys.argv`.
        command: name of the command in the usage line.

    Raises:
        InputError: a flag is not known, a value is of another type or not allowed, or two flags
            exclude each other.
        SystemExit: with status 0, after --help, --help-all or --print-config.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    settings = settings_of(config_class)
    for name, with_rare in (("-h", False), ("--help", False), ("--help-all", True)):
        if name in argv:
            make_parser(config_class, command, with_rare=with_rare).print_help()
            sys.exit(0)
    given = _read_flags(make_parser(config_class, command), argv, settings)
    path, is_printed = given.pop("config", None), given.pop("print_config", False)
    file = read_config_file(path, settings) if path else ConfigFile("", {}, is_record=False)
    _check_positionals(settings, {*given, *file.settings}, command)
    config = config_class.merged(file, given)
    if is_printed:
        print(as_yaml(settings, config.to_dict(), _names_to_print(config, file)), end="")
        sys.exit(0)
    return config


def _check_positionals(settings: dict[str, Setting], given: set[str], command: str) -> None:
    """Raise InputError if a setting is missing that is given by position and required."""
    for name, setting in settings.items():
        if setting.positional and name not in given:
            raise InputError(
                f"{setting.shown} is missing: {setting.help}.\n"
                f"usage: {usage(settings, program(command))}"
            )


def _names_to_print(config: Config, file: ConfigFile) -> set[str]:
    """The settings that make a config what it is; all others have their defaults."""
    if not file.is_record:
        return set(config.given)
    # A record has all settings, which would exclude each other if all were given.
    usual = type(config).from_dict({"model": getattr(config, "model", None)}).to_dict()
    values = {name: value for name, value in config.to_dict().items() if value is not None}
    differing = {name for name, value in values.items() if value != usual[name]}
    # All defaults of the others depend on it.
    return differing | {"model"} | config.given.keys()


def program(command: str) -> str:
    """How to call a command: `python train.py` if the user ran that script, else `mrc train`."""
    started = Path(sys.argv[0]).name
    scripts = [f"{script}.py" for script in SCRIPTS]
    if started in scripts and command in SCRIPTS:
        return f"python {command}.py"
    return f"mrc {command}"


def make_parser(
    config_class: type, command: str, *, with_rare: bool = True
) -> argparse.ArgumentParser:
    """Make the parser of a command.

    Args:
        config_class: its settings.
        command: its name.
        with_rare: whether --help lists the flags that few people need.
    """
    settings = settings_of(config_class)
    rare = sum(setting.rare for setting in settings.values())
    more = f"{rare} more flags: {program(command)} --help-all" if rare else ""
    parser = argparse.ArgumentParser(
        prog=program(command),
        usage=usage(settings, program(command)),
        description=cleandoc(config_class.__doc__ or ""),
        epilog=None if with_rare else more,
        formatter_class=Formatter,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
        # What is not given is not in the result, so that Config.given tells it from a default.
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, Any] = {}
    for setting in settings.values():
        if setting.group not in groups:
            groups[setting.group] = parser.add_argument_group(setting.group)
        help = argparse.SUPPRESS if setting.rare and not with_rare else describe(setting)
        _add_flag(groups[setting.group], setting, help)
    _add_general_flags(parser)
    return parser


def _add_general_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command has."""
    group = parser.add_argument_group("general")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="read settings from a YAML, TOML or JSON file, such as the config.json of a run; "
        "flags take precedence",
    )
    group.add_argument(
        "--print-config",
        action="store_true",
        help="print the settings as a file for --config, and exit",
    )
    group.add_argument("-h", "--help", action="store_true", help="show the usual flags, and exit")
    group.add_argument("--help-all", action="store_true", help="show all flags, and exit")


def _add_flag(group: Any, setting: Setting, help: str) -> None:
    if setting.positional:
        # A config file may give it: whether it is missing is known later.
        group.add_argument(setting.name, nargs="?", metavar=setting.placeholder, help=help)
    elif setting.kind is bool:
        action = argparse.BooleanOptionalAction if setting.default else "store_true"
        group.add_argument(option(setting.name), action=action, help=help)
    else:
        group.add_argument(
            option(setting.name),
            type=_reader(setting),
            action="extend" if setting.nargs == "+" else "store",
            nargs=setting.nargs,
            metavar=setting.metavar if setting.choices else setting.placeholder,
            choices=setting.choices,
            help=help,
        )


def _reader(setting: Setting) -> Callable[[str], Any]:
    """What turns the text of one value into its type; argparse puts the flag's name before it."""

    def read(text: str) -> Any:
        try:
            value = setting.typed_one(text)
            problem = setting.problem(value)
        except ValueError as error:
            problem = str(error)
        if problem:
            raise argparse.ArgumentTypeError(f"{in_short(text)}: {problem}.")
        return value

    return read


def _read_flags(
    parser: argparse.ArgumentParser, argv: list[str], settings: dict[str, Setting]
) -> dict[str, Any]:
    """The settings that a command line gives, by name.

    Raises:
        InputError: for flags that are not known, and values that are missing, too many or wrong.
    """
    argv = [_with_hyphens(word, settings) for word in argv]
    try:
        given, rest = parser.parse_known_intermixed_args(argv)
    except argparse.ArgumentError as error:
        raise InputError(_in_words(error)) from None
    unknown = [word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"]
    if unknown:
        raise InputError(unknown_flags(unknown, argv, settings, parser.prog))
    if rest:
        raise InputError(unexpected_value(rest[0], argv, settings))
    return vars(given)


def _with_hyphens(word: str, settings: Collection[str]) -> str:
    """A flag of ours that was written with underscores, as Hugging Face does, with hyphens."""
    name, equals, value = word.partition("=")
    is_ours = name.startswith("--") and name[2:].replace("-", "_") in settings
    return name.replace("_", "-") + equals + value if is_ours else word


def _in_words(error: argparse.ArgumentError) -> str:
    """What argparse refuses, in our words."""
    if error.message.startswith("expected"):
        return (
            f"{error.argument_name}: needs a value; if the value begins with a hyphen, write "
            f"{error.argument_name}=VALUE."
        )
    if error.message.startswith("ignored explicit"):
        return f"{error.argument_name}: takes no value."
    return f"{error.argument_name} {error.message}"
