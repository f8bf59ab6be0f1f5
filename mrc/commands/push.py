"""`mrc push`: upload a checkpoint to the Hugging Face hub."""

from dataclasses import dataclass

from mrc.checkpoint.hub import push
from mrc.checkpoint.loading import find_checkpoint
from mrc.config.flags import Config, flag, parse_args


@dataclass
class PushConfig(Config):
    """Upload a checkpoint to a model repository of the Hugging Face hub, which is made where it is not there.

    Only the checkpoint's own files go: weights, config, tokenizer, mrc.json and the model card. The token is that of
    `hf auth login`, or HF_TOKEN.
    """

    checkpoint: str = flag(
        None,
        "a run's folder (its best checkpoint is meant), or a checkpoint's",
        group="what",
        positional=True,
    )
    repo: str = flag(
        None, "the repository: USER/NAME, or NAME among your own", group="what", positional=True
    )
    public: bool = flag(
        False,
        "let everyone see it; without this a new repository is private, and a public one is left alone",
        group="what",
    )


def main(argv=None):
    config = parse_args(PushConfig, argv, "push")
    print(push(find_checkpoint(config.checkpoint), config.repo, config.public))
