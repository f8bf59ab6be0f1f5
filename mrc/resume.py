"""Going on with a run: what it was doing when it was saved, and with which settings it goes on."""

import random
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from mrc.checkpoint import find_resumable, load_settings, resumable
from mrc.config import InputError, TrainConfig
from mrc.distributed import load_optimizer_state, optimizer_state
from mrc.files import read_json
from mrc.records import data_hashes

FORMAT = 1  # of the state; another version of the program that changes it counts on
# What a resumed run may be given anew. All else is part of what the run is, and stays.
MAY_CHANGE = ("resume", "output_dir", "device", "batch_size", "gradient_accumulation_steps", "max_bad_steps", "eval_batch_size", "patience",
              "save_every", "save_every_minutes", "keep", "compile", "fsdp", "gradient_checkpointing", "attn_implementation", "tf32",
              "log_every", "tensorboard", "plot", "push_to_hub", "feature_cache")


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0  # optimiser steps done
    epoch: int = 0  # epochs done
    step_in_epoch: int = 0  # steps done of the epoch under way
    scored_step: int = 0  # the step at which the model was last scored
    best: dict | None = None  # its scores, with their step and epoch
    without_gain: int = 0  # scorings since the best
    features: int = 0  # trained on so far
    tokens: int = 0  # the same without padding
    cells: int = 0  # the same with padding
    flops: float = 0.0  # in matrix products
    train_seconds: float = 0.0  # that this took, scoring and saving left out
    seconds: float = 0.0  # that the run took, all in all
    bad_steps: int = 0  # steps left out so far, as their loss or gradient was not finite
    bad_in_a_row: int = 0
    losses: list = field(default_factory=list)  # of the steps since the last log line

    def rates(self):
        """What was trained on in a second so far."""
        return {"features_per_second": self.features / self.train_seconds, "tokens_per_second": self.tokens / self.train_seconds}


def same_data(config, checkpoint):
    """Raise InputError if a data file of the run that `checkpoint` is of has changed since the run began."""
    record = Path(checkpoint).parent / "config.json" if checkpoint else None
    if record is None or not record.is_file():
        return
    before = read_json(record).get("data_sha256", {})
    for path, digest in data_hashes(config).items():
        if before.get(path, digest) != digest:
            raise InputError(f"--resume {checkpoint}: {path} has changed since the run began; a run goes on with the same data.")


def capture(trainer):
    """The state of a Trainer, for `restore`, in the main process; None in the others. All processes must call it."""
    random_states = trainer.world.gather(_random_state(trainer.device))
    optimizer = optimizer_state(trainer.optimizer, trainer.world)
    if not trainer.world.is_main:
        return None
    return {"format": FORMAT, "progress": asdict(trainer.progress), "optimizer": optimizer,
            "schedule": trainer.schedule.state_dict(), "scaler": trainer.scaler.state_dict(), "random": random_states,
            # With a moving average, that is what the checkpoint holds as its model; with adapters, what they make of the encoder.
            "trained": [p.detach().clone() for p in _trained(trainer)] if trainer.average or trainer.config.lora_rank else None,
            "features": len(trainer.loader.dataset), "log_bytes": trainer.records.sync()}


def restore(trainer, state):
    """Bring a Trainer, made anew with the model of the checkpoint, to the state in which another was captured.

    Raises InputError if the training data make another number of features than they did.
    """
    if state["format"] != FORMAT:
        raise InputError(f"--resume: the checkpoint is of another version of mrc (state {state['format']}, here {FORMAT}).")
    if state["features"] != len(trainer.loader.dataset):
        raise InputError(f"--resume: the training data make {len(trainer.loader.dataset)} windows, and made {state['features']} when the "
                         "run began; a run goes on with the same data alone.")
    trainer.progress = Progress(**state["progress"])
    load_optimizer_state(trainer.optimizer, state["optimizer"])
    trainer.schedule.load_state_dict(state["schedule"])
    trainer.scaler.load_state_dict(state["scaler"])
    if state["trained"] is not None:
        with torch.no_grad():
            for parameter, value in zip(_trained(trainer), state["trained"], strict=True):
                parameter.copy_(value)
    rank = trainer.world.rank
    if rank < len(state["random"]):
        _set_random_state(state["random"][rank], trainer.device)
    else:  # a process that the run did not have before
        torch.manual_seed(trainer.config.seed + rank + 1000 * trainer.progress.step)
    if trainer.world.is_main:
        trainer.records.cut(state["log_bytes"], trainer.progress.step)


def _trained(trainer):
    return [parameter for parameter in trainer.model.parameters() if parameter.requires_grad]


def _random_state(device):
    """The states of all generators that something in a step may draw from."""
    name, keys, *rest = np.random.get_state()
    state = {"python": random.getstate(), "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest], "torch": torch.get_rng_state()}
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state, device):
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


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
        raise InputError(f"--output-dir {config.output_dir}: a resumed run goes on in its own folder, {checkpoint.parent}; "
                         "leave the flag out.")
    return checkpoint, _settings(config, checkpoint, world_size)


def _settings(config, checkpoint, world_size):
    saved_with = load_settings(checkpoint)
    known = set(TrainConfig().to_dict())
    saved = TrainConfig(**{name: value for name, value in saved_with["config"].items() if name in known})
    given = {name: value for name, value in config.given.items() if name not in ("resume", "output_dir")}
    for name, value in given.items():
        if name not in MAY_CHANGE and value != getattr(saved, name):
            raise InputError(f"--{name.replace('_', '-')} {value}: the run in {checkpoint.parent} was begun with {getattr(saved, name)}, "
                             "and a resumed run keeps its settings; leave the flag out, or begin a new run.")
    for name in ("trust_remote_code", "allow_pickle", "model_class"):  # a folder must not bring about that code is run
        if getattr(saved, name) and getattr(config, name) != getattr(saved, name):
            raise InputError(f"--resume {checkpoint}: the run was begun with{saved.flags_of_trust()}, by which code or pickles are read; "
                             "give that again to go on.")
    changed = replace(saved, **{name: value for name, value in given.items() if name in MAY_CHANGE}, output_dir=str(checkpoint.parent))
    if saved.max_tokens_per_batch and "batch_size" in given:
        raise InputError(f"--batch-size {config.batch_size}: the run in {checkpoint.parent} has --max-tokens-per-batch in its place; leave "
                         "it out.")
    parts = saved.gradient_accumulation_steps * saved_with["processes"]
    was = parts if saved.max_tokens_per_batch else parts * saved.batch_size
    if not saved.max_tokens_per_batch and not {"batch_size", "gradient_accumulation_steps"} & given.keys() and was % world_size == 0:
        changed.batch_size = max(size for size in range(1, saved.batch_size + 1) if was // world_size % size == 0)
    one_each = world_size * (1 if saved.max_tokens_per_batch else changed.batch_size)
    if "gradient_accumulation_steps" not in given:
        changed.gradient_accumulation_steps = max(1, was // one_each)
    if changed.gradient_accumulation_steps * one_each != was:
        unit = "micro-batches" if saved.max_tokens_per_batch else "windows"
        choose = "a number of processes that" if saved.max_tokens_per_batch else "processes and a --batch-size whose product"
        raise InputError(f"--resume {checkpoint}: a step of this run takes {was} {unit}, and {world_size} processes of "
                         f"{one_each // world_size} each cannot share them; choose {choose} divides {was}.")
    return changed
