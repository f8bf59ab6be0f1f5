"""The loss of start and end logits."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from mrc.model.heads import marginal_logits
from mrc.model.span_model import span_logits

Loss = Callable[[Any, Mapping[str, Any]], torch.Tensor]


def span_loss(
    start_logits: torch.Tensor,
    end_logits: torch.Tensor,
    batch: Mapping[str, Any],
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Return the mean of the start's and the end's cross-entropy over a batch, in float32.

    Padding takes no part in the softmax, so the loss does not depend on how far a batch is padded.
    A window without its answer has the null position (CLS) as its start and its end.

    Args:
        start_logits: (batch, length).
        end_logits: (batch, length).
        batch: `start_positions` and `end_positions` (batch,), and `attention_mask`
            (batch, length), None where nothing is padding. Where there is a `span_mask`
            (batch, length), the softmax is over the tokens that it marks.
        label_smoothing: the share of the target that is spread evenly over the tokens that take
            part (Szegedy et al. 2016).
    """
    mask = batch.get("span_mask", batch["attention_mask"])
    start_loss = _cross_entropy(start_logits, batch["start_positions"], mask, label_smoothing)
    end_loss = _cross_entropy(end_logits, batch["end_positions"], mask, label_smoothing)
    return (start_loss + end_loss) / 2


def loss_of(model: Any, label_smoothing: float = 0.0) -> Loss:
    """Return the loss of a model, as a function of its output and the batch.

    It is the model's own method `loss(output, batch)` where its class has one. Otherwise it is
    `span_loss`. A conditional head returns log probabilities for some starts when it is not
    training; their marginals are scored.
    """
    if has_own_loss(model):
        return model.loss

    def loss(output: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        logits = span_logits(output)
        if len(logits) == 3:
            logits = marginal_logits(*logits)
        start_logits, end_logits = logits
        return span_loss(start_logits, end_logits, batch, label_smoothing)

    return loss


def has_own_loss(model: Any) -> bool:
    """Whether the class of a model brings its loss.

    An instance's `self.loss = nn.CrossEntropyLoss()` is no such loss: it takes other arguments.
    """
    return hasattr(type(model), "loss") and callable(model.loss)


def _cross_entropy(
    logits: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | None,
    label_smoothing: float,
) -> torch.Tensor:
    """Return the mean cross-entropy of (batch, length) logits over the tokens in the mask."""
    logits = logits.float()
    if mask is None:
        mask = torch.ones_like(logits, dtype=torch.long)
    outside = mask == 0
    logits = logits.masked_fill(outside, -torch.inf)
    loss = F.cross_entropy(logits, positions)
    if label_smoothing == 0:
        return loss
    # F.cross_entropy smooths over the masked tokens too, whose log probability is -inf.
    log_p = logits.log_softmax(dim=1).masked_fill(outside, 0)
    even_loss = -log_p.sum(dim=1) / (~outside).sum(dim=1)
    return (1 - label_smoothing) * loss + label_smoothing * even_loss.mean()
