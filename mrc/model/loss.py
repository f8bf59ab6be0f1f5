"""The loss of start and end logits."""

import torch
from torch.nn import functional as F


def span_loss(start_logits, end_logits, batch, label_smoothing=0.0):
    """Mean over the batch of the mean of the start's and the end's cross-entropy, in float32; a scalar.

    start_logits, end_logits: (batch, length); batch: with attention_mask (batch, length) or None, start_positions and
    end_positions (batch,). Padding takes no part in the softmax, so the loss does not depend on how far a batch was padded;
    nor does what is outside of span_mask (batch, length), where there is one.
    label_smoothing: the share of the target that is spread evenly over what takes part (Szegedy et al. 2016).
    """
    mask = batch.get("span_mask", batch["attention_mask"])
    outside = None if mask is None else mask == 0
    losses = []
    for logits, positions in (
        (start_logits, batch["start_positions"]),
        (end_logits, batch["end_positions"]),
    ):
        logits = (
            logits.float() if outside is None else logits.float().masked_fill(outside, -torch.inf)
        )
        loss = F.cross_entropy(logits, positions)
        if label_smoothing:
            log_p = logits.log_softmax(dim=1)
            evenly = (
                -log_p.mean(dim=1)
                if outside is None
                else -log_p.masked_fill(outside, 0).sum(dim=1) / (~outside).sum(dim=1)
            )
            loss = (1 - label_smoothing) * loss + label_smoothing * evenly.mean()
        losses.append(loss)
    return sum(losses) / 2
