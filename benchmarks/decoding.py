"""From logits to n-best answers: this project against the reference recipe's loops.

    python benchmarks/decoding.py [--features 10000 20000 40000] [--length 384] [--batch 64]
        [--device cpu]

Both sides get the same logits and make every example's n best texts with their probabilities, each
in a process of its own, so that its peak memory is its own. The logits are random, which is hard
on both: few of a feature's 400 pairs are ruled out before they are looked at. The answers of the
two are compared before anything is printed.
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import torch

from mrc.data.examples import Example
from mrc.data.sample import sample_examples
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.metrics import Metrics
from mrc.model.tokenizer import train_tokenizer

N_BEST, MAX_ANSWER_LENGTH = 20, 30


def make_dataset(features, length):
    """Questions on long contexts, about three in ten of two windows, for so many windows."""
    sample = sample_examples("validation")
    tokenizer = train_tokenizer(
        text for example in sample for text in (example.question, example.context)
    )
    contexts = list(dict.fromkeys(example.context for example in sample))
    long = [
        " ".join(contexts[i : i + (7 if i % 10 < 3 else 4)]) for i in range(0, len(contexts) - 7, 2)
    ]
    examples = [
        Example(str(n), sample[n % len(sample)].question, long[n % len(long)])
        for n in range(features)
    ]
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(max_length=length, stride=length // 3),
    )
    kept = int(dataset.example_index[features - 1]) + 1
    return FeatureDataset(
        examples[:kept],
        tokenizer,
        WindowSettings(max_length=length, stride=length // 3),
    )


def make_batches(dataset, batch, width, device):
    """(feature indices, start logits, end logits), the same each time: (batch, width) logits."""
    rng = np.random.default_rng(0)
    for at in range(0, len(dataset), batch):
        indices = np.arange(at, min(at + batch, len(dataset)))
        logits = rng.standard_normal((2, len(indices), width), dtype=np.float32)
        yield (
            indices,
            torch.from_numpy(logits[0]).to(device),
            torch.from_numpy(logits[1]).to(device),
        )


def ours(dataset, batches):
    metrics = Metrics(dataset, n_best=N_BEST, max_answer_length=MAX_ANSWER_LENGTH)
    for batch in batches:
        metrics.update(*batch)
    metrics.compute()
    return metrics.n_best


def reference(dataset, batches):
    """The recipe: gather all logits, then numpy's sort and Python loops, example by example.

    Stable sorts break ties as this project does, so that the answers can be compared.
    """
    start_logits = []
    end_logits = []
    for _, start, end in batches:
        start_logits.extend(start.cpu().numpy())
        end_logits.extend(end.cpu().numpy())
    offset_mapping = [
        [tuple(o) if o[0] >= 0 else None for o in dataset.offsets(f).tolist()]
        for f in range(len(dataset))
    ]
    features_of = defaultdict(list)
    for f, e in enumerate(dataset.example_index.tolist()):
        features_of[e].append(f)

    n_best = {}
    for e, example in enumerate(dataset.examples):
        candidates = []
        for f in features_of[e]:
            offsets = offset_mapping[f]
            starts = start_logits[f]
            ends = end_logits[f]
            best_ends = sorted(np.argsort(-ends[: len(offsets)], kind="stable")[:N_BEST].tolist())
            for s in sorted(np.argsort(-starts[: len(offsets)], kind="stable")[:N_BEST].tolist()):
                for t in best_ends:
                    if (
                        offsets[s] is None
                        or offsets[t] is None
                        or t < s
                        or t - s + 1 > MAX_ANSWER_LENGTH
                    ):
                        continue
                    candidates.append(
                        {
                            "offsets": (offsets[s][0], offsets[t][1]),
                            "score": starts[s] + ends[t],
                            "start_logit": starts[s],
                            "end_logit": ends[t],
                        }
                    )
        candidates = sorted(candidates, key=lambda c: c["score"], reverse=True)[:N_BEST]
        scores = np.array([c["score"] for c in candidates], dtype=np.float64)
        weights = np.exp(scores - scores.max()) if len(scores) else scores
        probabilities = (weights / weights.sum()).tolist()
        n_best[example.id] = [
            {
                "text": example.context[c["offsets"][0] : c["offsets"][1]],
                "probability": p,
                "start_logit": c["start_logit"],
                "end_logit": c["end_logit"],
            }
            for c, p in zip(candidates, probabilities, strict=True)
        ]
    return n_best


def measure(side, features, length, batch, device):
    """Time one side in this process, and print what it took as JSON."""
    dataset = make_dataset(features, length)
    # The seconds that the logits took, which are no part of the work.
    drawing = 0.0

    def batches():
        nonlocal drawing
        started = time.perf_counter()
        for drawn in make_batches(dataset, batch, length, device):
            drawing += time.perf_counter() - started
            yield drawn
            started = time.perf_counter()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    n_best = {"ours": ours, "reference": reference}[side](dataset, batches())
    seconds = time.perf_counter() - started - drawing
    megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    rounded = [
        [i, [(span["text"], round(span["probability"], 5)) for span in spans]]
        for i, spans in n_best.items()
    ]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "examples": len(dataset.examples),
                "features": len(dataset),
                "mb": megabytes,
                "answers": hashlib.sha256(json.dumps(rounded).encode()).hexdigest(),
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, nargs="+", default=[10_000, 20_000, 40_000])
    parser.add_argument("--length", type=int, default=384)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--side", choices=("ours", "reference"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        measure(args.side, args.features[0], args.length, args.batch, args.device)
        return
    print(f"{'features':>8} {'examples':>8}   {'reference':>22}   {'ours':>22}   ratio")
    for features in args.features:
        command = [
            sys.executable,
            __file__,
            "--features",
            str(features),
            "--length",
            str(args.length),
            "--batch",
            str(args.batch),
            "--device",
            args.device,
        ]
        theirs, mine = (
            json.loads(
                subprocess.run(
                    [*command, "--side", side], check=True, capture_output=True, text=True
                ).stdout
            )
            for side in ("reference", "ours")
        )
        assert theirs["answers"] == mine["answers"], "the two sides answer differently"
        cells = (
            f"{side['examples'] / side['seconds']:8.0f}/s {side['mb']:8.0f} MB"
            for side in (theirs, mine)
        )
        ratio = theirs["seconds"] / mine["seconds"]
        print(
            f"{mine['features']:8} {mine['examples']:8}   "
            f"{next(cells):>22}   {next(cells):>22}   {ratio:5.1f}"
        )


if __name__ == "__main__":
    main()
