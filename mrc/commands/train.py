"""`mrc train`: train a reader."""

from collections.abc import Sequence
from dataclasses import dataclass

from mrc.config.command_line import parse_args
from mrc.config.flags import flag
from mrc.config.train import TrainConfig
from mrc.runtime.terminal import IMPORTING, phase


@dataclass
class TrainCommand(TrainConfig):
    """Train an extractive reader: an encoder with a span head, on questions answered by a span.

    Without any flag it trains the built-in `tiny` encoder from random weights on the built-in
    corpus, in a few minutes.
    """

    dry_run: bool = flag(
        False,
        "read the data, make the model, take a few steps, and print how long the run would take "
        "and with how much memory and disk; write nothing",
        group="output",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    command = parse_args(TrainCommand, argv, "train")
    # How the command is used is no setting of the run.
    config = TrainConfig.from_dict(command.to_dict(), command.given.keys() - {"dry_run"})
    # Once the flags are known to be right.
    with phase(IMPORTING):
        from mrc.commands.rehearsal import rehearse
        from mrc.runtime.signals import second_signal_exits
        from mrc.training.run import train

    with second_signal_exits():
        if command.dry_run:
            rehearse(config)
        else:
            train(config)
