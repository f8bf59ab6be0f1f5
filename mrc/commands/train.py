"""`mrc train`: train a reader."""

from collections.abc import Sequence

from mrc.config.command_line import parse_args
from mrc.config.train import TrainConfig
from mrc.runtime.terminal import phase


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(TrainConfig, argv, "train")
    # Once the flags are known to be right.
    with phase("importing torch and transformers"):
        from mrc.runtime.signals import second_signal_exits
        from mrc.training.run import train

    with second_signal_exits():
        train(config)
