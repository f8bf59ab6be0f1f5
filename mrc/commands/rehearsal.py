"""`mrc train --dry-run`: all of a run but its length; nothing is written."""

import math
from pathlib import Path

from mrc.commands.estimate import Timing, disk_space, time_scoring, time_training
from mrc.config.hub import check_token
from mrc.config.train import TrainConfig
from mrc.data.loading import report_data_problems
from mrc.errors import InputError
from mrc.features.batching import TrainingLoader
from mrc.features.dataset import FeatureDataset
from mrc.runtime.machine import Memory, free_disk, main_memory
from mrc.runtime.memory import peak_memory_mb
from mrc.runtime.tables import value_table
from mrc.runtime.terminal import phase
from mrc.runtime.torchrun import is_under_torchrun
from mrc.runtime.units import size_text, time_text
from mrc.training.advice import advice_at_start
from mrc.training.description import describe_steps, head_text, parameters_text
from mrc.training.parts import Parts, make_parts
from mrc.training.preparation import Prepared, prepare
from mrc.training.run_folder import RUNS, check_is_free, run_name
from mrc.wording import counted

Rows = list[tuple[str, object]]


def rehearse(config: TrainConfig) -> None:
    """Read the data, make the model, take a few steps, and print what the run would take.

    Raises InputError for whatever would keep the run from starting, but for what only the hub can
    tell.
    """
    check_can_be_rehearsed(config)
    folder = Path(config.output_dir) if config.output_dir else RUNS / run_name(config)
    if config.output_dir:
        check_is_free(folder)
    if config.push_to_hub:
        check_token(config.push_to_hub)
    memory_before = main_memory()

    run = prepare(config)
    parts = make_parts(run.model, run.train_set, run.eval_set, config, device=run.device)
    print_plan(config, run, parts)
    with phase("taking a few steps"):
        training = time_training(parts, parts.total_steps)
    scoring = Timing(0.0, 0)
    if run.eval_set is not None:
        with phase("scoring a few questions"):
            scoring = time_scoring(run, parts, config)
    peak = (peak_memory_mb(run.device) or 0) * 2**20
    rows = [
        *time_rows(training, scoring, count_scorings(config, parts)),
        memory_row(run, peak, memory_before),
        disk_row(parts, config, folder),
    ]
    cache = f" but the feature cache, {config.feature_cache}" if config.feature_cache else ""
    print(f"{value_table(rows)}\n\nNothing was written{cache}.")


def print_plan(config: TrainConfig, run: Prepared, parts: Parts) -> None:
    """Print what would be trained on what, and what is odd about it."""
    print(value_table([*data_rows(run), model_row(run), *step_rows(config, parts)]))
    report_data_problems(run.train_set, run.eval_set, run.left_out, folder=None)
    for line in advice_at_start(config, run):
        print(line)
    print(flush=True)


def check_can_be_rehearsed(config: TrainConfig) -> None:
    """Raise InputError for a run that one process cannot stand for, and for one that is resumed."""
    if config.resume:
        raise InputError(
            "--dry-run is for a new run, and --resume goes on with one; remove one of them."
        )
    if config.fsdp or is_under_torchrun():
        raise InputError(
            "--dry-run takes its steps in one process; start it without torchrun and --fsdp."
        )


def data_rows(run: Prepared) -> Rows:
    """What is trained on and scored on."""
    rows: Rows = [("data", _counts(run.train_set))]
    if run.eval_set is None:
        return [*rows, ("validation", "none: the last checkpoint counts")]
    return [*rows, ("validation", _counts(run.eval_set))]


def model_row(run: Prepared) -> tuple[str, str]:
    """What is trained, and where."""
    return "model", f"{parameters_text(run.model)}, {head_text(run.model)}, on {run.device}"


def step_rows(config: TrainConfig, parts: Parts) -> Rows:
    """How many steps there are, how large, and how much of them is padding."""
    assert isinstance(parts.loader, TrainingLoader)
    described = describe_steps(
        config,
        parts.total_steps,
        model=parts.model,
        precision=parts.take_step.precision,
        processes=1,
        has_own_loader=False,
    )
    steps = list(parts.loader.sampler.step_batches())
    padding = 1 - sum(step.tokens for step in steps) / sum(step.padded_tokens for step in steps)
    scorings = count_scorings(config, parts)
    what = "saved" if parts.metrics is None else "scored and saved"
    return [
        ("training", f"{described}; an epoch has {len(parts.loader)}"),
        ("checkpoints", f"{what} {scorings} times" if scorings > 1 else f"{what} once, at the end"),
        ("padding", f"{100 * padding:.1f} % of the tokens"),
    ]


def count_scorings(config: TrainConfig, parts: Parts) -> int:
    """How often the run is scored, if there is something to score, and saved."""
    every = config.eval_every or len(parts.loader)
    return math.ceil(parts.total_steps / every)


def time_rows(training: Timing, scoring: Timing, scorings: int) -> Rows:
    """How long the run takes."""
    total = training.seconds + scorings * scoring.seconds
    steps = counted(training.sample, "step")
    rows: Rows = [
        ("time", f"about {time_text(total)}; saving comes on top"),
        ("  training", f"{time_text(training.seconds)} (estimated from {steps})"),
    ]
    if scoring.sample:
        features = counted(scoring.sample, "feature")
        each = f"{scorings} x {time_text(scoring.seconds)}"
        rows.append(("  scoring", f"{each} (estimated from {features})"))
    return rows


def memory_row(run: Prepared, peak: float, before: Memory) -> tuple[str, str]:
    """How much memory the run takes, and whether it is there."""
    if not peak:
        return "memory", "unknown: this system does not tell"
    shown = f"about {size_text(peak)}"
    # Memory of a GPU would have run out by now.
    if run.device.type == "cuda" or before.free is None:
        return "memory", shown
    enough = "" if peak < before.free else ": NOT ENOUGH, use a smaller --batch-size"
    return "memory", f"{shown}; {size_text(before.free)} are free{enough}"


def disk_row(parts: Parts, config: TrainConfig, folder: Path) -> tuple[str, str]:
    """How much room the checkpoints take, and whether it is there."""
    free = free_disk(folder)
    needed = disk_space(parts, config.keep)
    enough = "" if needed < free else ": NOT ENOUGH, use --keep 0 or another --output-dir"
    return "disk", f"at most {size_text(needed)} in {folder}; {size_text(free)} are free{enough}"


def _counts(dataset: FeatureDataset) -> str:
    questions = counted(len(dataset.examples), "question")
    longest = int(dataset.lengths.max(initial=0))
    return f"{questions}, {counted(len(dataset), 'feature')} of up to {longest} tokens"
