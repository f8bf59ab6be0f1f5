"""The story of a training run, from its settings to its last line.

The loop is in mrc/training/trainer.py.
"""

from pathlib import Path
from typing import Any

import torch

from mrc.checkpoint.hub import prepare_repo, push
from mrc.checkpoint.store import BEST
from mrc.config.command_line import program
from mrc.config.config_file import TRUST
from mrc.config.hub import check_token
from mrc.config.train import TrainConfig
from mrc.data.loading import report_data_problems
from mrc.errors import InputError, expect
from mrc.files import STDIN
from mrc.metrics.scoring import SHORT_NAMES
from mrc.runtime.processes import World, processes
from mrc.runtime.tables import value_table
from mrc.training.advice import advice_at_start, model_reminder
from mrc.training.description import head_text, parameters_text
from mrc.training.preparation import Prepared, prepare
from mrc.training.resume import check_same_data, find_run, run_to_resume, was_in_memory
from mrc.training.run_folder import (
    as_recorded,
    check_is_free,
    latest_run_folder,
    record_resumption,
    remove_unstarted_run,
    run_lock,
    run_name,
    start_run,
)
from mrc.training.trainer import Trainer
from mrc.wording import counted


def train(config: TrainConfig) -> dict[str, Any]:
    """Train a reader, and return what the run's metrics.json holds.

    It does what `train.py` and `mrc train` do: it prints how the run goes, and leaves the run's
    folder with its log and its checkpoints::

        results = mrc.train(TrainConfig(model="klue/bert-base", train_file="train.json", epochs=2))

    Raises InputError for settings or data that cannot be used, and Stopped, once all is saved, if
    SIGINT or SIGTERM ends the run.
    """
    expect(config, TrainConfig, "train: config", "a TrainConfig, as in TrainConfig(epochs=2)")
    # One process, unless torchrun has started several, each of which runs this.
    with processes(config.device) as world:
        # Before its checkpoints are read: another process may be about to write them.
        resumed = run_to_resume(config, latest_run_folder(run_name(config)))
        # Before hours of reading and tokenizing.
        if config.output_dir and not config.resume and world.is_main:
            check_is_free(Path(config.output_dir))
        with run_lock(resumed, world):
            return train_in_process(config, world)


def train_in_process(config: TrainConfig, world: World) -> dict[str, Any]:
    """Train a reader in one of the processes that share the run."""
    check_processes(config, world)
    # A new run, or one to resume: from here on, `config` is then that run's.
    name = run_name(config)
    checkpoint, config = checkpoint_to_resume(config, name, world)
    if config.push_to_hub and world.is_main:
        check_token(config.push_to_hub)
    run = prepare(config, checkpoint)

    # With text in place of data given from Python, as the run and its checkpoints record it.
    recorded = as_recorded(config)
    # The run's folder, which one process creates.
    folder = make_run_folder(config, recorded, name, checkpoint, world)
    print(describe(run, folder, is_new=checkpoint is None))
    for line in advice_at_start(config, run):
        print(line)
    if world.is_main:
        report_data_problems(run.train_set, run.eval_set, run.left_out, folder)

    # The loop.
    trainer = make_trainer(run, recorded, folder, world, is_new=checkpoint is None)
    print(trainer.describe())
    if world.rank:
        # All processes have made the same model. From here on, each draws its own dropout.
        torch.manual_seed(config.seed + world.rank)
    if checkpoint:
        # `make_model` has loaded the weights.
        trainer.resume(checkpoint, load_weights=False)
        print(describe_resumed(trainer, checkpoint))
    results = trainer.fit()

    print(summary(results, folder, recorded))
    reminder = model_reminder(config, run.train_set.examples)
    if reminder:
        print(reminder)
    if config.push_to_hub and world.is_main:
        print(f"pushed to {push(folder / BEST, config.push_to_hub)}", flush=True)
    return results


def check_processes(config: TrainConfig, world: World) -> None:
    """Raise InputError if the model is to be sharded over a single process."""
    if config.fsdp and world.size == 1:
        raise InputError(
            "--fsdp shards the model over several processes; start them with "
            "torchrun --nproc_per_node=N train.py ..."
        )


def checkpoint_to_resume(
    config: TrainConfig, name: str, world: World
) -> tuple[Path | None, TrainConfig]:
    """Return the checkpoint to resume from, None for a new run; and the config to go on with."""
    if not config.resume:
        return None, config
    checkpoint, resumed = find_run(config, latest_run_folder(name), world.size)
    if checkpoint:
        check_same_data(resumed, checkpoint)
    return checkpoint, resumed


def make_run_folder(
    config: TrainConfig,
    recorded: TrainConfig,
    name: str,
    checkpoint: Path | None,
    world: World,
) -> Path:
    """Return the folder of the run in every process; the main one creates or updates it."""
    folder = None
    if world.is_main:
        if config.push_to_hub:
            # A missing token or permission shows now, and not after days of training.
            prepare_repo(config.push_to_hub)
        if checkpoint:
            folder = checkpoint.parent
            record_resumption(recorded, folder)
        else:
            folder = start_run(config, recorded, name)
    return world.broadcast(folder)


def make_trainer(
    run: Prepared, recorded: TrainConfig, folder: Path, world: World, *, is_new: bool
) -> Trainer:
    """Make the Trainer of a run. If it is refused, nothing is left of a new run's folder."""
    try:
        return Trainer(
            run.model,
            run.tokenizer,
            run.train_set,
            run.eval_set,
            recorded,
            folder=folder,
            device=run.device,
            world=world,
            config=recorded,
        )
    except InputError:
        # A setting does not suit the model or the data: nothing was trained yet.
        if world.is_main and is_new:
            remove_unstarted_run(folder)
        raise


def describe(run: Prepared, folder: Path, *, is_new: bool) -> str:
    """Return a line on what is trained on what."""
    questions = counted(len(run.train_set.examples), "question")
    features = counted(len(run.train_set), "feature")
    head = f", {head_text(run.model)}" if is_new else ""
    return (
        f"{questions}, {features}; {parameters_text(run.model)}{head}; {run.device}; "
        f"run in {folder}"
    )


def describe_resumed(trainer: Trainer, checkpoint: Path) -> str:
    """Return a line on where a run is resumed, or that it is complete."""
    where = f"step {trainer.progress.step} of {trainer.total_steps}"
    is_complete = trainer.is_finished() and not trainer.scoring_is_due()
    if not is_complete:
        return f"resuming from {checkpoint}, {where}"
    folder = trainer.folder
    return (
        f"{folder} is complete, at {where}; to train its reader further, start a run with "
        f"--model {folder / BEST}"
    )


def summary(results: dict[str, Any], folder: Path, config: TrainConfig) -> str:
    """Return the results of a run as a small table, and the command to go on with."""
    rows: list[tuple[str, object]] = []
    for name, short_name in SHORT_NAMES.items():
        if name in results:
            rows.append((short_name, f"{results[name]:.2f}"))
    is_scored = bool(rows)
    if "eval_loss" in results:
        rows.append(("eval loss", f"{results['eval_loss']:.3f}"))
    if is_scored:
        rows += [("questions", results["total"]), ("scorer", results["scorer"])]
    if not is_scored:
        rows.append(("best", "the last: nothing was scored"))
    elif config.eval_every is None:
        rows.append(("best epoch", f"{results['epoch']} of {results['epochs']}"))
    else:
        rows.append(("best step", f"{results['step']} of {results['steps']}"))
    rows.append(("seconds", f"{results['seconds']:.0f}"))
    rows.append(("features/s", f"{results['features_per_second']:.1f}"))
    if results["peak_memory_mb"]:
        rows.append(("peak memory", f"{results['peak_memory_mb']:.0f} MB"))
    rows.append(("checkpoint", folder / BEST))
    return f"\n{value_table(rows)}\n\nNext: {how_to_evaluate(config, folder)}"


def how_to_evaluate(config: TrainConfig, folder: Path) -> str:
    """Return the command, or the line of Python, that scores the reader of a run."""
    if was_in_memory(config.validation_file or config.train_file):
        trusted = [name for name in TRUST if getattr(config, name)]
        more = "".join(f", {name}=..." for name in trusted)
        return f'mrc.evaluate(EvalConfig(checkpoint="{folder}", data=...{more}))'
    # What came through standard input is gone.
    can_be_read = config.has_validation_data and STDIN not in (
        config.train_file,
        config.validation_file,
    )
    data = "" if can_be_read else " --data FILE"
    return f"{program('evaluate')} --checkpoint {folder}{config.trust_flags()}{data}"
