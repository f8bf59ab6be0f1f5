"""`mrc ask`: a question, its answer in bold inside its sentence, and the runners-up."""

import json
import os
import re
import sys
from dataclasses import asdict, dataclass, replace

from mrc.config.flags import flag, parse_args
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError
from mrc.files import STDIN, read_text


@dataclass
class AskConfig(ReaderConfig):
    """Ask a reader about a text: at a prompt, or once with --question and --context."""

    question: str | None = flag(None, "ask this, print the answers, and end", group="question")
    context: str | None = flag(
        None, "the text to read, or @FILE (@- for standard input)", group="question"
    )
    top_k: int = flag(3, "answers to show", group="question", at_least=1)
    json: bool = flag(False, "print the answers as JSON", group="question")

    def __post_init__(self):
        super().__post_init__()
        if self.question is not None and self.context is None:
            raise InputError("--question needs a --context: the text itself, or @FILE.")
        if self.json and self.question is None:
            raise InputError("--json works with --question alone.")


SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+|(?<=[。！？])|\n+")


WIDTH = 300  # characters of a sentence that are shown around an answer


HELP = """:load FILE   read a text from a file
:paste       paste a text; a line with a single dot ends it
:show        show the text that questions are about
:top N       show N answers
:quit        end (as does Ctrl-D)
Anything else is a question."""


def main(argv=None):
    config = parse_args(AskConfig, argv, "ask")
    context = None if config.context is None else read_context(config.context)
    from mrc.reader.reader import Reader  # torch takes seconds to load

    reader, settings = Reader.of(config)
    if config.question is None:
        prompt(reader, settings, context)
        return
    answers = ask(reader, settings, config.question, context)
    if config.json:
        print(json.dumps({"question": config.question, "answers": answers}, ensure_ascii=False))
    else:
        print(show(context, answers, bold=is_terminal()))


def read_context(given):
    """A context from the command line: itself, or what a file or standard input holds. Raises InputError."""
    return read_text(given[1:]) if given.startswith("@") else given


def ask(reader, settings, question, context):
    """The answers to one question as a list, whatever top_k is."""
    answers = reader(question=question, context=context, **asdict(settings))
    return answers if isinstance(answers, list) else [answers]


def show(context, answers, bold):
    """The best answer within its sentence and with its score, and the other answers."""
    best, *others = answers
    if best["answer"]:
        lines = [
            in_sentence(context, best["start"], best["end"], bold),
            f"  {_percent(best)}  {_one_line(best['answer'])}",
        ]
    else:
        lines = ["The text does not answer this.", f"  {_percent(best)}  (no answer)"]
    return "\n".join(
        lines
        + [
            f"  {_percent(other)}  {_one_line(other['answer']) or '(no answer)'}"
            for other in others
        ]
    )


def in_sentence(context, start, end, bold):
    """The sentence around the characters [start, end), which are set in bold, or within brackets where nothing is bold."""
    begin = max(
        [match.end() for match in SENTENCE_END.finditer(context, max(0, start - WIDTH), start)],
        default=0,
    )
    after = SENTENCE_END.search(context, end)
    stop = after.start() if after else len(context)
    cut_before, cut_after = begin < start - WIDTH // 2, stop > end + WIDTH // 2
    begin, stop = max(begin, start - WIDTH // 2), min(stop, end + WIDTH // 2)
    left, right = ("\033[1m", "\033[0m") if bold else ("[", "]")
    sentence = f"{context[begin:start]}{left}{context[start:end]}{right}{context[end:stop]}"
    return _one_line(("… " if cut_before else "") + sentence + (" …" if cut_after else ""))


def is_terminal():
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def prompt(reader, settings, context):
    """Read commands and questions until the end of input."""
    if sys.stdin.isatty():
        import readline  # noqa: F401  (gives input() line editing and history)
    if context is None:
        print(
            "Paste the text to ask about and end it with an empty line, or :load FILE. :help lists what else there is."
        )
    while True:
        line = _input("text> " if context is None else "question> ")
        if line is None or line.strip() in (":quit", ":q"):
            return
        try:
            context, settings = step(reader, settings, context, line)
        except InputError as error:
            print(f"error: {error}")


def step(reader, settings, context, line):
    """What one line at the prompt does; returns the context and the settings for the next one."""
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


def _paste(lines, end):
    """Lines up to the one that is `end`, as one text."""
    while (line := _input("")) is not None and line.strip() != end:
        lines.append(line)
    text = "\n".join(lines)
    print(f"{len(text)} characters.")
    return text


def _input(text):
    """A line of input, None at its end. Where nobody types, no prompt is printed."""
    try:
        return input(text if sys.stdin.isatty() else "")
    except EOFError:
        return None


def _percent(answer):
    return f"{100 * answer['score']:5.1f} %"


def _one_line(text):
    return " ".join(text.split())
