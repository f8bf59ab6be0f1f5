"""`mrc push`: upload a checkpoint to the Hugging Face hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrc.config.command_line import parse_args
from mrc.config.flags import Config, flag
from mrc.config.hub import check_repo_name, check_token, has_token


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
    dry_run: bool = flag(
        False,
        "show which files would go where, and upload nothing; the hub is not asked",
        group="push",
    )

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for a name that no repository can have."""
        super().__post_init__()
        check_repo_name(self.repo)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(PushConfig, argv, "push")
    if not config.dry_run:
        check_token(config.repo)
    # Imported once the flags are known to be right: torch takes seconds to load.
    from mrc.checkpoint.hub import files_to_push, push
    from mrc.checkpoint.loading import find_checkpoint

    folder = find_checkpoint(config.checkpoint)
    if config.dry_run:
        print(describe(config, files_to_push(folder)))
    else:
        print(push(folder, config.repo, public=config.public))


def describe(config: PushConfig, files: list[Path]) -> str:
    """Return what a push would upload, and where."""
    from mrc.runtime.tables import column_table, value_table
    from mrc.runtime.units import size_text

    token = "none; needed to push"
    if has_token():
        token = "there; whether it may write shows when pushing"
    visibility = "public" if config.public else "private"
    account = "" if "/" in config.repo else ", under the account of the token"
    sizes = {path.name: path.stat().st_size for path in files}
    rows = [(name, size_text(size)) for name, size in sizes.items()]
    where = [
        ("checkpoint", files[0].parent),
        ("repository", f"{config.repo}{account}; {visibility} if it is new"),
        ("token", token),
    ]
    return (
        f"{value_table(where)}\n\n"
        f"{column_table(('file', 'size'), [*rows, ('total', size_text(sum(sizes.values())))])}\n\n"
        "Nothing was uploaded."
    )
