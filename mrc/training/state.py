"""The state of a run: all that it needs to go on to the same bits."""

import random
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from mrc.errors import InputError
from mrc.runtime.sharding import load_optimizer_state, optimizer_state

FORMAT = 1  # of the state; another version of the program that changes it counts on


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
    padded_tokens: int = 0  # the same with padding
    flops: float = 0.0  # in matrix products
    train_seconds: float = 0.0  # that this took, scoring and saving left out
    seconds: float = 0.0  # that the run took, all in all
    bad_steps: int = 0  # steps left out so far, as their loss or gradient was not finite
    bad_in_a_row: int = 0
    losses: list = field(default_factory=list)  # of the steps since the last log line

    def rates(self):
        """What was trained on in a second so far."""
        return {
            "features_per_second": self.features / self.train_seconds,
            "tokens_per_second": self.tokens / self.train_seconds,
        }


def capture(trainer):
    """The state of a Trainer, for `restore`, in the main process; None in the others. All processes must call it."""
    random_states = trainer.world.gather(_random_state(trainer.device))
    optimizer = optimizer_state(trainer.optimizer, trainer.world)
    if not trainer.world.is_main:
        return None
    return {
        "format": FORMAT,
        "progress": asdict(trainer.progress),
        "optimizer": optimizer,
        "schedule": trainer.schedule.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "random": random_states,
        # With a moving average, that is what the checkpoint holds as its model; with adapters, what they make of the encoder.
        "trained": [p.detach().clone() for p in _trained(trainer)]
        if trainer.average or trainer.config.lora_rank
        else None,
        "features": len(trainer.loader.dataset),
        "log_bytes": trainer.records.sync(),
    }


def restore(trainer, state):
    """Bring a Trainer, made anew with the model of the checkpoint, to the state in which another was captured.

    Raises InputError if the training data make another number of features than they did.
    """
    if state["format"] != FORMAT:
        raise InputError(
            f"--resume: the checkpoint is of another version of mrc (state {state['format']}, here {FORMAT})."
        )
    if state["features"] != len(trainer.loader.dataset):
        raise InputError(
            f"--resume: the training data make {len(trainer.loader.dataset)} windows, and made {state['features']} when the "
            "run began; a run goes on with the same data alone."
        )
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
    state = {
        "python": random.getstate(),
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest],
        "torch": torch.get_rng_state(),
    }
    return {**state, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _set_random_state(state, device):
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
