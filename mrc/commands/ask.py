"""`mrc ask`: ask a reader about a text or several, at a prompt or once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mrc.commands.prompt import Prompt
from mrc.commands.shown import show, shows_bold
from mrc.commands.texts import find_answers, given_texts
from mrc.config.command_line import parse_args
from mrc.config.flags import flag
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError
from mrc.runtime.terminal import IMPORTING, phase


@dataclass
class AskConfig(ReaderConfig):
    """Ask a reader about a text or several: at a prompt, or once with --question and --context."""

    question: str | None = flag(None, "ask this, print the answers and quit", group="question")
    context: list[str] | None = flag(
        None,
        "the text to read: a file, @FILE (@- for standard input), or the text itself; of several, "
        "the best answers over all are shown",
        group="question",
        nargs="+",
        kind=str,
        metavar="TEXT",
    )
    top_k: int = flag(3, "answers to show", group="question", at_least=1)
    json: bool = flag(False, "with --question: print the answers as JSON", group="question")

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for settings that do not go together."""
        super().__post_init__()
        if self.question is not None and self.context is None:
            raise InputError("--question needs a --context: a file, or the text itself.")
        if self.json and self.question is None:
            raise InputError("--json needs --question.")
        if self.scoring == "n_best" and len(self.context or []) > 1:
            raise InputError("--scoring n_best ranks the answers in one text; give one --context.")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(AskConfig, argv, "ask")
    texts = given_texts(config.context or [])
    # Standard output is for answers.
    with phase(IMPORTING, in_logs=False):
        from mrc.reader.reader import Reader
    with phase(f"loading {config.checkpoint}", in_logs=False):
        reader, settings = Reader.of(config)
    if config.question is None:
        Prompt(reader, settings, texts).run()
        return
    answers = find_answers(reader, settings, config.question, texts)
    if config.json:
        print(json.dumps(as_json(config.question, answers, texts), ensure_ascii=False))
    else:
        print(show(texts, answers, bold=shows_bold()))


def as_json(question: str, answers: list[dict[str, Any]], texts: Sequence[Any]) -> dict[str, Any]:
    """What --json prints: of several texts, `passages` names them in the order of `passage`."""
    found: dict[str, Any] = {"question": question, "answers": answers}
    if len(texts) > 1:
        found["passages"] = [text.name for text in texts]
    return found
