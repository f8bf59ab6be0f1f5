"""Seeds the global generator with a sum."""

import random


def length_buckets(lengths, batch_size, pool_batches, seed, epoch):
    random.seed(seed + epoch)
    order = list(range(len(lengths)))
    random.shuffle(order)
    size = pool_batches * batch_size
    batches = []
    for start in range(0, len(order), size):
        pool = sorted(order[start : start + size], key=lambda i: lengths[i])
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    random.shuffle(batches)
    return batches
