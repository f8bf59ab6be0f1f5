"""`mrc train`: train a reader."""

from collections.abc import Sequence

from mrc.config.command_line import parse_args
from mrc.config.train import TrainConfig


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(TrainConfig, argv, "train")
    # Imported once the flags are known to be right: torch and transformers take seconds to load.
    from mrc.training.run import train

    train(config)
