"""Buckets waste little, lose nothing and repeat exactly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mrc.batching import LengthBucketSampler, make_loader
from mrc.features import FeatureDataset

LENGTHS = st.lists(st.integers(1, 384), max_size=300)


@given(LENGTHS, st.integers(1, 40), st.booleans(), st.integers(0, 5))
def test_each_feature_comes_once(lengths, batch_size, shuffle, epoch):
    sampler = LengthBucketSampler(lengths, batch_size, shuffle, seed=3)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) <= batch_size for batch in batches)


def test_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(50, 384, 1000)

    def order(seed, epoch):
        sampler = LengthBucketSampler(lengths, 16, True, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3) and order(1, 2) != order(2, 2)


def test_little_is_padding():
    lengths = np.random.default_rng(0).integers(50, 384, 5000)

    def padding(batches):
        return 1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in batches)

    assert padding(LengthBucketSampler(lengths, 16, True)) < 0.02
    assert padding(LengthBucketSampler(lengths, 16, False)) < 0.01
    assert padding(np.array_split(np.random.default_rng(1).permutation(5000), 312)) > 0.3  # what random batches cost


def test_longest_first_when_not_shuffled():
    assert list(LengthBucketSampler([3, 9, 5], 2, shuffle=False)) == [[1, 2], [0]]


def test_a_loader_gives_tensors_and_the_features_they_are_of(examples, bert):
    dataset = FeatureDataset(examples, bert, 64, 20)
    loader = make_loader(dataset, 4, shuffle=True, seed=1)
    seen = []
    for batch in loader:
        width = max(len(dataset[i]["input_ids"]) for i in batch["feature_index"].tolist())
        assert batch["input_ids"].shape == batch["attention_mask"].shape == (len(batch["feature_index"]), width)
        for row, i in enumerate(batch["feature_index"].tolist()):
            item = dataset[i]
            assert batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist() == item["input_ids"].tolist()
            seen.append(i)
    assert sorted(seen) == list(range(len(dataset)))
