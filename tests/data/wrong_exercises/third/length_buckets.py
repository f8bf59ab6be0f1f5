"""Drops what does not fill a batch, and does not shuffle the batches."""

import random


def length_buckets(lengths, batch_size, pool_batches, seed, epoch):
    order = list(range(len(lengths)))
    random.Random(f"{seed} {epoch}").shuffle(order)
    size = pool_batches * batch_size
    batches = []
    for start in range(0, len(order), size):
        pool = sorted(order[start : start + size], key=lambda i: lengths[i])
        batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
    return [batch for batch in batches if len(batch) == batch_size]
