"""Heads: each on the same encoder, the same questions and the same seed, side by side.

    python benchmarks/heads.py --model FOLDER --train-file TRAIN.json --validation-file DEV.json [train.py's other flags]

Each head is trained by train.py in a process of its own; all flags are train.py's. --heads chooses among them.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=HEADS)
    args, flags = parser.parse_known_args()
    print(
        f"{'head':<12}{'EM':>8}{'F1':>8}{'windows/s':>12}{'parameters':>14}{'of the head':>13}{'seconds':>9}"
    )
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
            every, of_head = count(run / "best" / "model.safetensors")
        exact = metrics.get("exact_match", metrics.get("exact"))
        print(
            f"{head:<12}{exact:>8.2f}{metrics['f1']:>8.2f}{metrics['features_per_second']:>12.2f}{every:>14,}{of_head:>13,}"
            f"{metrics['train_seconds']:>9.0f}",
            flush=True,
        )


def count(weights):
    """The parameters of a checkpoint, and those of its head."""
    with safe_open(weights, "pt") as file:
        sizes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    counts = {name: math.prod(shape) for name, shape in sizes.items()}
    return sum(counts.values()), sum(
        n for name, n in counts.items() if name.startswith(("head.", "qa_outputs."))
    )


if __name__ == "__main__":
    with command_line("benchmarks/heads.py"):
        main()
