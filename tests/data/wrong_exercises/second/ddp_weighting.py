"""Leaves at once where there is nothing to do; the others wait."""

import torch


def ddp_weighting(losses, all_reduce_sum, world_size):
    if len(losses) == 0:
        return torch.zeros((), requires_grad=True)
    features = all_reduce_sum(torch.tensor(len(losses)))
    return losses.sum() * world_size / features
