"""Buckets waste little, lose nothing and repeat exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrc.config.train import TrainConfig
from mrc.features.batching import LengthBucketSampler, make_loader, make_training_loader
from mrc.features.dataset import FeatureDataset, WindowSettings

LENGTHS = st.lists(st.integers(1, 384), max_size=300)


def deal(lengths, batch_size, epoch=0, seed=3, **settings):
    """What each process gets of an epoch: a list of its Groups for each."""
    processes = settings.pop("world_size", 1)
    samplers = [
        LengthBucketSampler(
            lengths, batch_size, seed=seed, rank=rank, world_size=processes, **settings
        )
        for rank in range(processes)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler.step_batches()) for sampler in samplers]


def features_of(group):
    return sorted(i for indices, weight in group.batches if weight for i in indices)


@given(
    LENGTHS,
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 5),
)
def test_each_feature_comes_once(lengths, batch_size, accumulation, world_size, by_tokens, epoch):
    max_tokens = 384 + 10 * batch_size if by_tokens else None
    dealt = deal(
        lengths,
        batch_size,
        epoch,
        accumulation_steps=accumulation,
        world_size=world_size,
        max_tokens=max_tokens,
    )
    assert sorted(i for groups in dealt for group in groups for i in features_of(group)) == list(
        range(len(lengths))
    )
    assert len({len(groups) for groups in dealt}) == 1
    for step in zip(*dealt):
        assert sum(weight for group in step for _, weight in group.batches) == pytest.approx(1)
        assert (
            len({len(group.batches) for group in step}) == 1 <= len(step[0].batches) <= accumulation
        )  # all do the same
        parts = [indices for group in step for indices, weight in group.batches if weight]
        if by_tokens:
            assert all(len(part) * max(lengths[i] for i in part) <= max_tokens for part in parts)
        else:
            assert all(len(part) <= batch_size for part in parts)
        tokens, cells = (
            sum(lengths[i] for part in parts for i in part),
            sum(len(part) * max(lengths[i] for i in part) for part in parts),
        )
        assert {(group.features, group.tokens, group.padded_tokens) for group in step} == {
            (sum(map(len, parts)), tokens, cells)
        }


@given(LENGTHS, st.sampled_from([(12, 1, 1), (4, 3, 1), (4, 1, 3), (2, 3, 2), (1, 4, 3)]))
def test_a_step_has_the_same_features_however_it_is_dealt(lengths, shape):
    batch_size, accumulation, world_size = shape
    whole, parts = (
        deal(lengths, 12)[0],
        deal(lengths, batch_size, accumulation_steps=accumulation, world_size=world_size),
    )
    assert [features_of(group) for group in whole] == [
        sorted(i for group in step for i in features_of(group)) for step in zip(*parts)
    ]


def test_an_epoch_can_begin_at_any_step():
    sampler = LengthBucketSampler(np.arange(1, 100), 4, seed=1)
    sampler.set_epoch(2)
    whole = list(sampler.step_batches())
    sampler.set_epoch(2, first_step=7)
    assert list(sampler.step_batches()) == whole[7:]
    assert sampler.steps_in_epoch == len(whole)


def test_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(50, 384, 1000)
    assert deal(lengths, 16, 2, seed=1) == deal(lengths, 16, 2, seed=1)
    assert deal(lengths, 16, 2, seed=1) != deal(lengths, 16, 3, seed=1) and deal(
        lengths, 16, 2, seed=1
    ) != deal(lengths, 16, 2, seed=2)


def test_little_is_padding_and_processes_work_alike():
    lengths = np.random.default_rng(0).integers(50, 384, 5000)

    def padding(groups):
        return 1 - sum(group.tokens for group in groups) / sum(
            group.padded_tokens for group in groups
        )

    assert padding(deal(lengths, 16)[0]) < 0.02
    assert padding(deal(lengths, 16, max_tokens=4096)[0]) < 0.03
    random = np.array_split(np.random.default_rng(1).permutation(5000), 312)
    assert (
        1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in random) > 0.3
    )  # what random batches cost
    one, two = (
        [
            sum(len(indices) * lengths[indices].max() for indices, _ in group.batches)
            for group in groups
        ]
        for groups in deal(lengths, 16, world_size=2)
    )
    assert np.mean([max(a, b) / min(a, b) for a, b in zip(one, two)]) < 1.03


def test_batches_by_tokens_are_of_equal_work():
    lengths = np.random.default_rng(0).integers(50, 384, 5000)
    cells = np.array([group.padded_tokens for group in deal(lengths, 1, max_tokens=4096)[0]])
    assert cells.max() <= 4096 and np.quantile(cells, 0.1) > 0.85 * 4096


def test_scoring_takes_the_longest_first(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    batches = [
        [
            batch["feature_index"].tolist()
            for batch in make_loader(dataset, 4, rank=rank, world_size=2)
        ]
        for rank in range(2)
    ]
    lengths = [dataset.lengths[i] for pair in zip(*batches) for batch in pair for i in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(i for mine in batches for batch in mine for i in batch) == list(
        range(len(dataset))
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_batches_in_half_precision_have_few_shapes(examples, bert, precision):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    config = TrainConfig(batch_size=2, precision=precision)
    trained = [
        batch
        for group in make_training_loader(dataset, config, precision=precision)
        for batch in group.batches
    ]
    for batches in (trained, list(make_loader(dataset, 2, precision=precision))):
        widths = {batch["input_ids"].shape[1] for batch in batches}
        assert all(width % 16 == 0 for width in widths) == (precision != "fp32")
        assert sum(int(batch["attention_mask"].sum()) for batch in batches) == dataset.lengths.sum()


def test_a_loader_gives_tensors_and_the_features_they_are_of(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    loader = make_loader(dataset, 4)
    seen = []
    for batch in loader:
        width = max(len(dataset[i]["input_ids"]) for i in batch["feature_index"].tolist())
        assert (
            batch["input_ids"].shape
            == batch["attention_mask"].shape
            == (len(batch["feature_index"]), width)
        )
        for row, i in enumerate(batch["feature_index"].tolist()):
            item = dataset[i]
            assert (
                batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist()
                == item["input_ids"].tolist()
            )
            seen.append(i)
    assert sorted(seen) == list(range(len(dataset)))
