"""Grades bit_exact_resume.py."""

import copy
import io
import pickle
import random

import pytest
import torch
from toy_run import Run

# 6 steps are an epoch, and the warm-up is over after 10.
MOMENTS = {"before the first step": 0, "within an epoch": 4, "between epochs": 6, "later": 15}


@pytest.fixture(scope="module")
def resume(submission):
    return submission


def run_for(steps, seed=1):
    run = Run(seed)
    for _ in range(steps):
        run.step()
    return run


def everything(run):
    """All that changes in a run, copied."""
    return copy.deepcopy(
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


def same(left, right):
    """Whether two nested values are equal to the last bit."""
    if isinstance(left, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


def losses(run, steps=9):
    return [run.step() for _ in range(steps)]


SENTENCES = {
    "model": "The model's weights or its running means were not restored.",
    "optimizer": "The optimizer's moments or its learning rate were not restored.",
    "schedule": "The schedule's step was not restored: the next learning rates are wrong.",
    "order": "The order of the present epoch was not restored: examples come twice or never.",
    "place": "The place within the epoch was not restored: examples come twice.",
    "shuffler": "The shuffler was not restored: the next epoch has another order.",
    "torch": "PyTorch's random numbers were not restored: dropout drops other units.",
    "python": "Python's random numbers were not restored: other inputs are hidden.",
}


@pytest.mark.parametrize("part", SENTENCES)
def test_each_part(resume, part):
    run = run_for(4)
    before = everything(run)
    state = resume.save_run(run)
    new_run = Run(seed=99)
    resume.load_run(new_run, state)
    after = everything(new_run)
    assert same(before[part], after[part]), SENTENCES[part]


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_next_steps(resume, moment):
    run = run_for(MOMENTS[moment])
    state = resume.save_run(run)
    expected = losses(run)
    new_run = Run(seed=99)
    resume.load_run(new_run, state)
    assert losses(new_run) == expected, (
        f"A run that was saved {moment} has other losses after it was resumed."
    )
    assert same(new_run.model.state_dict(), run.model.state_dict()), (
        f"A run that was saved {moment} ends with other weights after it was resumed."
    )


def test_through_a_file(resume):
    run = run_for(7)
    file = io.BytesIO()
    torch.save(resume.save_run(run), file)
    expected = losses(run)
    file.seek(0)
    problem = None
    try:
        state = torch.load(file, weights_only=True)
    except pickle.UnpicklingError as error:
        problem = error
    assert problem is None, (
        "torch.load(weights_only=True) refuses the state: it holds objects, not only tensors and "
        "plain values."
    )
    new_run = Run(seed=99)
    resume.load_run(new_run, state)
    assert losses(new_run) == expected, "A state from a file does not resume the run."


def test_the_state_is_a_copy(resume):
    run = run_for(3)
    state = resume.save_run(run)
    before = copy.deepcopy(state)
    losses(run)
    assert same(state, before), (
        "The saved state changed when the run went on: a state_dict holds references, copy it."
    )


def test_loading_twice(resume):
    state = resume.save_run(run_for(3))
    before = copy.deepcopy(state)
    new_run = Run(seed=99)
    resume.load_run(new_run, state)
    losses(new_run)
    assert same(state, before), (
        "A run that was resumed changed the state it was loaded from: copy the state on loading."
    )


def test_saving_changes_nothing(resume):
    run = run_for(5)
    before = everything(run)
    resume.save_run(run)
    assert same(everything(run), before), "Saving changed the run or drew a random number."
