"""Resuming a run: the checkpoint that it goes on from, and with which settings."""

from pathlib import Path

from mrc.checkpoint.store import find_resumable, load_settings, resumable
from mrc.config.train import TrainConfig
from mrc.data.loading import data_hashes
from mrc.errors import InputError
from mrc.files import read_json

# What a resumed run may be given anew. All else is part of what the run is, and stays.
MAY_CHANGE = (
    "resume",
    "output_dir",
    "device",
    "batch_size",
    "gradient_accumulation_steps",
    "max_bad_steps",
    "eval_batch_size",
    "patience",
    "save_every",
    "save_every_minutes",
    "keep",
    "compile",
    "fsdp",
    "gradient_checkpointing",
    "attn_implementation",
    "tf32",
    "log_every",
    "tensorboard",
    "plot",
    "push_to_hub",
    "feature_cache",
)


def same_data(config, checkpoint):
    """Raise InputError if a data file of the run that `checkpoint` is of has changed since the run began."""
    record = Path(checkpoint).parent / "config.json" if checkpoint else None
    if record is None or not record.is_file():
        return
    before = read_json(record).get("data_sha256", {})
    for path, digest in data_hashes(config).items():
        if before.get(path, digest) != digest:
            raise InputError(
                f"--resume {checkpoint}: {path} has changed since the run began; a run goes on with the same data."
            )


def resumed(config, latest, world_size=1):
    """Find what --resume names: -> checkpoint, config to go on with; None, `config` where "auto" finds no run to go on with.

    config: a TrainConfig from the command line; latest: the run's folder that "auto" means where there is no --output-dir, or
    None. The config returned is the run's own, save for settings in MAY_CHANGE that were given. Raises InputError if there is
    nothing to go on with, or what was given does not fit it.
    """
    automatic = config.resume == "auto"
    folder = (config.output_dir or latest) if automatic else config.resume
    if automatic and (folder is None or not resumable(folder)):
        return None, config
    checkpoint = find_resumable(folder, fall_back=automatic)
    if config.output_dir and Path(config.output_dir).resolve() != checkpoint.parent.resolve():
        raise InputError(
            f"--output-dir {config.output_dir}: a resumed run goes on in its own folder, {checkpoint.parent}; "
            "leave the flag out."
        )
    return checkpoint, _settings(config, checkpoint, world_size)


def _settings(config, checkpoint, world_size):
    saved_with = load_settings(checkpoint)
    saved = TrainConfig.from_dict(saved_with["config"])
    given = {
        name: value for name, value in config.given.items() if name not in ("resume", "output_dir")
    }
    for name, value in given.items():
        if name not in MAY_CHANGE and value != getattr(saved, name):
            raise InputError(
                f"--{name.replace('_', '-')} {value}: the run in {checkpoint.parent} was begun with {getattr(saved, name)}, "
                "and a resumed run keeps its settings; leave the flag out, or begin a new run."
            )
    for name in (
        "trust_remote_code",
        "allow_pickle",
        "model_class",
    ):  # a folder must not bring about that code is run
        if getattr(saved, name) and getattr(config, name) != getattr(saved, name):
            raise InputError(
                f"--resume {checkpoint}: the run was begun with{saved.trust_flags()}, by which code or pickles are read; "
                "give that again to go on."
            )
    changed = saved.changed(
        **{name: value for name, value in given.items() if name in MAY_CHANGE},
        output_dir=str(checkpoint.parent),
    )
    if saved.max_tokens_per_batch and "batch_size" in given:
        raise InputError(
            f"--batch-size {config.batch_size}: the run in {checkpoint.parent} has --max-tokens-per-batch in its place; leave "
            "it out."
        )
    parts = saved.gradient_accumulation_steps * saved_with["processes"]
    was = parts if saved.max_tokens_per_batch else parts * saved.batch_size
    if (
        not saved.max_tokens_per_batch
        and not {"batch_size", "gradient_accumulation_steps"} & given.keys()
        and was % world_size == 0
    ):
        changed.batch_size = max(
            size for size in range(1, saved.batch_size + 1) if was // world_size % size == 0
        )
    one_each = world_size * (1 if saved.max_tokens_per_batch else changed.batch_size)
    if "gradient_accumulation_steps" not in given:
        changed.gradient_accumulation_steps = max(1, was // one_each)
    if changed.gradient_accumulation_steps * one_each != was:
        unit = "micro-batches" if saved.max_tokens_per_batch else "windows"
        choose = (
            "a number of processes that"
            if saved.max_tokens_per_batch
            else "processes and a --batch-size whose product"
        )
        raise InputError(
            f"--resume {checkpoint}: a step of this run takes {was} {unit}, and {world_size} processes of "
            f"{one_each // world_size} each cannot share them; choose {choose} divides {was}."
        )
    return changed
