"""Model and optimizer only, as in most tutorials."""


def save_run(run):
    return {"model": run.model.state_dict(), "optimizer": run.optimizer.state_dict()}


def load_run(run, state):
    run.model.load_state_dict(state["model"])
    run.optimizer.load_state_dict(state["optimizer"])
