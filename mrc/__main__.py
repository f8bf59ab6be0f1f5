"""`mrc COMMAND`, or `python -m mrc COMMAND`: every command, one module each in mrc/commands."""

import importlib
import sys

from mrc.errors import InputError, command_line
from mrc.version import __version__

COMMANDS = {  # name -> what it does; mrc.commands.NAME has its main(argv)
    "train": "train a reader",
    "evaluate": "score a reader, or answers that any program has written",
    "ask": "ask a reader about a text, at a prompt or once",
    "predict": "let a reader answer a whole file of questions",
    "serve": "serve a reader as a web page and a JSON API",
    "inspect": "show what a data set holds, and the windows it makes",
    "export": "write a reader as ONNX, checked against PyTorch",
    "push": "upload a checkpoint to the Hugging Face hub",
    "sample": "write the built-in corpus as SQuAD JSON",
    "doctor": "show what mrc finds on this machine, and what is wrong with it",
}


def main(argv: list[str] | None = None) -> None:
    """Run the command that `argv` (by default the command line) names."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(help_text())
    elif name == "--version":
        print(f"mrc {__version__}")
    elif name in COMMANDS:
        importlib.import_module(f"mrc.commands.{name}").main(rest)
    else:
        raise InputError(f"{name}: no such command; choose one of {', '.join(COMMANDS)}.")


def help_text() -> str:
    """What `mrc --help` prints."""
    commands = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    return (
        "usage: mrc COMMAND ...\n\n"
        "Train, score and use extractive question-answering readers.\n\n"
        f"commands (mrc COMMAND --help lists the flags of each):\n{commands}\n\n"
        "  --version  print the version and exit"
    )


def console_script() -> None:
    """The entry point of the installed command `mrc`."""
    with command_line("mrc"):
        main()


if __name__ == "__main__":
    console_script()
