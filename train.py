"""Train an extractive reader: `python train.py --help` lists the settings.

Without any flag it trains a small reader on the built-in corpus, in about three minutes on two CPU
cores, to an exact match of 96. `mrc.train` reads on in mrc/training/run.py, the story of a run.
"""

from mrc.commands.train import main
from mrc.errors import command_line

if __name__ == "__main__":
    with command_line("train.py"):
        main()
