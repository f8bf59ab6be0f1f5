"""Grades ddp_weighting.py. The processes are threads, each with a copy of the model."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

# How long a process waits for the others before the test gives up.
SECONDS = 2


@pytest.fixture(scope="module")
def ddp_weighting(submission):
    return submission.ddp_weighting


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()


def losses_of(model, inputs):
    """The loss of each feature, (features,)."""
    return model(inputs).squeeze(1) ** 2


class Processes:
    """Threads that stand for processes, and what they exchange."""

    def __init__(self, size):
        self.barrier = threading.Barrier(size)
        self.given = [None] * size

    def all_reduce_sum(self, rank, tensor):
        self.given[rank] = torch.as_tensor(tensor).detach().clone()
        self.barrier.wait(SECONDS)
        total = sum(self.given)
        self.barrier.wait(SECONDS)
        return total


def step(function, sizes):
    """Run a step whose features are divided by `sizes`.

    Returns the loss of each process, and the gradients of each process and of the whole step.
    """
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(sum(sizes), 3, generator=random, dtype=torch.float64)
    model = make_model()
    processes = Processes(len(sizes))

    def process(rank, part):
        mine = copy.deepcopy(model)
        losses = losses_of(mine, part)
        loss = function(losses, lambda tensor: processes.all_reduce_sum(rank, tensor), len(sizes))
        assert loss.shape == (), "Return a scalar."
        assert loss.requires_grad, (
            "The loss has no graph: without a backward pass the other processes wait for ever."
        )
        loss.backward()
        gradients = [parameter.grad for parameter in mine.parameters()]
        assert all(gradient is not None for gradient in gradients), (
            "The loss is not computed from `losses`: DDP waits for gradients that never come."
        )
        return loss.detach(), gradients

    with ThreadPoolExecutor(len(sizes)) as pool:
        jobs = [pool.submit(process, rank, part) for rank, part in enumerate(inputs.split(sizes))]
    errors = [job.exception() for job in jobs if job.exception()]
    # What went wrong in one process matters more than that the others waited for it.
    errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
    if errors and isinstance(errors[0], threading.BrokenBarrierError):
        pytest.fail(
            "A process waited in all_reduce_sum for ever: all processes must call it equally "
            "often, also those without features.",
            pytrace=False,
        )
    if errors:
        raise errors[0]

    if len(inputs):
        losses_of(model, inputs).mean().backward()
    whole = [parameter.grad for parameter in model.parameters()]
    loss, gradients = zip(*(job.result() for job in jobs), strict=True)
    return loss, gradients, whole


def averaged(gradients):
    """What DDP leaves in every process."""
    return [sum(each) / len(each) for each in zip(*gradients, strict=True)]


def assert_equal_gradients(gradients, whole, sentence):
    average = averaged(gradients)
    assert all(map(torch.allclose, average, whole)), sentence


def test_equal_shares(ddp_weighting):
    _, gradients, whole = step(ddp_weighting, [3, 3])
    assert_equal_gradients(
        gradients, whole, "Two processes with 3 features each do not give the gradient of all 6."
    )


def test_unequal_shares(ddp_weighting):
    _, gradients, whole = step(ddp_weighting, [4, 1])
    assert_equal_gradients(
        gradients,
        whole,
        "A process with 1 feature counts as much as one with 4: divide by the features of all "
        "processes, and undo DDP's division by their number.",
    )


@pytest.mark.parametrize("sizes", [[4, 0], [0, 2, 3]], ids=["last", "first"])
def test_a_process_without_features(ddp_weighting, sizes):
    loss, gradients, whole = step(ddp_weighting, sizes)
    empty = sizes.index(0)
    assert loss[empty] == 0, (
        f"A process without features has the loss {loss[empty]}, not 0. (The mean of nothing "
        "is NaN, also times a weight of 0.)"
    )
    assert not any(gradient.any() for gradient in gradients[empty]), (
        "A process without features has a gradient other than 0."
    )
    assert_equal_gradients(
        gradients, whole, "A process without features changes the gradient of the others."
    )


def test_no_features_at_all(ddp_weighting):
    loss, gradients, _ = step(ddp_weighting, [0, 0])
    assert loss == (0, 0), "Without any features the loss is 0, not NaN: mind the division."
    assert not any(gradient.any() for gradient in gradients[0]), "The gradient is not 0."


def test_one_process(ddp_weighting):
    loss, gradients, whole = step(ddp_weighting, [5])
    assert_equal_gradients(gradients, whole, "One process alone has the gradient of the mean loss.")
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(5, 3, generator=random, dtype=torch.float64)
    expected = losses_of(make_model(), inputs).mean()
    assert torch.allclose(loss[0], expected), "One process alone has the mean loss."


@pytest.mark.parametrize("sizes", [[1, 2, 3], [7, 1, 1, 3]], ids=["three", "four"])
def test_more_processes(ddp_weighting, sizes):
    _, gradients, whole = step(ddp_weighting, sizes)
    assert_equal_gradients(
        gradients, whole, f"{len(sizes)} processes do not give the gradient of one: see world_size."
    )
