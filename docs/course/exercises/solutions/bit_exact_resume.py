"""Solution of exercise 5."""

import copy
import random
from typing import Any

import torch
from toy_run import Run


def save_run(run: Run) -> dict[str, Any]:
    """Return all that the run needs to go on."""
    state = {
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "schedule": run.schedule.state_dict(),
        # The order of the present epoch was drawn before; the generator draws the next ones.
        "order": run.order,
        "place": run.place,
        "shuffler": run.shuffler.get_state(),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
    }
    # A state_dict holds the very tensors that the next step changes.
    return copy.deepcopy(state)


def load_run(run: Run, state: dict[str, Any]) -> None:
    """Bring a run to where another one was saved."""
    state = copy.deepcopy(state)
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.schedule.load_state_dict(state["schedule"])
    run.order = state["order"]
    run.place = state["place"]
    run.shuffler.set_state(state["shuffler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
