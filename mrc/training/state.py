"""The state of a run: one object with everything that is needed to resume bit for bit."""

import random
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mrc.errors import InputError, in_short
from mrc.features.sampler import StepBatch
from mrc.runtime.processes import ALONE, World
from mrc.runtime.sharding import load_optimizer_state, optimizer_state
from mrc.training.optim import WeightAverage
from mrc.training.precision import Precision

# The format of the saved state. Raise it when the format changes.
FORMAT = 2
# What the state of a run consists of.
PARTS: dict[str, Any] = {
    "format": int,
    "progress": dict,
    "optimizer": dict,
    "schedule": dict,
    "scaler": dict,
    "random": list,
    "trained": list | None,
    "features": int | None,
    "log_bytes": int,
}


@dataclass
class Progress:
    """How far a run has come."""

    # Optimizer steps that were taken.
    step: int = 0
    # Epochs that were finished.
    epoch: int = 0
    # Steps that were taken of the epoch after these.
    step_in_epoch: int = 0
    # The step after which the model was last scored.
    scored_step: int = 0
    # The best scores so far, with their step and epoch.
    best: dict[str, Any] | None = None
    # Scorings since the best one.
    evals_without_improvement: int = 0
    # Features trained on, and their tokens without and with padding.
    features: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    # Floating-point operations of the matrix products.
    flops: float = 0.0
    # Seconds of training, without scoring and saving.
    train_seconds: float = 0.0
    # Seconds of the whole run.
    seconds: float = 0.0
    # Steps that were skipped because their loss or gradient was not finite.
    bad_steps: int = 0
    bad_in_a_row: int = 0
    # Of the steps since the last log line.
    losses: list[float] = field(default_factory=list)

    @property
    def epoch_number(self) -> int:
        """The number of the present epoch, counted from one."""
        return self.epoch + 1

    @property
    def epochs_begun(self) -> int:
        """How many epochs were begun, the last of which may not be finished."""
        return self.epoch + 1 if self.step_in_epoch else self.epoch

    def count(self, step_batch: StepBatch, flops: float) -> None:
        """Take in a step that was done."""
        self.step += 1
        self.step_in_epoch += 1
        self.features += step_batch.features
        self.tokens += step_batch.tokens
        self.padded_tokens += step_batch.padded_tokens
        self.flops += flops

    def end_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.step_in_epoch = 0

    def rates(self) -> dict[str, float]:
        """Return what was trained on in a second so far."""
        return {
            "features_per_second": self.features / self.train_seconds,
            "tokens_per_second": self.tokens / self.train_seconds,
        }


@dataclass
class TrainState:
    """All that changes in a run, and the two methods that save and load it.

    The model's weights are in the checkpoint beside the saved state. The state has them as well
    where the checkpoint has others: an average of them, or adapters merged into the encoder.

    model: as `save_pretrained` knows it, not wrapped for several processes. checkpoint_differs:
    whether the checkpoint has other weights than those being trained.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LRScheduler
    precision: Precision
    average: WeightAverage | None = None
    checkpoint_differs: bool = False
    seed: int = 0
    world: World = ALONE
    progress: Progress = field(default_factory=Progress)

    def state_dict(self) -> dict[str, Any] | None:
        """Return tensors and plain values in the main process, None in the others.

        All processes must call it.
        """
        random_states = self.world.gather(random_state(self.precision.device))
        optimizer = optimizer_state(self.optimizer, self.world)
        if not self.world.is_main:
            return None
        trained = None
        if self.checkpoint_differs:
            trained = [parameter.detach().clone() for parameter in self._trained_parameters()]
        return {
            "format": FORMAT,
            "progress": asdict(self.progress),
            "optimizer": optimizer,
            "schedule": self.schedule.state_dict(),
            "scaler": self.precision.state_dict(),
            "random": random_states,
            "trained": trained,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` returned. The parts must have been made with the same settings.

        `check_state` has checked it, and the model has been loaded from the same checkpoint. Raises
        InputError for the state of another model.
        """
        try:
            self._take_up(state)
        # What PyTorch and NumPy raise for the moments and generators of something else.
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                f"--resume: the saved state is not that of this model ({in_short(error)})."
            ) from error

    def _take_up(self, state: dict[str, Any]) -> None:
        self.progress = Progress(**state["progress"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.precision.load_state_dict(state["scaler"])
        if state["trained"] is not None:
            with torch.no_grad():
                pairs = zip(self._trained_parameters(), state["trained"], strict=True)
                for parameter, value in pairs:
                    parameter.copy_(value)
        self._load_random_states(state["random"])

    def _load_random_states(self, states: list[dict[str, Any]]) -> None:
        """Let this process draw the numbers that the uninterrupted run would have drawn."""
        rank = self.world.rank
        if rank < len(states):
            set_random_state(states[rank], self.precision.device)
        else:
            # A process that the run did not have before draws numbers of its own.
            torch.manual_seed(self.seed + rank + 1000 * self.progress.step)

    def _trained_parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]


def check_state(state: dict[str, Any], path: Path) -> None:
    """Raise InputError if what was read from `path` is not a state of this version of mrc."""
    if isinstance(state.get("format"), int) and state["format"] != FORMAT:
        raise InputError(
            f"{path}: is of another version of mrc (state {state['format']}, here {FORMAT}); "
            "resume it with that version."
        )
    if state.keys() != PARTS.keys():
        raise InputError(f"{path}: is not the state of a run of mrc.")
    for name, kind in PARTS.items():
        if not isinstance(state[name], kind):
            raise InputError(f"{path}: is damaged: its {name} is {type(state[name]).__name__}.")
    own_names = {part.name for part in fields(Progress)}
    if state["progress"].keys() != own_names:
        raise InputError(f"{path}: is damaged: it does not say how far the run has come.")


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of all generators that a step may draw from."""
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state = {
        "python": random.getstate(),
        # As a tensor, since only tensors and plain values are read from disk.
        "numpy": [
            name,
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            position,
            has_gauss,
            cached,
        ],
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Set all generators to what `random_state` returned."""
    random.setstate(state["python"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
