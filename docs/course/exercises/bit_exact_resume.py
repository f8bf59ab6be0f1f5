"""Exercise 5: a run that goes on as if it had not been stopped. Page: 04-the-other-lines."""

from typing import Any

from toy_run import Run


def save_run(run: Run) -> dict[str, Any]:
    """Return all that the run needs to go on. `toy_run.py` says what a run is made of.

    Args:
        run: at any step: before the first, within an epoch, or at the end of one.

    Returns:
        A dict of your own design. It holds only tensors, numbers, strings, None, and dicts, lists
        and tuples of them, so that `torch.load(..., weights_only=True)` reads it.

    Careful:
        - The run goes on after it was saved; what you returned must not change with it.
        - Saving must not change the run, nor draw a random number.
        - A `Run` does not own all that it uses: find the random numbers that stand outside it.
    """
    raise NotImplementedError("Collect the state of each part of the run, in copies.")


def load_run(run: Run, state: dict[str, Any]) -> None:
    """Bring a run to where another one was saved. Its next steps are the same to the last bit.

    Args:
        run: a new `Run` with any seed, perhaps in another process, that is to take up the state.
        state: what `save_run` returned, perhaps after `torch.save` and `torch.load`.

    Careful:
        - The same state can be loaded again later: the run must not change it.
        - `load_state_dict` of an optimizer does not copy every tensor it is given.
    """
    raise NotImplementedError("Put the state back into each part of the run, in copies.")
