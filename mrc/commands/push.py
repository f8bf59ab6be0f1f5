"""`mrc push`: upload a checkpoint to the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass

from mrc.config.flags import Config, flag, parse_args


@dataclass
class PushConfig(Config):
    """Upload a checkpoint to a model repository of the Hugging Face hub.

    The repository is created if necessary. Only the checkpoint's own files are uploaded: weights,
    config, tokenizer, mrc.json and the model card. The token is that of `hf auth login`, or
    HF_TOKEN.
    """

    checkpoint: str = flag(
        "",
        "a run's folder (meaning its best checkpoint), or a checkpoint's folder",
        group="push",
        positional=True,
    )
    repo: str = flag("", "the repository: USER/NAME, or NAME", group="push", positional=True)
    public: bool = flag(
        False,
        "create a public repository; without this flag a new one is private, and an existing "
        "public one is refused",
        group="push",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(PushConfig, argv, "push")
    # Imported once the flags are known to be right: torch takes seconds to load.
    from mrc.checkpoint.hub import push
    from mrc.checkpoint.loading import find_checkpoint

    print(push(find_checkpoint(config.checkpoint), config.repo, public=config.public))
