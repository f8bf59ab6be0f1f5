"""Train an extractive reader: `python train.py --help` lists the settings.

Without any flag it trains a small reader on the built-in corpus, in about three minutes on two CPU
cores, to an exact match of 96.

To read how it works, take the files in this order:

    docs/loop.md                    the loop in fifteen lines
    mrc/training/trainer.py         `fit` and `train_epoch`: when things happen
    mrc/training/step.py            one optimizer step
    mrc/features/dataset.py         questions and contexts become features, then batches
    mrc/model/baseline.py           encoder, dropout, head
    mrc/training/run.py             the whole run; skip what handles processes or resuming

An example is a question with its context. A feature is one window of a context with the question
before it, as long as the model can read. A step moves the weights once, after one or more
micro-batches of features. A head turns the encoder's output into logits: two numbers a token, for
the start and the end of the answer. The null position is the token that stands for "no answer
here".
"""

from mrc.commands.train import main
from mrc.errors import command_line

if __name__ == "__main__":
    with command_line("train.py"):
        main()
