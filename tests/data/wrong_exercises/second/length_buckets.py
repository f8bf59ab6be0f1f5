"""Sorts all features at once, so that each epoch has the same batches."""

import random


def length_buckets(lengths, batch_size, pool_batches, seed, epoch):
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    random.Random(f"{seed} {epoch}").shuffle(batches)
    return batches
