"""Everything, but no copies."""

import random

import torch


def save_run(run):
    return dict(
        {
            "model": run.model.state_dict(),
            "optimizer": run.optimizer.state_dict(),
            "schedule": run.schedule.state_dict(),
            "order": run.order,
            "place": run.place,
            "shuffler": run.shuffler.get_state(),
            "torch": torch.get_rng_state(),
            "python": random.getstate(),
        }
    )


def load_run(run, state):
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.schedule.load_state_dict(state["schedule"])
    run.order = state["order"]
    run.place = state["place"]
    run.shuffler.set_state(state["shuffler"])
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
