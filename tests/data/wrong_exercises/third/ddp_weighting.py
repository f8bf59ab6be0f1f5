"""Forgets that DDP divides by the number of processes."""

import torch


def ddp_weighting(losses, all_reduce_sum, world_size):
    features = all_reduce_sum(torch.tensor(len(losses)))
    return losses.sum() / features
