"""The mean over the features of this process."""


def ddp_weighting(losses, all_reduce_sum, world_size):
    return losses.mean()
