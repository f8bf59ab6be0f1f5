"""`mrc ask`: ask a reader about a text, at a prompt or once."""

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mrc.config.command_line import parse_args
from mrc.config.flags import flag
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError
from mrc.files import STDIN, read_text
from mrc.runtime.terminal import IMPORTING, phase

if TYPE_CHECKING:
    from mrc.reader.reader import AskSettings, Reader

SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+")
# Characters of a sentence that are shown around an answer.
WIDTH = 300
BOLD = ("\033[1m", "\033[0m")
BRACKETS = ("[", "]")

INTRODUCTION = (
    "Paste the text to ask about and end it with an empty line, or type :load FILE. "
    ":help lists all commands."
)
HELP = """:load FILE   read a text from a file
:paste       paste a text; a line with a single dot ends it
:show        show the text
:top N       show N answers
:quit        quit (or press Ctrl-D)
Anything else is a question."""


@dataclass
class AskConfig(ReaderConfig):
    """Ask a reader about a text: at a prompt, or once with --question and --context."""

    question: str | None = flag(None, "ask this, print the answers and quit", group="question")
    context: str | None = flag(
        None, "the text to read, or @FILE (@- for standard input)", group="question"
    )
    top_k: int = flag(3, "answers to show", group="question", at_least=1)
    json: bool = flag(False, "with --question: print the answers as JSON", group="question")

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for settings that do not go together."""
        super().__post_init__()
        if self.question is not None and self.context is None:
            raise InputError("--question needs a --context: the text itself, or @FILE.")
        if self.json and self.question is None:
            raise InputError("--json needs --question.")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(AskConfig, argv, "ask")
    context = None if config.context is None else read_context(config.context)
    # Standard output is for answers.
    with phase(IMPORTING, in_logs=False):
        from mrc.reader.reader import Reader
    with phase(f"loading {config.checkpoint}", in_logs=False):
        reader, settings = Reader.of(config)
    if config.question is None:
        prompt(reader, settings, context)
        return
    answers = ask(reader, settings, config.question, context or "")
    if config.json:
        print(json.dumps({"question": config.question, "answers": answers}, ensure_ascii=False))
    else:
        print(show(context or "", answers, bold=is_terminal()))


def read_context(given: str) -> str:
    """The text that --context gives: itself, or the content of @FILE. Raises InputError."""
    return read_text(given[1:]) if given.startswith("@") else given


def ask(
    reader: "Reader", settings: "AskSettings", question: str, context: str
) -> list[dict[str, Any]]:
    """The answers to one question as a list, whatever top_k is."""
    answers = reader(question=question, context=context, **asdict(settings))
    return answers if isinstance(answers, list) else [answers]


def show(context: str, answers: list[dict[str, Any]], bold: bool) -> str:
    """The best answer in its sentence, then every answer with its score."""
    best = answers[0]
    if best["answer"]:
        first = in_sentence(context, best["start"], best["end"], bold)
    else:
        first = "The text does not answer this."
    lines = [
        f"  {100 * answer['score']:5.1f} %  {_one_line(answer['answer']) or '(no answer)'}"
        for answer in answers
    ]
    return "\n".join([first, *lines])


def in_sentence(context: str, start: int, end: int, bold: bool) -> str:
    """The sentence around the characters [start, end), which are bold or in brackets."""
    before = [match.end() for match in SENTENCE_END.finditer(context, max(0, start - WIDTH), start)]
    after = SENTENCE_END.search(context, end)
    sentence_begin = max(before, default=0)
    sentence_end = after.start() if after else len(context)
    # Of a long sentence, only what is near the answer.
    begin = max(sentence_begin, start - WIDTH // 2)
    stop = min(sentence_end, end + WIDTH // 2)
    left, right = BOLD if bold else BRACKETS
    shown = _one_line(f"{context[begin:start]}{left}{context[start:end]}{right}{context[end:stop]}")
    if begin > sentence_begin:
        shown = f"… {shown}"
    if stop < sentence_end:
        shown = f"{shown} …"
    return shown


def is_terminal() -> bool:
    """Whether standard output shows bold text."""
    is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_plain


def prompt(reader: "Reader", settings: "AskSettings", context: str | None) -> None:
    """Read commands and questions until the end of input."""
    if sys.stdin.isatty():
        # Importing it gives input() line editing and a history.
        import readline  # noqa: F401
    if context is None:
        print(INTRODUCTION)
    while True:
        line = _input("text> " if context is None else "question> ")
        if line is None or line.strip() in (":quit", ":q"):
            return
        try:
            context, settings = step(reader, settings, context, line)
        except InputError as error:
            print(f"error: {error}")


def step(
    reader: "Reader", settings: "AskSettings", context: str | None, line: str
) -> tuple[str | None, "AskSettings"]:
    """Do what one line at the prompt says; return the context and the settings for the next."""
    command, _, rest = line.strip().partition(" ")
    if not command:
        return context, settings
    if command == ":load":
        if rest.strip() in ("", STDIN):
            raise InputError(":load needs the name of a file.")
        context = read_text(rest.strip())
        print(f"{len(context)} characters.")
    elif command == ":paste":
        context = _paste([], end=".")
    elif command == ":show":
        print(context or "(no text yet)")
    elif command == ":top" and rest.strip().isdigit():
        settings = replace(settings, top_k=int(rest))
    elif command.startswith(":"):
        print(HELP)
    elif context is None:
        context = _paste([line], end="")
    else:
        print(show(context, ask(reader, settings, line.strip(), context), is_terminal()))
    return context, settings


def _paste(lines: list[str], end: str) -> str:
    """Read lines up to the one that is `end`, as one text that begins with `lines`."""
    line = _input("")
    while line is not None and line.strip() != end:
        lines.append(line)
        line = _input("")
    text = "\n".join(lines)
    print(f"{len(text)} characters.")
    return text


def _input(text: str) -> str | None:
    """A line of input, or None at its end. The prompt is printed for a terminal only."""
    try:
        return input(text if sys.stdin.isatty() else "")
    except EOFError:
        return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
