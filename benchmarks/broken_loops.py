"""The mistakes of docs/course/05-broken.md, each with some seeds, as the table of that page.

usage: python benchmarks/broken_loops.py > runs.jsonl
       python benchmarks/broken_loops.py --table runs.jsonl

The first form runs the page's own functions, about four minutes of one core a seed.
"""

import argparse
import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import mrc

PAGE = Path(__file__).parents[1] / "docs/course/05-broken.md"
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", flags=re.M | re.S)
# The cells that define what the others run: the second to the fourth.
DEFINITIONS = slice(1, 4)

# Mistakes in the loop itself; the right run beside them is "right".
IN_THE_LOOP = (
    "no zero_grad",
    "clip before unscale",
    "schedule before optimizer",
    "schedule once an epoch",
    "sum of micro-batch means",
    "mean of micro-batch means",
    "token types not passed",
    "end is exclusive",
    "labels one token off",
)

# A name, the losses of the steps, and (EM, F1).
Run = tuple[str, list[float], tuple[float, float]]


def definitions() -> dict[str, Any]:
    """The functions of the page."""
    namespace: dict[str, Any] = {"mrc": mrc}
    for cell in CELL.findall(PAGE.read_text("utf-8"))[DEFINITIONS]:
        exec(compile(cell, PAGE.name, "exec"), namespace)
    return namespace


def in_the_loop(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """One line of the loop, or of the evaluation, is wrong."""
    train, score, problem = page["train"], page["score"], page["hometown"]
    model, losses = train(problem, seed=seed)
    yield "right", losses, score(model, problem.eval_set)
    name = "shuffled loader"
    yield name, losses, score(model, problem.eval_set, name)
    for name in IN_THE_LOOP:
        model, losses = train(problem, name, seed)
        yield name, losses, score(model, problem.eval_set, name)


def with_dropout(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """Dropout stays on in the evaluation."""
    problem = page["hometown"]
    model, losses = page["train"](problem, seed=seed, dropout=0.1)
    for name in ("right, dropout", "scored in training mode"):
        yield name, losses, page["score"](model, problem.eval_set, name)


def with_moved_answers(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """Contexts are stripped, and answer_start stays."""
    examples = page["indented"](page["english"], moves_start=False)
    problem = page["Problem"](examples, page["unseen"])
    model, losses = page["train"](problem, seed=seed)
    yield "lstrip, start not moved", losses, page["score"](model, problem.eval_set)


def with_short_windows(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """Contexts have several windows, and some are not trained on."""
    problem = page["Problem"](page["english"], page["unseen"], max_length=64, stride=16)
    for name in ("right, short windows", "first window only"):
        model, losses = page["train"](problem, name, seed)
        yield name, losses, page["score"](model, problem.eval_set)


def with_unanswerable(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """A quarter of the questions have no answer."""
    hometowns = page["hometowns"]
    examples = hometowns("en", "train", unanswerable=True)[:500]
    unseen = hometowns("en", "validation", seeds=range(4), unanswerable=True)
    problem = page["Problem"](examples, unseen, max_length=64, stride=16)
    model, losses = page["train"](problem, seed=seed)
    for name, worst in (("right, null score", "smallest"), ("largest null score", "largest")):
        yield name, losses, page["score_with_null"](model, problem.eval_set, page[worst])


def with_shared_contexts(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """The same model, on questions about new contexts and about those that it was trained on."""
    first, second = page["two_questions"](range(5))
    _, others = page["two_questions"]([5])
    problem = page["Problem"](first[:500], others)
    model, losses = page["train"](problem, seed=seed)
    yield "right, new contexts", losses, page["score"](model, problem.eval_set)
    problem = page["Problem"](first[:500], second[:250])
    yield "split shares contexts", losses, page["score"](model, problem.eval_set)


def in_korean(page: dict[str, Any], seed: int) -> Iterator[Run]:
    """The same Korean answers under two scorers."""
    hometowns = page["hometowns"]
    unseen = hometowns("ko", "validation", seeds=range(6))
    problem = page["Problem"](hometowns("ko", "train")[:500], unseen)
    model, losses = page["train"](problem, seed=seed)
    for name, scorer in (("right, korquad", "korquad"), ("F1 by words", "squad")):
        yield name, losses, page["score"](model, problem.eval_set, scorer=scorer)


GROUPS = {
    "loop": in_the_loop,
    "dropout": with_dropout,
    "moved": with_moved_answers,
    "windows": with_short_windows,
    "null": with_unanswerable,
    "contexts": with_shared_contexts,
    "korean": in_korean,
}


def print_runs(seeds: list[int], groups: list[str]) -> None:
    """Print a line of JSON for each run."""
    page = definitions()
    for seed in seeds:
        for group in groups:
            for name, losses, (exact, f1) in GROUPS[group](page, seed):
                # The mean loss of the last third.
                last_loss = statistics.fmean(losses[-len(losses) // 3 :])
                row = {"run": name, "seed": seed, "loss": last_loss, "exact": exact, "f1": f1}
                print(json.dumps(row), flush=True)


def print_table(paths: list[str]) -> None:
    """Print a table of the means over the seeds, and the EM of each seed."""
    rows = defaultdict(list)
    for path in paths:
        for line in Path(path).read_text("utf-8").splitlines():
            if line.startswith("{"):
                row = json.loads(line)
                rows[row["run"]].append(row)
    for name, found in rows.items():
        found.sort(key=lambda row: row["seed"])
        loss, exact, f1 = (
            statistics.fmean(row[key] for row in found) for key in ("loss", "exact", "f1")
        )
        each_exact = ", ".join(f"{row['exact']:.0f}" for row in found)
        print(f"| {name} | {loss:.2f} | {exact:.0f} | {each_exact} | {f1:.0f} |")


def main() -> None:
    """Run, or print the table of what was run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--table", nargs="+", metavar="FILE", help="print the table of these runs")
    options = parser.parse_args()
    if options.table:
        print_table(options.table)
        return
    torch.set_num_threads(1)
    print_runs(options.seeds, options.groups)


if __name__ == "__main__":
    main()
