"""Solution of exercise 9."""

from collections.abc import Sequence

import numpy as np


def length_buckets(
    lengths: Sequence[int], batch_size: int, pool_batches: int, seed: int, epoch: int
) -> list[list[int]]:
    """Return the batches of one epoch, each a list of indices into `lengths`."""
    # A generator of its own, seeded with both numbers, not with their sum.
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths)).tolist()
    pool_size = pool_batches * batch_size

    batches = []
    for pool_start in range(0, len(order), pool_size):
        pool = order[pool_start : pool_start + pool_size]
        # A stable sort: features of one length stay shuffled.
        pool.sort(key=lambda index: lengths[index])
        for start in range(0, len(pool), batch_size):
            batches.append(pool[start : start + batch_size])
    return [batches[number] for number in random.permutation(len(batches))]
