"""Grades accumulated_step.py."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F


class Recorder(nn.Module):
    """A small model that notes what it is given, and whether a gradient is there already."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
        self.sizes = []
        self.gradients = []

    def forward(self, inputs):
        self.sizes.append(len(inputs))
        gradient = self.layers[0].weight.grad
        self.gradients.append(gradient is not None and bool(gradient.any()))
        return self.layers(inputs)


class CountingSGD(torch.optim.SGD):
    """Counts its steps."""

    steps = 0

    def step(self, closure=None):
        self.steps += 1
        return super().step(closure)


@pytest.fixture(scope="module")
def accumulated_step(submission):
    return submission.accumulated_step


def micro_batches(sizes):
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(sum(sizes), 4, generator=random, dtype=torch.float64)
    targets = torch.randint(3, (sum(sizes),), generator=random)
    return list(zip(inputs.split(sizes), targets.split(sizes), strict=True))


def grade(step, sizes, model=None):
    """Take the step; return its loss and the model beside those of one large batch."""
    model = model or Recorder()
    reference = copy.deepcopy(model)
    batches = micro_batches(sizes)
    optimizer = CountingSGD(model.parameters(), lr=0.5)
    loss = step(model, F.cross_entropy, optimizer, batches)

    reference.zero_grad()
    inputs = torch.cat([inputs for inputs, _ in batches])
    targets = torch.cat([targets for _, targets in batches])
    expected = F.cross_entropy(reference.layers(inputs), targets)
    expected.backward()
    torch.optim.SGD(reference.parameters(), lr=0.5).step()
    return loss, expected.detach(), model, reference, optimizer


def assert_same_weights(model, reference, sentence):
    pairs = zip(model.parameters(), reference.parameters(), strict=True)
    assert all(torch.allclose(mine, right) for mine, right in pairs), sentence


def test_micro_batches_of_one_size(accumulated_step):
    _, _, model, reference, _ = grade(accumulated_step, [4, 4, 4])
    assert_same_weights(
        model, reference, "The gradient is not that of one large batch: was it a sum of means?"
    )


def test_a_small_last_micro_batch(accumulated_step):
    _, _, model, reference, _ = grade(accumulated_step, [4, 4, 1])
    assert_same_weights(
        model,
        reference,
        "The example of the small micro-batch counts too much: weight each micro-batch by its "
        "share of the examples.",
    )


@pytest.mark.parametrize("sizes", [[4, 4, 0], [0, 3, 2]], ids=["last", "first"])
def test_an_empty_micro_batch(accumulated_step, sizes):
    loss, _, model, reference, _ = grade(accumulated_step, sizes)
    assert torch.isfinite(torch.as_tensor(loss)), (
        "An empty micro-batch makes the loss NaN, also times a share of 0: leave it out."
    )
    assert_same_weights(model, reference, "An empty micro-batch must change nothing.")


@pytest.mark.parametrize("sizes", [[4, 4, 4], [5, 2]], ids=["equal", "unequal"])
def test_the_loss(accumulated_step, sizes):
    loss, expected, *_ = grade(accumulated_step, sizes)
    loss = torch.as_tensor(loss)
    assert loss.shape == (), "Return a scalar."
    assert loss.item() == pytest.approx(expected.item()), (
        "The loss is the mean over all examples of the step, not over the micro-batches."
    )
    assert not loss.requires_grad, "The loss keeps the graph in memory: detach it."


def test_an_old_gradient(accumulated_step):
    model = Recorder()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    _, _, model, reference, _ = grade(accumulated_step, [3, 3], model)
    assert_same_weights(model, reference, "The gradient of an earlier step was added: zero it.")


def test_two_steps(accumulated_step):
    _, _, model, _, _ = grade(accumulated_step, [3, 3])
    _, _, model, reference, _ = grade(accumulated_step, [2, 2], model)
    assert_same_weights(model, reference, "The second step still has the gradient of the first.")


def test_one_graph_at_a_time(accumulated_step):
    _, _, model, _, optimizer = grade(accumulated_step, [3, 3, 2])
    assert max(model.sizes) <= 3, "The micro-batches were joined: they do not fit into memory."
    assert model.gradients == [False, True, True], (
        "Call backward() after each micro-batch, so that its graph is freed before the next one."
    )
    assert optimizer.steps == 1, f"The optimizer took {optimizer.steps} steps; it must take one."
