"""Features: this project's views against the widely used `datasets.map` recipe, on the same data, in one run.

    pip install -e ".[bench]"
    python benchmarks/features.py --tokenizer FOLDER DATA.json [DATA.json ...]

The recipe (as in Hugging Face's course and example scripts) calls the fast tokenizer on a thousand questions and contexts at a
time, with overflow and offsets, padded to the longest window; a Python loop then walks over the offsets for the labels, and
`datasets` writes the columns to an Arrow file. Here each distinct context and question is tokenised once, and windows are views.

First both make their features of every file, which are compared: ids, mask, token types and labels of each window. Then each
is timed in a process of its own, so that neither has the other's memory. Times are from examples in memory to features, and
from the file to the first training batch of 16 as tensors; memory is the peak of the process above what it held once its
examples were loaded (Linux only). Larger data are made of the same file: copies whose contexts and questions differ by a number.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from mrc.config.train import TrainConfig
from mrc.data.examples import Answer, load_examples
from mrc.errors import InputError, command_line
from mrc.features.batching import make_training_loader
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.tokenizer import load_tokenizer

MAX_LENGTH, STRIDE, BATCH = 384, 128, 16
SCALES = (1, 4, 16)


def main():
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
    parser.add_argument(
        "--arm", choices=ARMS, help=argparse.SUPPRESS
    )  # what the processes that this one starts are told
    parser.add_argument("--copies", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(measure(args.arm, args.data[0], args.tokenizer, args.copies)))
        return
    for path in args.data:
        windows, crossed, spaced = compare(load_examples(path), load_tokenizer(args.tokenizer))
        print(
            f"{Path(path).name}: {windows} windows and their labels are equal, save {crossed} labels where the recipe's end is before "
            f"its start and {spaced} where it takes a word too many, as the answer ends in a space",
            flush=True,
        )
    print(
        f"\n{'':<30}{'windows/s':>24}{'ratio':>8}{'peak MB':>16}{'share':>8}{'first batch, s':>18}{'ratio':>8}"
    )
    for path, copies in [(path, 1) for path in args.data] + [
        (args.data[0], scale) for scale in SCALES[1:]
    ]:
        runs = {
            arm: [
                run(arm, path, args.tokenizer, copies)
                for _ in range(args.repeats if copies == 1 else 1)
            ]
            for arm in ARMS
        }
        recipe, ours = (
            {key: min(result[key] for result in runs[arm]) for key in runs[arm][0]} for arm in ARMS
        )
        rates = [result["windows"] / result["seconds"] for result in (recipe, ours)]
        print(
            f"{Path(path).name[:24]:<24} x{copies:<4}{rates[0]:>12,.0f}{rates[1]:>12,.0f}{rates[1] / rates[0]:>7.1f}x"
            f"{recipe['peak_mb']:>8.0f}{ours['peak_mb']:>8.0f}{ours['peak_mb'] / recipe['peak_mb']:>8.2f}"
            f"{recipe['first_batch']:>10.2f}{ours['first_batch']:>8.2f}{recipe['first_batch'] / ours['first_batch']:>7.1f}x",
            flush=True,
        )


def run(arm, path, tokenizer, copies):
    """What `measure` returns, from a process of its own with a fresh cache of `datasets`."""
    command = [
        sys.executable,
        __file__,
        path,
        "--tokenizer",
        tokenizer,
        "--arm",
        arm,
        "--copies",
        str(copies),
    ]
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, "HF_DATASETS_CACHE": cache, "TMPDIR": cache},
        )
    if done.returncode:
        raise InputError(f"the {arm} arm failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(arm, path, tokenizer_name, copies):
    """-> windows, seconds (examples to features), peak_mb (above what the examples took), first_batch (seconds from the file)."""
    tokenizer = load_tokenizer(tokenizer_name)
    started = time.perf_counter()
    examples = multiply(load_examples(path), copies)
    loaded = time.perf_counter()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is counted anew
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


def memory_mb(name):
    """The memory of this process, in MiB: "VmRSS" what it holds, "VmHWM" the most it held (Linux)."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)
    )
    return int(line.split()[1]) / 2**10


def multiply(examples, copies):
    """`copies` times the examples, no two copies of a text alike: each begins with the number of its copy."""
    many = []
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


def ours(examples, tokenizer):
    return FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(max_length=MAX_LENGTH, stride=STRIDE),
    )


def recipe(examples, tokenizer):
    """The features of the incumbent, as a datasets.Dataset."""
    import datasets

    datasets.disable_progress_bars()
    columns = {
        "question": [e.question for e in examples],
        "context": [e.context for e in examples],
        "answers": [
            {"text": [a.text for a in e.answers], "answer_start": [a.start for a in e.answers]}
            for e in examples
        ],
    }

    def prepare(batch):
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
        of_example, starts, ends = inputs.pop("overflow_to_sample_mapping"), [], []
        for i, offsets in enumerate(inputs.pop("offset_mapping")):
            answers, sequence = batch["answers"][of_example[i]], inputs.sequence_ids(i)
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
        inputs["start_positions"], inputs["end_positions"] = starts, ends
        return inputs

    return datasets.Dataset.from_dict(columns).map(prepare, batched=True, remove_columns=[*columns])


def first_recipe_batch(features):
    import torch

    return next(
        iter(
            torch.utils.data.DataLoader(
                features.with_format("torch"), batch_size=BATCH, shuffle=True
            )
        )
    )


def first_batch(features):
    return next(iter(make_training_loader(features, TrainConfig(batch_size=BATCH)))).batches[0]


ARMS = {"recipe": recipe, "mrc": ours}
FIRST_BATCH = {"recipe": first_recipe_batch, "mrc": first_batch}


def compare(examples, tokenizer):
    """Assert that every window of the recipe, padding removed, and its labels equal ours, but for two faults of the recipe.

    Returns how many windows there are and how many labels have each fault: the end before the start, where several tokens
    share the one character of the answer (ours are the same two tokens, in order); and the token after the answer's last,
    where the answer ends in a space (ours is the last).
    """
    theirs, features = recipe(examples, tokenizer).with_format("numpy"), ours(examples, tokenizer)
    assert len(theirs) == len(features), (len(theirs), len(features))
    crossed = spaced = 0
    for i, row in enumerate(theirs):
        mine, kept = features[i], row["attention_mask"] == 1
        for name in tokenizer.model_input_names:
            assert np.array_equal(row[name][kept], mine[name]), (i, name)
        label, expected = (
            (mine["start_positions"], mine["end_positions"]),
            (row["start_positions"], row["end_positions"]),
        )
        if expected[0] > expected[1]:
            crossed, expected = crossed + 1, expected[::-1]
        elif (
            label != expected and examples[features.example_index[i]].answers[0].text[-1].isspace()
        ):
            spaced, expected = spaced + 1, (expected[0], expected[1] - 1)
        assert label == expected, i
    return len(features), crossed, spaced


if __name__ == "__main__":
    with command_line("benchmarks/features.py"):
        main()
