"""The prompt of `mrc ask`: texts and questions, typed line by line."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mrc.commands.shown import show, shows_bold
from mrc.commands.texts import Text, file_text, find_answers
from mrc.errors import InputError
from mrc.files import STDIN
from mrc.wording import counted, printable

if TYPE_CHECKING:
    from mrc.reader.reader import AskSettings, Reader

WITHOUT_TEXT = """Paste the text to ask about and end it with an empty line, or:
:load FILE ...  read a text, or several, from files
:paste          paste a text that has empty lines; a line with a single dot ends it
:help           show this
:quit           quit (or press Ctrl-D)"""
WITH_TEXT = """Type a question, or:
:load FILE ...  read a text, or several, in place of {what}
:add FILE ...   read more texts; answers are then the best of all
:paste          paste a text in place of {what}; a line with a single dot ends it
:show           show {what}
:top N          show N answers, now {top_k}
:help           show this
:quit           quit (or press Ctrl-D)"""
PASTED = "pasted text"


class Prompt:
    """A conversation about some texts.

    Ctrl-C cancels what is being typed, pasted or answered. Twice on an empty line it leaves, as
    Ctrl-D does.

    Args:
        reader: what answers.
        settings: how it is asked.
        texts: what it is asked about; may be empty.
    """

    def __init__(self, reader: "Reader", settings: "AskSettings", texts: Sequence[Text]) -> None:
        self.reader = reader
        self.settings = settings
        self.texts = list(texts)
        self.is_typed = sys.stdin.isatty()
        self.readline = _line_editing() if self.is_typed else None

    def run(self) -> None:
        """Read commands and questions until the end of input."""
        print(self.help() if not self.texts else self.count())
        while True:
            line = self.next_line()
            if line is None or line.strip() in (":quit", ":q"):
                return
            self.remember(line)
            try:
                self.do(line.strip())
            except InputError as error:
                print(f"error: {error}")
            except KeyboardInterrupt:
                if not self.is_typed:
                    raise
                print("\ncancelled")

    def next_line(self) -> str | None:
        """The next line that is not cancelled; None at the end of input."""
        has_warned = False
        while True:
            try:
                return self.read("question> " if self.texts else "text> ")
            except KeyboardInterrupt:
                if not self.is_typed:
                    raise
                print()
                if self.readline and self.readline.get_line_buffer().strip():
                    # The line is cancelled.
                    has_warned = False
                    continue
                if has_warned:
                    return None
                has_warned = True
                print("Press Ctrl-C again, or Ctrl-D, to quit.")

    def do(self, line: str) -> None:
        """Do what one line says. Raises InputError for a command that cannot be done."""
        command, _, rest = line.partition(" ")
        if not command:
            return
        if line.lower() in ("quit", "exit"):
            print(":quit leaves, or Ctrl-D.")
        elif not command.startswith(":"):
            self.take(line)
        elif command in (":load", ":add"):
            loaded = [file_text(name) for name in _file_names(command, rest)]
            self.texts = loaded if command == ":load" else [*self.texts, *loaded]
            print(self.count())
        elif command == ":paste":
            self.paste([], end=".")
        elif command == ":show":
            print(self.show())
        elif command == ":top":
            self.settings = replace(self.settings, top_k=_number(command, rest))
        elif command == ":help":
            print(self.help())
        else:
            raise InputError(f"{command}: no such command.\n{self.help()}")

    def take(self, line: str) -> None:
        """Answer a question; if there is no text yet, the line is the first of one."""
        if not self.texts:
            self.paste([line], end="")
            return
        answers = find_answers(self.reader, self.settings, line, self.texts)
        print(show(self.texts, answers, bold=shows_bold()))

    def paste(self, lines: list[str], end: str) -> None:
        """Read lines up to the one that is `end`, as one text that begins with `lines`."""
        line = self.read("")
        while line is not None and line.strip() != end:
            lines.append(line)
            line = self.read("")
        content = "\n".join(lines)
        if not content.strip():
            raise InputError("the text is empty.")
        self.texts = [Text(PASTED, content)]
        print(self.count())

    def show(self) -> str:
        """The texts, each under its name if there are several."""
        if not self.texts:
            return "(no text yet)"
        shown = [printable(text.content) for text in self.texts]
        if len(self.texts) == 1:
            return shown[0]
        names = [f"--- {printable(text.name)}" for text in self.texts]
        return "\n".join(f"{name}\n{text}" for name, text in zip(names, shown, strict=True))

    def count(self) -> str:
        """How much there is to read."""
        characters = counted(sum(len(text.content) for text in self.texts), "character")
        if len(self.texts) == 1:
            return f"{characters}."
        return f"{counted(len(self.texts), 'text')}, {characters}."

    def help(self) -> str:
        """What can be typed now."""
        if not self.texts:
            return WITHOUT_TEXT
        what = "this text" if len(self.texts) == 1 else "these texts"
        return WITH_TEXT.format(what=what, top_k=self.settings.top_k)

    def read(self, label: str) -> str | None:
        """A line of input, or None at its end. The label is printed for a terminal only."""
        if not self.is_typed:
            label = ""
        try:
            return input(label)
        except EOFError:
            if self.is_typed:
                # The cursor stands behind the label.
                print()
            return None

    def remember(self, line: str) -> None:
        """Keep a line for the arrow keys: questions and commands, not the lines of a text."""
        is_text = not self.texts and not line.startswith(":")
        if self.readline and line.strip() and not is_text:
            self.readline.add_history(line)


def _line_editing() -> ModuleType | None:
    """The module that gives input() line editing and a history; Windows has none."""
    try:
        import readline
    except ImportError:
        return None
    readline.set_auto_history(False)
    return readline


def _file_names(command: str, rest: str) -> list[str]:
    """The names behind a command; one with a space in it may be in quotation marks."""
    if Path(rest.strip()).is_file():
        return [rest.strip()]
    try:
        names = shlex.split(rest)
    except ValueError:
        raise InputError(f"{command}: a quotation mark is not closed.") from None
    if not names or STDIN in names:
        raise InputError(f"{command} needs the name of a file.")
    return names


def _number(command: str, text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise InputError(f"{command} needs a number of answers, such as {command} 5.")
    return int(text)
