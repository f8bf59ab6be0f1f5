"""Questions per second: the Reader against a plain loop over AutoModelForQuestionAnswering.

    python benchmarks/reader.py CHECKPOINT --data xquad.en.json [--questions 1000]
        [--loop-questions 200] [--rounds 3] [--device cpu]

The loop takes one question after another: tokenize, one forward pass per window without padding,
softmax, outer product, best cell. Its answers and the Reader's are compared before anything is
printed. The sides take turns, round by round, in one process, and the median of each counts, since
other work may share the machine. The loop answers the first --loop-questions only, the Reader all.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from transformers import AutoModelForQuestionAnswering, AutoTokenizer

from mrc.checkpoint.loading import find_checkpoint
from mrc.data.loading import load_examples
from mrc.reader.reader import Reader

MAX_ANSWER_LEN = 15
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.2}


class Loop:
    """What is left to users of Transformers: the pipeline's arithmetic, one question at a time."""

    def __init__(self, checkpoint, device, dtype, padding):
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.padding = padding
        self.device = device
        self.model = (
            AutoModelForQuestionAnswering.from_pretrained(checkpoint, dtype=getattr(torch, dtype))
            .to(device)
            .eval()
        )

    @torch.inference_mode()
    def __call__(self, question, context, length, stride):
        encoded = self.tokenizer(
            question,
            context,
            truncation="only_second",
            max_length=length,
            stride=stride,
            padding=self.padding,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        best = {"score": -1.0}
        for w in range(len(encoded["input_ids"])):
            inputs = {
                name: torch.tensor([encoded[name][w]], device=self.device)
                for name in self.tokenizer.model_input_names
            }
            output = self.model(**inputs)
            in_context = np.array([sequence == 1 for sequence in encoded.sequence_ids(w)])
            weighed = in_context | (
                np.array(encoded["input_ids"][w]) == self.tokenizer.cls_token_id
            )
            logits = torch.cat([output.start_logits, output.end_logits]).float().cpu().numpy()
            start, end = (_softmax(np.where(weighed, side, -1e4)) for side in logits)
            grid = np.tril(
                np.triu(np.outer(start * in_context, end * in_context)), MAX_ANSWER_LEN - 1
            )
            first, last = np.unravel_index(grid.argmax(), grid.shape)
            if grid[first, last] > best["score"]:
                begin = encoded["offset_mapping"][w][first][0]
                stop = encoded["offset_mapping"][w][last][1]
                best = {
                    "score": float(grid[first, last]),
                    "start": begin,
                    "end": stop,
                    "answer": context[begin:stop],
                }
        return best


def _softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def timed(ask, examples):
    """The answers, and the seconds that each took."""
    answers = []
    seconds = []
    for example in examples:
        started = time.perf_counter()
        answers.append(ask(example))
        seconds.append(time.perf_counter() - started)
    return answers, seconds


def check(theirs, mine, tolerance):
    """The two sides must answer alike where the best answer is not a near tie."""
    for n, (a, b) in enumerate(zip(theirs, mine, strict=True)):
        assert abs(a["score"] - b["score"]) <= tolerance, (
            f"the sides answer question {n} differently: {a}, {b}"
        )
    return sum(a["answer"].strip() != b["answer"] for a, b in zip(theirs, mine, strict=True))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint")
    parser.add_argument(
        "--data", nargs="+", required=True, help="files of questions, which are mixed"
    )
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--loop-questions", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=TOLERANCE,
        help="of the Reader; the loop stays in float32",
    )
    args = parser.parse_args()
    checkpoint = find_checkpoint(args.checkpoint)
    files = [load_examples(path) for path in args.data]
    examples = [example for group in zip(*files, strict=True) for example in group]
    examples = [
        examples[n] for n in np.random.default_rng(0).permutation(len(examples))[: args.questions]
    ]
    few = examples[: args.loop_questions]

    reader = Reader.from_pretrained(checkpoint, device=args.device, dtype=args.dtype)
    length = reader.max_seq_len
    stride = reader.doc_stride
    loops = {
        name: Loop(checkpoint, args.device, "float32", padding)
        for name, padding in (("loop", False), ("loop, padded", "max_length"))
    }
    one_by_one = {
        name: lambda e, loop=loop: loop(e.question, e.context, length, stride)
        for name, loop in loops.items()
    }
    one_by_one["Reader, one by one"] = lambda e: reader(e, align_to_words=False)
    latency = {name: [] for name in one_by_one}
    rates = {name: [] for name in (*one_by_one, "Reader")}
    for ask in one_by_one.values():
        # To warm up.
        timed(ask, few[:3])
    for _ in range(args.rounds):
        answers = {}
        for name, ask in one_by_one.items():
            answers[name], seconds = timed(ask, few)
            latency[name] += seconds
            rates[name].append(len(few) / sum(seconds))
        started = time.perf_counter()
        answers["Reader"] = reader(examples, align_to_words=False)
        rates["Reader"].append(len(examples) / (time.perf_counter() - started))
    ties = check(answers["loop"], answers["Reader"][: len(few)], TOLERANCE[args.dtype])

    print(
        f"{len(examples)} questions, {args.dtype}, {args.device}, "
        f"{torch.get_num_threads()} threads; of {len(few)} answers {ties} differ, "
        f"with scores that do not differ by more than {TOLERANCE[args.dtype]}"
    )
    print(f"{'':20} {'questions/s':>11} {'ratio':>6} {'p50 ms':>8} {'p95 ms':>8}")
    base = statistics.median(rates["loop"])
    for name, found in rates.items():
        shown = (
            [f"{1000 * np.percentile(latency[name], q):8.1f}" for q in (50, 95)]
            if name in latency
            else []
        )
        rate = statistics.median(found)
        print(f"{name:20} {rate:11.1f} {rate / base:6.2f} {' '.join(shown)}")


if __name__ == "__main__":
    main()
