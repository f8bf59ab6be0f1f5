"""Features: this project's views against the widely used `datasets.map` recipe, side by side.

    pip install -e ".[bench]"
    python benchmarks/features.py --tokenizer FOLDER DATA.json [DATA.json ...]

The recipe, as in Hugging Face's course and example scripts, calls the fast tokenizer on a thousand
questions and contexts at a time, with overflow and offsets, padded to the longest window. A Python
loop then walks over the offsets for the labels, and `datasets` writes the columns to an Arrow file.
Here each distinct context and question is tokenized once, and windows are views.

First both make their features of every file, and these are compared: ids, mask, token types and
labels of each window. Then each is timed in a process of its own, so that neither has the other's
memory. Times are from examples in memory to features, and from the file to the first training batch
of 16 as tensors. Memory is the peak of the process above what it held once its examples were loaded
(Linux only). Larger data are copies of the same file whose texts differ by a number.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mrc.config.train import TrainConfig
from mrc.data.examples import Answer, Example
from mrc.data.loading import load_examples
from mrc.errors import InputError, command_line
from mrc.features.batching import make_training_loader
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.tokenizer import load_tokenizer

MAX_LENGTH, STRIDE, BATCH = 384, 128, 16
SCALES = (1, 4, 16)


def main() -> None:
    args = parse_args()
    if args.arm:
        print(json.dumps(measure(args.arm, args.data[0], args.tokenizer, args.copies)))
        return
    for path in args.data:
        windows, crossed, spaced = compare(load_examples(path), load_tokenizer(args.tokenizer))
        print(
            f"{Path(path).name}: {windows} windows and their labels are equal, save {crossed} "
            f"labels where the recipe's end is before its start and {spaced} where it takes a word "
            "too many, as the answer ends in a space",
            flush=True,
        )
    print(
        f"\n{'':<30}{'windows/s':>24}{'ratio':>8}{'peak MB':>16}{'share':>8}"
        f"{'first batch, s':>18}{'ratio':>8}"
    )
    first = args.data[0]
    for path, copies in [(path, 1) for path in args.data] + [(first, n) for n in SCALES[1:]]:
        repeats = args.repeats if copies == 1 else 1
        results = {arm: best_of(repeats, arm, path, args.tokenizer, copies) for arm in ARMS}
        print(row(f"{Path(path).name[:24]:<24} x{copies:<4}", **results), flush=True)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "data",
        nargs="+",
        help="files to take; the growth of time and memory is measured on the first",
    )
    parser.add_argument("--tokenizer", required=True, help="hub id or folder of a fast tokenizer")
    parser.add_argument(
        "--repeats",
        type=int,
        default=3,
        help="timed runs of each, of which the fastest counts (default: 3)",
    )
    # For the processes that this one starts.
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--copies", type=int, default=1, help=argparse.SUPPRESS)
    return parser.parse_args()


def row(title: str, recipe: dict[str, float], mrc: dict[str, float]) -> str:
    """One line of the table: rates, memory and time to the first batch of both."""
    theirs, ours = (result["windows"] / result["seconds"] for result in (recipe, mrc))
    return (
        f"{title}{theirs:>12,.0f}{ours:>12,.0f}{ours / theirs:>7.1f}x"
        f"{recipe['peak_mb']:>8.0f}{mrc['peak_mb']:>8.0f}{mrc['peak_mb'] / recipe['peak_mb']:>8.2f}"
        f"{recipe['first_batch']:>10.2f}{mrc['first_batch']:>8.2f}"
        f"{recipe['first_batch'] / mrc['first_batch']:>7.1f}x"
    )


def best_of(repeats: int, arm: str, path: str, tokenizer: str, copies: int) -> dict[str, float]:
    """The least of each number that `measure` returns, over some runs."""
    runs = [run(arm, path, tokenizer, copies) for _ in range(repeats)]
    return {key: min(result[key] for result in runs) for key in runs[0]}


def run(arm: str, path: str, tokenizer: str, copies: int) -> dict[str, float]:
    """What `measure` returns, from a process of its own with a fresh cache of `datasets`."""
    command = [sys.executable, __file__, path, "--tokenizer", tokenizer]
    command += ["--arm", arm, "--copies", str(copies)]
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "HF_DATASETS_CACHE": cache, "TMPDIR": cache}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise InputError(f"the {arm} arm failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(arm: str, path: str, tokenizer_name: str, copies: int) -> dict[str, float]:
    """Make the features once.

    Returns:
        windows; seconds, from examples to features; peak_mb, above what the examples took;
        first_batch, the seconds from the file to the first batch.
    """
    tokenizer = load_tokenizer(tokenizer_name)
    started = time.perf_counter()
    examples = multiply(load_examples(path), copies)
    loaded = time.perf_counter()
    gc.collect()
    # From here on the peak is counted anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = memory_mb("VmRSS")
    features = ARMS[arm](examples, tokenizer)
    seconds = time.perf_counter() - loaded
    peak = memory_mb("VmHWM") - before
    FIRST_BATCH[arm](features)
    return {
        "windows": len(features),
        "seconds": seconds,
        "peak_mb": peak,
        "first_batch": time.perf_counter() - started,
    }


def memory_mb(name: str) -> float:
    """The memory of this process in MiB: "VmRSS" what it holds, "VmHWM" the most it held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return int(fields[name].split()[0]) / 2**10


def multiply(examples: Sequence[Example], copies: int) -> list[Example]:
    """Copies of the examples, no two texts alike: each begins with the number of its copy."""
    many: list[Example] = []
    for n in range(copies):
        tag = f"{n} " if n else ""
        many += [
            replace(
                e,
                id=f"{n}-{e.id}",
                context=tag + e.context,
                question=tag + e.question,
                answers=tuple(Answer(a.text, a.start + len(tag)) for a in e.answers),
            )
            for e in examples
        ]
    return many


def ours(examples: Sequence[Example], tokenizer: Any) -> FeatureDataset:
    windows = WindowSettings(max_length=MAX_LENGTH, stride=STRIDE)
    return FeatureDataset(examples, tokenizer, windows)


def recipe(examples: Sequence[Example], tokenizer: Any) -> Any:
    """The features of the reference recipe, as a datasets.Dataset."""
    import datasets

    datasets.disable_progress_bars()
    columns = {
        "question": [e.question.strip() for e in examples],
        "context": [e.context for e in examples],
        "answers": [
            {"text": [a.text for a in e.answers], "answer_start": [a.start for a in e.answers]}
            for e in examples
        ],
    }

    def prepare(batch: dict) -> Any:
        inputs = tokenizer(
            batch["question"],
            batch["context"],
            truncation="only_second",
            max_length=MAX_LENGTH,
            stride=STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding="max_length",
        )
        of_example = inputs.pop("overflow_to_sample_mapping")
        starts = []
        ends = []
        for i, offsets in enumerate(inputs.pop("offset_mapping")):
            answers = batch["answers"][of_example[i]]
            sequence = inputs.sequence_ids(i)
            null = inputs["input_ids"][i].index(tokenizer.cls_token_id)
            if not answers["text"]:
                starts.append(null)
                ends.append(null)
                continue
            begin = answers["answer_start"][0]
            end = begin + len(answers["text"][0])
            first = sequence.index(1)
            last = len(sequence) - 1 - sequence[::-1].index(1)
            if offsets[first][0] > begin or offsets[last][1] < end:
                starts.append(null)
                ends.append(null)
                continue
            while first <= last and offsets[first][0] <= begin:
                first += 1
            while offsets[last][1] >= end:
                last -= 1
            starts.append(first - 1)
            ends.append(last + 1)
        inputs["start_positions"] = starts
        inputs["end_positions"] = ends
        return inputs

    return datasets.Dataset.from_dict(columns).map(prepare, batched=True, remove_columns=[*columns])


def first_recipe_batch(features: Any) -> dict:
    from torch.utils.data import DataLoader

    loader = DataLoader(features.with_format("torch"), batch_size=BATCH, shuffle=True)
    return next(iter(loader))


def first_batch(features: FeatureDataset) -> dict:
    loader = make_training_loader(features, TrainConfig(batch_size=BATCH))
    return next(iter(loader)).batches[0]


ARMS = {"recipe": recipe, "mrc": ours}
FIRST_BATCH = {"recipe": first_recipe_batch, "mrc": first_batch}


def compare(examples: Sequence[Example], tokenizer: Any) -> tuple[int, int, int]:
    """Assert that every window and label of the recipe equals ours, but for two faults of it.

    Returns:
        How many windows there are, and how many labels have each fault: the end before the start,
        where several tokens share the one character of the answer (ours are the same two tokens,
        in order); and the token after the answer's last, where the answer ends in a space (ours is
        the last).
    """
    theirs = recipe(examples, tokenizer).with_format("numpy")
    features = ours(examples, tokenizer)
    assert len(theirs) == len(features), (len(theirs), len(features))
    crossed = spaced = 0
    for i, window in enumerate(theirs):
        mine = features[i]
        is_token = window["attention_mask"] == 1
        for name in tokenizer.model_input_names:
            assert np.array_equal(window[name][is_token], mine[name]), (i, name)
        label = mine["start_positions"], mine["end_positions"]
        start = window["start_positions"]
        end = window["end_positions"]
        answers = examples[features.example_index[i]].answers
        ends_in_space = bool(answers) and answers[0].text[-1].isspace()
        if start > end:
            crossed += 1
            start, end = end, start
        elif label != (start, end) and ends_in_space:
            spaced += 1
            end -= 1
        assert label == (start, end), i
    return len(features), crossed, spaced


if __name__ == "__main__":
    with command_line("benchmarks/features.py"):
        main()
