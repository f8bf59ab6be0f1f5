"""`mrc sample`: write the built-in corpus as SQuAD JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mrc.config.command_line import parse_args
from mrc.config.flags import Config, flag
from mrc.errors import InputError
from mrc.wording import counted


@dataclass
class SampleConfig(Config):
    """Write the built-in corpus as SQuAD JSON: FOLDER/train.json and FOLDER/validation.json."""

    folder: str = flag("", "folder to write to", group="sample", positional=True)
    data: str = flag(
        "sample",
        "which part of it: sample[:ko,en,vi,ru][:unanswerable]",
        group="sample",
        metavar="NAME",
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(SampleConfig, argv, "sample")
    from mrc.data.sample import CONTEXTS, load_sample
    from mrc.data.squad import write_squad

    folder = Path(config.folder)
    parts = {folder / f"{split}.json": load_sample(config.data, split) for split in CONTEXTS}
    for path in parts:
        if path.exists():
            raise InputError(f"{path}: already exists; choose another folder, or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, examples in parts.items():
        write_squad(examples, path)
        print(f"{path}: {counted(len(examples), 'question')}")
