"""What to write in place of a flag or a value that a command does not know."""

from collections.abc import Mapping, Sequence

from mrc.config.other_names import answer, our_name
from mrc.config.setting import Setting, option
from mrc.errors import in_short
from mrc.wording import nearest

# What a value without a flag most likely is: of these settings, the first that the command has.
MAIN_SETTINGS = ("train_file", "checkpoint")


def unknown_flags(
    names: Sequence[str], argv: Sequence[str], settings: Mapping[str, Setting], program: str
) -> str:
    """The message for flags that are not known: one line each, with what to write instead.

    Args:
        names: of the flags.
        argv: the command line that they are on.
        settings: what the command knows, by name.
        program: how the command is called.
    """
    lines = []
    for name in dict.fromkeys(names):
        known = _by_position(name, argv, settings, program) or answer(name, settings)
        lines.append(f"{name}: {known or 'no such flag; ' + _advice(name, settings)}")
    if len(lines) == 1:
        return lines[0] + ("" if lines[0].endswith("?") else ".")
    return f"{len(lines)} flags are not known here.\n  " + "\n  ".join(lines)


def unexpected_value(value: str, argv: Sequence[str], settings: Mapping[str, Setting]) -> str:
    """The message for a value without a flag before it."""
    before = argv[argv.index(value) - 1] if argv.index(value) else ""
    setting = settings.get(before.removeprefix("--").replace("-", "_"))
    if setting and setting.kind is bool:
        return f"{before} {value}: {before} takes no value; remove {value}."
    flags = {word.partition("=")[0] for word in argv}
    advice = "see --help"
    main = [name for name in MAIN_SETTINGS if name in settings and not settings[name].positional]
    if main and option(main[0]) not in flags:
        advice = f"write {option(main[0])} {in_short(value)}"
    return f"{in_short(value)}: a value stands behind its flag; {advice}."


def _by_position(
    name: str, argv: Sequence[str], settings: Mapping[str, Setting], program: str
) -> str | None:
    """What to write for a setting that is given without a flag; None for all others."""
    own = name.lstrip("-").replace("-", "_")
    ours = own if own in settings else our_name(name, settings)
    if not ours or not settings[ours].positional:
        return None
    values = {other: one.shown for other, one in settings.items() if one.positional}
    values[ours] = _value_of(name, argv) or values[ours]
    return f"give it without the flag: {' '.join([program, *values.values()])}"


def _value_of(name: str, argv: Sequence[str]) -> str:
    """The value of a flag on a command line, or ""."""
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        flag, equals, value = word.partition("=")
        if flag == name:
            following = "" if following.startswith("-") else following
            return in_short(value if equals else following)
    return ""


def _advice(name: str, settings: Mapping[str, Setting]) -> str:
    """What to do about an unknown flag: a question with the one that may be meant."""
    flags = [*(option(setting) for setting in settings), "--config", "--print-config", "--help"]
    typed = "--" + name.lstrip("-").replace("_", "-").lower()
    match = nearest(typed, flags)
    # "rate" is spelled like no flag, but it is a part of --learning-rate.
    is_telling = len(typed) > len("--xx")
    if match is None and is_telling:
        match = next((flag for flag in flags if typed[2:] in flag), None)
    return f"did you mean {match}?" if match else "--help-all lists all flags"
