"""Training: this project against the Hugging Face recipe, on the same encoder and windows.

    python benchmarks/train.py --model ENCODER --data train.json
    python benchmarks/train.py --model ENCODER --data train.json \\
        --device cuda --precision bf16 --batch-size 32 --features 4096
    python benchmarks/train.py --model ENCODER --data train.json \\
        --features 768 --learning-rate 2e-4 --score dev.json --seeds 1 2 3

The recipe is that of Hugging Face's course and examples: `datasets.map` over windows,
`AutoModelForQuestionAnswering`, `DataCollatorWithPadding`, a shuffled DataLoader, AdamW with linear
warm-up, and clipping (pip install -e ".[bench]"). Both sides train one epoch on the same windows.
Each runs in its own process, so that its peak memory is its own, and the clock starts when data
and model are ready. "matrix products" is how fast the device multiplies matrices of the encoder's
sizes and nothing else.

With --score the trained models are compared as well: each seed trains both, and evaluate.py scores
both with the same settings.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).parents[1]


def ours(args):
    import torch

    import mrc.training.step as step_module
    from mrc.config.train import TrainConfig
    from mrc.model.baseline import BaselineModel
    from mrc.model.tokenizer import load_tokenizer
    from mrc.runtime.memory import peak_memory_mb
    from mrc.training.trainer import Trainer

    tokenizer = load_tokenizer(args.model)
    dataset = make_dataset(args)
    model = BaselineModel.from_pretrained(args.model)
    config = TrainConfig(
        model=args.model,
        epochs=1,
        batch_size=args.batch_size,
        precision=args.precision,
        log_every=1000,
        learning_rate=args.learning_rate,
        seed=args.this_seed,
    )
    # Seconds in the model, its backward pass and the optimizer: what no loop can save.
    inside = 0.0

    def timed(function):
        @functools.wraps(function)
        def call(*arguments, **named):
            nonlocal inside
            started = time.perf_counter()
            result = function(*arguments, **named)
            inside += time.perf_counter() - started
            return result

        return call

    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model, tokenizer, dataset, None, config, folder=folder, device=args.device
        )
        trainer.save = lambda *arguments, **named: None
        trainer.model.forward = timed(trainer.model.forward)
        torch.Tensor.backward = timed(torch.Tensor.backward)
        optimizer = trainer.take_step.optimizer
        optimizer.step = timed(optimizer.step)
        step_module.clip_grad_norm_ = timed(step_module.clip_grad_norm_)
        started = time.process_time()
        results = trainer.fit()
        cpu = time.process_time() - started
    seconds = results["train_seconds"]
    done = trainer.progress
    measured = {
        "features": len(dataset),
        "seconds": seconds,
        "cpu": cpu,
        "mb": peak_memory_mb(trainer.precision.device),
        "padding": 1 - done.tokens / done.padded_tokens,
        "flops": done.flops,
        "overhead": 1 - inside / seconds,
    }
    keep(model, tokenizer, args.keep)
    return measured


def recipe(args):
    import torch
    from datasets import Dataset
    from transformers import (
        AutoModelForQuestionAnswering,
        AutoTokenizer,
        DataCollatorWithPadding,
        get_linear_schedule_with_warmup,
    )

    from mrc.data.loading import load_examples
    from mrc.runtime.device import autocast, choose_precision
    from mrc.runtime.memory import peak_memory_mb
    from mrc.training.flops import FlopCounter

    tokenizer = AutoTokenizer.from_pretrained(args.model)
    examples = load_examples(args.data).trainable()[: len(make_dataset(args).examples)]

    def prepare(batch):
        encoded = tokenizer(
            batch["question"],
            batch["context"],
            truncation="only_second",
            max_length=384,
            stride=128,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        starts = []
        ends = []
        for i, offsets in enumerate(encoded.pop("offset_mapping")):
            sample = encoded["overflow_to_sample_mapping"][i]
            begin = batch["begin"][sample]
            end = batch["end"][sample]
            context = [k for k, s in enumerate(encoded.sequence_ids(i)) if s == 1]
            first, last = context[0], context[-1]
            if offsets[first][0] > begin or offsets[last][1] < end:
                starts.append(0)
                ends.append(0)
                continue
            while first < len(offsets) and offsets[first][0] <= begin:
                first += 1
            while offsets[last][1] >= end:
                last -= 1
            starts.append(first - 1)
            ends.append(last + 1)
        encoded.pop("overflow_to_sample_mapping")
        return {**encoded, "start_positions": starts, "end_positions": ends}

    rows = [
        {
            "question": e.question,
            "context": e.context,
            "begin": e.answers[0].start,
            "end": e.answers[0].start + len(e.answers[0].text),
        }
        for e in examples
    ]
    dataset = Dataset.from_list(rows).map(
        prepare, batched=True, remove_columns=["question", "context", "begin", "end"]
    )
    dataset.set_format("torch")
    loader = torch.utils.data.DataLoader(
        dataset, args.batch_size, shuffle=True, collate_fn=DataCollatorWithPadding(tokenizer)
    )
    device = torch.device(args.device)
    model = AutoModelForQuestionAnswering.from_pretrained(args.model).to(device).train()
    precision = choose_precision(args.precision, device)
    work = FlopCounter(model, device, precision)
    work.attention = model.config.num_hidden_layers * model.config.hidden_size
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.learning_rate, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, len(loader) // 10, len(loader))
    tokens = cells = flops = 0
    started = time.perf_counter()
    cpu_started = time.process_time()
    for batch in loader:
        rows, length = batch["input_ids"].shape
        tokens += int(batch["attention_mask"].sum())
        cells += rows * length
        flops += work.of_step(rows * length, rows)
        with autocast(device, precision):
            loss = model(**{name: tensor.to(device) for name, tensor in batch.items()}).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    # Wait for the device.
    loss.item()
    measured = {
        "features": len(dataset),
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu_started,
        "mb": peak_memory_mb(device),
        "padding": 1 - tokens / cells,
        "flops": flops,
    }
    keep(model, tokenizer, args.keep)
    return measured


def keep(model, tokenizer, folder):
    """Save a trained model as a Hugging Face checkpoint, if it is to be scored."""
    if folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def make_dataset(args):
    """The windows of the first questions, as many as fit into --features windows."""
    from mrc.data.loading import load_examples
    from mrc.features.dataset import FeatureDataset
    from mrc.model.tokenizer import load_tokenizer

    examples = load_examples(args.data).trainable()
    tokenizer = load_tokenizer(args.model)
    count = min(args.features, len(examples))
    windows = FeatureDataset(examples[:count], tokenizer).windows.cumsum()
    return FeatureDataset(examples.head(int((windows <= args.features).sum())), tokenizer)


def products(args):
    """FLOP/s of matrix products alone, of the encoder's sizes."""
    import torch
    from transformers import AutoConfig

    from mrc.runtime.device import DTYPES, choose_precision

    config = AutoConfig.from_pretrained(args.model)
    device = torch.device(args.device)
    dtype = DTYPES.get(choose_precision(args.precision, device), torch.float32)
    a = torch.randn(args.batch_size * 320, config.hidden_size, device=device, dtype=dtype)
    b = torch.randn(config.hidden_size, config.intermediate_size, device=device, dtype=dtype)
    (a @ b)[0, 0].item()
    times = 0
    started = time.perf_counter()
    while time.perf_counter() - started < 2:
        for _ in range(10):
            c = a @ b
        c[0, 0].item()
        times += 10
    return {"rate": times * 2 * a.numel() * b.shape[1] / (time.perf_counter() - started)}


SIDES = {"recipe": recipe, "ours": ours, "products": products}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16", "fp16"))
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--score", metavar="DEV.json", help="score what was trained")
    parser.add_argument(
        "--questions", type=int, default=500, help="how many of its questions (default: 500)"
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0], help="train both once with each"
    )
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--this-seed", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keep", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        import torch

        torch.set_num_threads(args.threads)
        torch.manual_seed(args.this_seed)
        print(json.dumps(SIDES[args.side](args)))
        return

    def run(script, *flags):
        environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, script, *flags],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        return done.stdout

    def measure(side, seed=args.seeds[0]):
        """Train one side, and score it if asked to."""
        with tempfile.TemporaryDirectory() as folder:
            flags = [
                *sys.argv[1:],
                "--side",
                side,
                "--this-seed",
                str(seed),
                *(["--keep", folder] if args.score else []),
            ]
            measured = json.loads(run(__file__, *flags).splitlines()[-1])
            if args.score and side != "products":
                run(
                    ROOT / "evaluate.py",
                    "--checkpoint",
                    folder,
                    "--data",
                    args.score,
                    "--max-eval-examples",
                    str(args.questions),
                    "--max-length",
                    "384",
                    "--stride",
                    "128",
                    "--device",
                    args.device,
                    "--precision",
                    args.precision,
                    "--output-dir",
                    f"{folder}/scores",
                )
                measured["scores"] = json.loads(Path(folder, "scores", "metrics.json").read_text())
        return measured

    rate = measure("products")["rate"]
    theirs = measure("recipe")
    mine = measure("ours")
    assert theirs["features"] == mine["features"], "the two sides trained on different windows"
    print(
        f"{mine['features']} windows, batches of {args.batch_size}, "
        f"{args.device}, {args.precision}; "
        f"matrix products {rate / 1e9:.0f} GFLOP/s\n"
    )
    print(f"{'':10} {'features/s':>10} {'padding':>8} {'of products':>12} {'peak memory':>12}")
    for name, side in (("recipe", theirs), ("ours", mine)):
        speed = side["features"] / side["seconds"]
        of_products = side["flops"] / side["seconds"] / rate
        print(
            f"{name:10} {speed:10.2f} {side['padding']:8.1%} {of_products:12.0%} "
            f"{side['mb']:9.0f} MB"
        )
    print(
        f"\n{theirs['seconds'] / mine['seconds']:.2f} times as fast "
        f"({theirs['cpu'] / mine['cpu']:.2f} by processor time), "
        f"{mine['mb'] / theirs['mb']:.0%} of the memory; "
        "outside the model, its gradient and the optimizer: "
        f"{mine['overhead']:.1%} of our time"
    )
    if args.score:
        from mrc.metrics.scoring import SHORT_NAMES

        names = {name: short for name, short in SHORT_NAMES.items() if name in mine["scores"]}
        print(
            f"\n{'seed':10}",
            *(
                f"{f'{side} {short}':>11}"
                for side in ("recipe", "ours")
                for short in names.values()
            ),
            flush=True,
        )
        rows = []
        for seed in args.seeds:
            if seed == args.seeds[0]:
                sides = (theirs, mine)
            else:
                sides = (measure("recipe", seed), measure("ours", seed))
            rows.append([side["scores"][name] for side in sides for name in names])
            print(f"{seed:<10}", as_row(rows[-1]), flush=True)
        if len(rows) > 1:
            print(f"{'mean':10}", as_row(map(mean, zip(*rows, strict=False))))
            print(f"{'deviation':10}", as_row(map(stdev, zip(*rows, strict=False))))


def as_row(scores):
    return " ".join(f"{score:11.2f}" for score in scores)


if __name__ == "__main__":
    main()
