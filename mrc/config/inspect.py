"""The settings of an inspection."""

from dataclasses import dataclass

from mrc.config import shared
from mrc.config.flags import Config, flag


@dataclass
class InspectConfig(Config):
    """Show what a data set holds, and the windows that a tokenizer makes of it.

    Prints counts, lengths, faults, the share of answers that fit into a window, the share of
    padding, and a --max-length to train with.
    """

    source: str = flag("", shared.QUESTIONS, group="data", positional=True)
    split: str | None = shared.split_flag("data", "train")
    model: str = flag(
        "tiny",
        "the model whose tokenizer to use: a hub id or a local folder; tiny learns its vocabulary "
        "from the data",
        group="windows",
        metavar="NAME",
    )
    max_length: int = flag(
        384,
        "longest window in tokens, with the question and special tokens",
        group="windows",
        tiny=128,
        at_least=8,
    )
    stride: int = flag(
        128,
        "tokens that consecutive windows of a context share",
        group="windows",
        tiny=32,
        at_least=0,
    )
    max_question_length: int = flag(
        64, "cut longer questions to this many tokens", group="windows", at_least=1, rare=True
    )
    batch_size: int = flag(
        16, "windows per batch, for the share of padding", group="windows", at_least=1, rare=True
    )
    seed: int = flag(
        42, "seed of the batches, for the share of padding", group="windows", at_least=0, rare=True
    )
    trust_remote_code: bool = shared.trust_remote_code_flag("windows")
    json: bool = flag(False, "print one JSON object instead of tables", group="output")
