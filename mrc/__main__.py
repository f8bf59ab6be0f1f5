"""`python -m mrc COMMAND`: what people do beside training and scoring."""

import importlib
import sys

from mrc.config import InputError, command_line

COMMANDS = {  # name -> the module whose main(argv) it is, and what it does
    "ask": ("mrc.ask", "ask a reader about a text, at a prompt or once"),
    "predict": ("mrc.predict", "let a reader answer a whole file of questions"),
    "serve": ("mrc.serve", "a reader as a web page and a JSON API"),
    "inspect": ("mrc.inspection", "what a data set holds, and the windows that it makes"),
    "export": ("mrc.export", "write a reader as ONNX, checked against PyTorch"),
    "push": ("mrc.hub", "upload a checkpoint to the Hugging Face hub"),
}


def main(argv=None):
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        listed = "\n".join(f"  {command:<10} {does}" for command, (_, does) in COMMANDS.items())
        print(f"usage: python -m mrc COMMAND ...\n\ncommands (each has a --help of its own):\n{listed}\n\n"
              "To train a reader: python train.py; to score one: python evaluate.py.")
        return
    if name not in COMMANDS:
        raise InputError(f"{name}: no such command; choose one of {', '.join(COMMANDS)}.")
    importlib.import_module(COMMANDS[name][0]).main(rest)


if __name__ == "__main__":
    with command_line("mrc"):
        main()
