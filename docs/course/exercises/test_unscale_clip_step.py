"""Grades unscale_clip_step.py."""

import warnings

import pytest
import torch
from torch import nn

# The gradient of the loss below is (3, 4): its norm is 5.
GRADIENT = torch.tensor([3.0, 4.0])
LEARNING_RATE = 0.25


class Parts:
    """A model of two weights with an optimizer, a scaler and a schedule."""

    def __init__(self, scale=1024.0, growth_interval=2000):
        self.model = nn.Linear(2, 1, bias=False)
        nn.init.ones_(self.model.weight)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LEARNING_RATE)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=growth_interval)
        # The rate halves at each step.
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.optimizer, 0.5)

    @property
    def weights(self):
        return self.model.weight.detach().flatten().clone()

    @property
    def learning_rate(self):
        return self.optimizer.param_groups[0]["lr"]

    def take(self, step, factor=1.0, max_grad_norm=100.0):
        """Take a step with the gradient (3, 4) times the factor."""
        loss = self.model(GRADIENT).sum() * factor
        with warnings.catch_warnings():
            # PyTorch warns where a schedule moves before its optimizer has.
            warnings.simplefilter("ignore")
            return step(loss, self.model, self.optimizer, self.scaler, self.schedule, max_grad_norm)


@pytest.fixture(scope="module")
def unscale_clip_step(submission):
    return submission.unscale_clip_step


@pytest.mark.parametrize("scale", [1.0, 65536.0])
def test_a_small_gradient(unscale_clip_step, scale):
    parts = Parts(scale)
    parts.take(unscale_clip_step)
    expected = 1 - LEARNING_RATE * GRADIENT
    assert torch.allclose(parts.weights, expected), (
        f"At scale {scale:g} the weights are {parts.weights.tolist()} and should be "
        f"{expected.tolist()}: unscale the gradient before it is used."
    )


@pytest.mark.parametrize("scale", [1.0, 65536.0])
def test_a_large_gradient_is_clipped(unscale_clip_step, scale):
    parts = Parts(scale)
    parts.take(unscale_clip_step, max_grad_norm=1.0)
    expected = 1 - LEARNING_RATE * GRADIENT / 5
    assert torch.allclose(parts.weights, expected, atol=1e-5), (
        "The step is not that of a gradient of norm 1: the clip must see the true gradient, "
        "so unscale before it."
    )


@pytest.mark.parametrize("max_grad_norm", [1.0, 100.0], ids=["clipped", "not clipped"])
def test_the_norm(unscale_clip_step, max_grad_norm):
    grad_norm, _ = Parts().take(unscale_clip_step, max_grad_norm=max_grad_norm)
    assert float(grad_norm) == pytest.approx(5), (
        "Return the norm of the true gradient: after unscaling and before clipping."
    )


def test_a_step_that_is_taken(unscale_clip_step):
    parts = Parts()
    _, stepped = parts.take(unscale_clip_step)
    assert stepped, "The optimizer took its step, so `stepped` is True."
    assert parts.learning_rate == LEARNING_RATE / 2, "The schedule moves once after a step."


@pytest.mark.parametrize("bad", [torch.inf, torch.nan])
def test_an_overflow_is_skipped(unscale_clip_step, bad):
    parts = Parts()
    before = parts.weights
    _, stepped = parts.take(unscale_clip_step, factor=bad, max_grad_norm=1.0)
    assert torch.equal(parts.weights, before), (
        f"A gradient of {bad} moved the weights: the scaler takes the step, and skips this one."
    )
    assert not stepped, "The step was skipped, so `stepped` is False."
    assert parts.scaler.get_scale() == 512, (
        "The scale was not lowered after an overflow: update the scaler, once."
    )
    assert parts.learning_rate == LEARNING_RATE, "The schedule moved although no step was taken."


def test_after_an_overflow(unscale_clip_step):
    parts = Parts()
    parts.take(unscale_clip_step, factor=torch.inf)
    _, stepped = parts.take(unscale_clip_step)
    assert stepped, "The step after an overflow must be taken: is the old gradient still there?"
    assert torch.allclose(parts.weights, 1 - LEARNING_RATE * GRADIENT), (
        "The step after an overflow is not the usual one: forget the gradient of the skipped step, "
        "and do not move the schedule after it."
    )


def test_two_steps(unscale_clip_step):
    parts = Parts()
    parts.take(unscale_clip_step)
    grad_norm, _ = parts.take(unscale_clip_step)
    assert float(grad_norm) == pytest.approx(5), (
        "The second norm is not 5: was the old gradient added?"
    )
    expected = 1 - LEARNING_RATE * GRADIENT - LEARNING_RATE / 2 * GRADIENT
    assert torch.allclose(parts.weights, expected), (
        "The second step must use the next learning rate of the schedule."
    )


def test_a_scale_that_grows(unscale_clip_step):
    parts = Parts(growth_interval=1)
    _, stepped = parts.take(unscale_clip_step)
    assert parts.scaler.get_scale() == 2048, "Update the scaler once a step: its scale grows."
    assert stepped, "The scale grew and the step was taken: only a smaller scale means a skip."
    assert parts.learning_rate == LEARNING_RATE / 2, "The schedule must follow this step, too."
