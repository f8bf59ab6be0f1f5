"""Score a trained reader: `python evaluate.py --help` lists the settings.

It prints the scores and writes the answers beside the checkpoint. Read on in
mrc/commands/evaluate.py; the loop over the batches is in mrc/metrics/evaluation.py.
"""

from mrc.commands.evaluate import main
from mrc.errors import command_line

if __name__ == "__main__":
    with command_line("evaluate.py"):
        main()
