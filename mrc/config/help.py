"""What `--help` looks like: groups of flags, in color on a terminal, as wide as the terminal."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rich_argparse import RichHelpFormatter

from mrc.config.setting import Setting


class Formatter(RichHelpFormatter):
    """Groups with a capital, paragraphs wrapped one by one, and text as it is written.

    Without a terminal, and with NO_COLOR set, the text is plain.
    """

    group_name_formatter = str.capitalize
    # Square brackets in a description are those of a slice, such as train[:20%].
    help_markup = False
    text_markup = False
    styles: ClassVar = {
        **RichHelpFormatter.styles,
        "argparse.groups": "bold",
        "argparse.args": "cyan",
        "argparse.metavar": "green",
    }

    def __init__(self, prog: str) -> None:
        """A flag of more than 30 characters has a line of its own."""
        super().__init__(prog, max_help_position=32)

    def add_text(self, text: Any) -> None:
        """Add a description, each of its paragraphs by itself."""
        paragraphs = text.split("\n\n") if isinstance(text, str) else [text]
        for paragraph in paragraphs:
            super().add_text(paragraph)


def usage(settings: Mapping[str, Setting], program: str) -> str:
    """How to call a command: argparse's own usage would list every flag."""
    positionals = [setting.shown for setting in settings.values() if setting.positional]
    return " ".join([program, *positionals, "[--FLAG ...]"])


def describe(setting: Setting) -> str:
    """What --help says of a setting, with its default, for argparse."""
    text = setting.help.replace("%", "%%")
    # Choices stand in place of the metavar, but for those that would fill a line.
    if setting.choices and setting.metavar:
        text += f"; one of {', '.join(setting.choices)}"
    if setting.positional or setting.default in (None, False, ""):
        return text
    default = "yes" if setting.default is True else setting.default
    tiny = "" if setting.tiny is None else f"; {setting.tiny} with --model tiny"
    return f"{text} (default: {default}{tiny})"
