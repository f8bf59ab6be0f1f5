"""Grades length_buckets.py."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

# 203 features of 20 to 99 tokens.
LENGTHS = [20 + 37 * i % 80 for i in range(203)]


@pytest.fixture(scope="module")
def length_buckets(submission):
    return submission.length_buckets


def sets(batches):
    """The batches without their order, and without that of their features."""
    return sorted(sorted(batch) for batch in batches)


def padding(batches):
    """The share of padding, in percent."""
    tokens = sum(LENGTHS[i] for batch in batches for i in batch)
    padded = sum(len(batch) * max(LENGTHS[i] for i in batch) for batch in batches)
    return 100 * (1 - tokens / padded)


@given(
    lengths=st.lists(st.integers(1, 6), max_size=30),
    batch_size=st.integers(1, 5),
    pool_batches=st.integers(1, 4),
    seed=st.integers(0, 9999),
)
def test_each_feature_once(length_buckets, lengths, batch_size, pool_batches, seed):
    batches = length_buckets(lengths, batch_size, pool_batches, seed, 3)
    dealt = sorted(index for batch in batches for index in batch)
    assert dealt == list(range(len(lengths))), (
        "Each feature must be in exactly one batch, those of the short last batch as well."
    )
    sizes = sorted(len(batch) for batch in batches)
    assert all(0 < size <= batch_size for size in sizes), (
        f"A batch holds 1 to {batch_size} features; these hold {sizes}."
    )
    assert len(batches) == math.ceil(len(lengths) / batch_size), (
        "Only one batch of an epoch can be smaller than the others."
    )


def test_python_integers(length_buckets):
    batches = length_buckets(LENGTHS, 8, 5, 0, 0)
    assert isinstance(batches, list), "Return a list of lists."
    assert all(isinstance(batch, list) for batch in batches), "A batch is a list."
    assert all(type(i) is int for batch in batches for i in batch), "Indices are Python integers."


def test_no_features(length_buckets):
    assert length_buckets([], 8, 5, 0, 0) == [], "Without features there are no batches."


def test_the_same_again(length_buckets):
    batches = []
    for number in (1, 2):
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        batches.append(length_buckets(LENGTHS, 8, 5, seed=7, epoch=2))
    assert batches[0] == batches[1], (
        "The same seed and epoch gave other batches: draw from a generator of your own."
    )


def test_global_random_numbers_stay(length_buckets):
    def state():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = state()
    length_buckets(LENGTHS, 8, 5, 0, 0)
    # Not compared in the assertion, which would print all of it.
    stayed = state() == before
    assert stayed, "The global random numbers were seeded or drawn: dropout would change with them."


def test_epochs_differ(length_buckets):
    first, second = (length_buckets(LENGTHS, 8, 5, 0, epoch) for epoch in (0, 1))
    assert first != second, "Two epochs have the same batches in the same order."
    common = [batch for batch in sets(first) if batch in sets(second)]
    assert len(common) < len(first) / 2, (
        "Two epochs have the same batches in another order: shuffle before the sort, "
        "and sort pools, not all features at once."
    )


def test_seeds_differ(length_buckets):
    first, second = (length_buckets(LENGTHS, 8, 5, seed, 0) for seed in (0, 1))
    assert sets(first) != sets(second), "Two seeds have the same batches."


@pytest.mark.parametrize(("seed", "epoch"), [(0, 1), (2, 5)])
def test_seed_and_epoch_are_two_numbers(length_buckets, seed, epoch):
    mine = length_buckets(LENGTHS, 8, 5, seed, epoch)
    swapped = length_buckets(LENGTHS, 8, 5, epoch, seed)
    assert mine != swapped, (
        f"Seed {seed} in epoch {epoch} and seed {epoch} in epoch {seed} have the same batches: "
        "do not make one number of the two by adding them."
    )


def test_little_is_padding(length_buckets):
    percent = padding(length_buckets(LENGTHS, 8, 10, 0, 0))
    assert percent < 10, (
        f"{percent:.0f} % of the batches is padding: sort each pool by length before it is cut."
    )


def test_one_pool_is_sorted(length_buckets):
    batches = length_buckets(LENGTHS, 8, 100, 0, 0)
    ranges = sorted((min(LENGTHS[i] for i in b), max(LENGTHS[i] for i in b)) for b in batches)
    assert all(left[1] <= right[0] for left, right in pairwise(ranges)), (
        "In one pool, no batch may hold lengths that belong between those of another."
    )


def test_a_pool_of_one_batch_is_random(length_buckets):
    percent = padding(length_buckets(LENGTHS, 8, 1, 0, 0))
    assert percent > 20, "With pool_batches=1, features of all lengths meet in a batch."


def test_the_batches_are_shuffled(length_buckets):
    batches = length_buckets(LENGTHS, 8, 100, 0, 0)
    longest = [max(LENGTHS[i] for i in batch) for batch in batches]
    assert longest not in (sorted(longest), sorted(longest, reverse=True)), (
        "The batches come in the order of their lengths: shuffle them."
    )
    places = {
        [len(batch) for batch in length_buckets(LENGTHS, 8, 5, 0, epoch)].index(203 % 8)
        for epoch in range(20)
    }
    assert len(places) > 5, "The short batch comes at the same place in every epoch."


def test_features_of_one_length_are_shuffled(length_buckets):
    batches = length_buckets([7] * 60, 6, 10, 0, 0)
    assert sets(batches) != sets([list(range(i, i + 6)) for i in range(0, 60, 6)]), (
        "Features of equal length stay in the order of the data: shuffle before the sort."
    )
