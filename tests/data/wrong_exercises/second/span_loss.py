"""Adds a large negative number at the padding."""

from torch.nn import functional as F


def span_loss(start_logits, end_logits, start_positions, end_positions, attention_mask):
    penalty = (1 - attention_mask) * -10000.0
    start_loss = F.cross_entropy(start_logits + penalty, start_positions)
    end_loss = F.cross_entropy(end_logits + penalty, end_positions)
    return (start_loss + end_loss) / 2
