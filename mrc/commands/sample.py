"""`mrc sample`: write the built-in corpus as SQuAD JSON."""

import argparse
from pathlib import Path

from mrc.data.examples import write_squad
from mrc.data.sample import CONTEXTS, load_sample
from mrc.errors import InputError


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="mrc sample",
        description="Write the built-in corpus as SQuAD JSON: FOLDER/train.json and FOLDER/validation.json.",
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--data",
        default="sample",
        metavar="SPEC",
        help="sample[:ko,en,vi,ru][:unanswerable] (default: sample)",
    )
    args = parser.parse_args(argv)
    parts = {args.folder / f"{split}.json": load_sample(args.data, split) for split in CONTEXTS}
    if taken := [path for path in parts if path.exists()]:
        raise InputError(f"{taken[0]}: is there already; choose another folder, or remove it.")
    args.folder.mkdir(parents=True, exist_ok=True)
    for path, examples in parts.items():
        write_squad(examples, path)
        print(f"{path}: {len(examples)} questions")
