"""Compare the heads on one encoder, with the same questions and the same seed.

    python benchmarks/heads.py --model FOLDER --train-file TRAIN.json --validation-file DEV.json

Each head is trained by train.py in its own process. --heads chooses some of them; all other flags
are passed on to train.py.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors import safe_open

from mrc.config.choices import HEADS
from mrc.errors import InputError, command_line

TRAIN = Path(__file__).parents[1] / "train.py"


COLUMNS = {
    "head": "<12",
    "EM": ">8",
    "F1": ">8",
    "features/s": ">12",
    "parameters": ">14",
    "of the head": ">13",
    "seconds": ">9",
}


def main():
    """Train a model with each head and print a row about it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=HEADS)
    args, flags = parser.parse_known_args()
    print(*(f"{name:{width}}" for name, width in COLUMNS.items()), sep="")
    for head in args.heads:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            done = subprocess.run(
                [sys.executable, TRAIN, *flags, "--head", head, "--output-dir", run],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise InputError(f"--head {head}: {done.stderr.strip().splitlines()[-1]}")
            metrics = json.loads((run / "metrics.json").read_text())
            total, of_head = count(run / "best" / "model.safetensors")
        exact = metrics.get("exact_match", metrics.get("exact"))
        row = [
            head,
            f"{exact:.2f}",
            f"{metrics['f1']:.2f}",
            f"{metrics['features_per_second']:.2f}",
            f"{total:,}",
            f"{of_head:,}",
            f"{metrics['train_seconds']:.0f}",
        ]
        cells = zip(row, COLUMNS.values(), strict=True)
        print(*(f"{cell:{width}}" for cell, width in cells), sep="", flush=True)


def count(weights):
    """Return the number of parameters of a checkpoint, and that of its head."""
    with safe_open(weights, "pt") as file:
        sizes = {name: file.get_slice(name).get_shape() for name in file}
    counts = {name: math.prod(shape) for name, shape in sizes.items()}
    of_head = [n for name, n in counts.items() if name.startswith(("head.", "qa_outputs."))]
    return sum(counts.values()), sum(of_head)


if __name__ == "__main__":
    with command_line("benchmarks/heads.py"):
        main()
