"""Buckets waste little, lose nothing and repeat exactly; steps weigh their features alike."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Subset

from mrc.config import TrainConfig
from mrc.data import Answer, Example
from mrc.errors import InputError
from mrc.features import (
    BatchLoader,
    Collator,
    FeatureDataset,
    LengthBucketSampler,
    StepBatch,
    WindowSettings,
    make_loader,
    make_training_loader,
)
from mrc.model import BaselineModel, span_loss

LENGTHS = st.lists(st.integers(1, 384), max_size=300)


@pytest.fixture
def dataset(examples, bert):
    return FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))


def deal(lengths, batch_size, epoch=0, seed=3, **settings) -> list[list[StepBatch]]:
    """The steps of an epoch, as each process gets them."""
    processes = settings.pop("world_size", 1)
    dealt = []
    for rank in range(processes):
        sampler = LengthBucketSampler(
            lengths, batch_size, seed=seed, rank=rank, world_size=processes, **settings
        )
        sampler.set_epoch(epoch)
        dealt.append(list(sampler.step_batches()))
    return dealt


def features_of(*steps: StepBatch) -> list[int]:
    """The features that count, sorted."""
    return sorted(
        i for step in steps for indices, weight in step.batches if weight for i in indices
    )


@given(
    lengths=LENGTHS,
    batch_size=st.integers(1, 40),
    accumulation_steps=st.integers(1, 3),
    world_size=st.integers(1, 3),
    by_tokens=st.booleans(),
    epoch=st.integers(0, 5),
)
def test_each_feature_comes_once(
    lengths, batch_size, accumulation_steps, world_size, by_tokens, epoch
):
    max_tokens = 384 + 10 * batch_size if by_tokens else None
    dealt = deal(
        lengths,
        batch_size,
        epoch,
        accumulation_steps=accumulation_steps,
        world_size=world_size,
        max_tokens=max_tokens,
    )
    everything = [step for steps in dealt for step in steps]
    assert features_of(*everything) == list(range(len(lengths)))
    assert len({len(steps) for steps in dealt}) == 1

    for step in zip(*dealt, strict=True):
        # All processes go through the same motions.
        assert len({len(mine.batches) for mine in step}) == 1
        assert 1 <= len(step[0].batches) <= accumulation_steps

        weights = [weight for mine in step for _, weight in mine.batches]
        assert sum(weights) == pytest.approx(1)
        parts = [indices for mine in step for indices, weight in mine.batches if weight]
        for part in parts:
            if by_tokens:
                assert len(part) * max(lengths[i] for i in part) <= max_tokens
            else:
                assert len(part) <= batch_size

        features = sum(map(len, parts))
        tokens = sum(lengths[i] for part in parts for i in part)
        padded = sum(len(part) * max(lengths[i] for i in part) for part in parts)
        for mine in step:
            assert mine.features == features
            assert mine.tokens == tokens
            assert mine.padded_tokens == padded


@given(LENGTHS, st.sampled_from([(12, 1, 1), (4, 3, 1), (4, 1, 3), (2, 3, 2), (1, 4, 3)]))
def test_a_step_has_the_same_features_however_it_is_dealt(lengths, shape):
    batch_size, accumulation_steps, world_size = shape
    whole = deal(lengths, 12)[0]
    parts = deal(lengths, batch_size, accumulation_steps=accumulation_steps, world_size=world_size)
    assert [features_of(step) for step in whole] == [
        features_of(*step) for step in zip(*parts, strict=True)
    ]


@given(LENGTHS, st.integers(1, 20), st.integers(0, 3), st.integers(0, 4))
def test_plain_iteration_gives_the_batches_of_the_steps(lengths, batch_size, epoch, first_step):
    sampler = LengthBucketSampler(lengths, batch_size, seed=1, accumulation_steps=2)
    sampler.set_epoch(epoch, first_step)
    of_steps = [indices for step in sampler.step_batches() for indices, _ in step.batches]
    assert list(sampler) == of_steps
    assert len(sampler) == len(of_steps)


def test_an_epoch_can_begin_at_any_step():
    sampler = LengthBucketSampler(np.arange(1, 100), 4, seed=1)
    sampler.set_epoch(2)
    whole = list(sampler.step_batches())
    sampler.set_epoch(2, first_step=7)
    assert list(sampler.step_batches()) == whole[7:]
    assert sampler.steps_in_epoch == len(whole)


@pytest.mark.parametrize("max_tokens", [None, 900])
def test_total_steps_are_those_of_all_epochs(max_tokens):
    lengths = np.random.default_rng(0).integers(50, 384, 300)
    sampler = LengthBucketSampler(lengths, 4, max_tokens=max_tokens)
    total = 0
    for epoch in range(3):
        sampler.set_epoch(epoch)
        total += len(list(sampler.step_batches()))
    assert sampler.total_steps(3) == total


def test_order_depends_on_seed_and_epoch_alone():
    lengths = np.random.default_rng(0).integers(50, 384, 1000)
    first = deal(lengths, 16, epoch=2, seed=1)
    assert deal(lengths, 16, epoch=2, seed=1) == first
    assert deal(lengths, 16, epoch=3, seed=1) != first
    assert deal(lengths, 16, epoch=2, seed=2) != first


def test_little_is_padding_and_processes_work_alike():
    lengths = np.random.default_rng(0).integers(50, 384, 5000)

    def padding(steps):
        tokens = sum(step.tokens for step in steps)
        return 1 - tokens / sum(step.padded_tokens for step in steps)

    assert padding(deal(lengths, 16)[0]) < 0.02
    assert padding(deal(lengths, 16, max_tokens=4096)[0]) < 0.03
    # What random batches cost.
    random = np.array_split(np.random.default_rng(1).permutation(5000), 312)
    assert 1 - lengths.sum() / sum(lengths[batch].max() * len(batch) for batch in random) > 0.3

    def work(step):
        return sum(len(indices) * lengths[indices].max() for indices, _ in step.batches)

    both = [list(map(work, steps)) for steps in deal(lengths, 16, world_size=2)]
    ratios = [max(pair) / min(pair) for pair in zip(*both, strict=True)]
    assert np.mean(ratios) < 1.03


def test_batches_by_tokens_are_of_equal_work():
    lengths = np.random.default_rng(0).integers(50, 384, 5000)
    steps = deal(lengths, 1, max_tokens=4096)[0]
    padded_tokens = np.array([step.padded_tokens for step in steps])
    assert padded_tokens.max() <= 4096
    assert np.quantile(padded_tokens, 0.1) > 0.85 * 4096


@pytest.mark.parametrize("name", ["batch_size", "accumulation_steps", "max_tokens"])
def test_a_size_below_one_is_refused(name):
    sizes = {"batch_size": 4, name: 0}
    with pytest.raises(InputError, match=f"{name} is 0; it must be 1 or more"):
        LengthBucketSampler([1, 2, 3], **sizes)


def test_scoring_takes_the_longest_first(dataset):
    loaders = [make_loader(dataset, 4, rank=rank, world_size=2) for rank in range(2)]
    batches = [[batch["feature_index"].tolist() for batch in loader] for loader in loaders]
    lengths = [
        dataset.lengths[i] for pair in zip(*batches, strict=False) for batch in pair for i in batch
    ]
    assert lengths == sorted(lengths, reverse=True)
    everything = sorted(i for mine in batches for batch in mine for i in batch)
    assert everything == list(range(len(dataset)))


def test_scoring_mixes_no_features_with_and_without_a_label(bert):
    context = "The mill was built in 1784. " * 10
    labels = [(Answer("1784", 22),), (), (Answer("1785", -1),), (Answer("mill", 4),)]
    examples = [
        Example(str(n), "When was it built?", context[: 40 * (n + 1)], labels[n % 4])
        for n in range(7)
    ]
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=40, stride=8))
    batches = [batch["feature_index"].numpy() for batch in make_loader(dataset, 3)]
    assert sorted(np.concatenate(batches)) == list(range(len(dataset)))
    for batch in batches:
        assert len(set(dataset.has_label[batch])) == 1
        assert (np.diff(dataset.lengths[batch]) <= 0).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_batches_in_half_precision_have_few_shapes(dataset, precision):
    config = TrainConfig(batch_size=2, precision=precision)
    steps = make_training_loader(dataset, config, precision=precision)
    trained = [batch for step in steps for batch in step.batches]
    for batches in (trained, list(make_loader(dataset, 2, precision=precision))):
        widths = {batch["input_ids"].shape[1] for batch in batches}
        assert all(width % 16 == 0 for width in widths) == (precision != "fp32")
        assert sum(int(batch["attention_mask"].sum()) for batch in batches) == dataset.lengths.sum()


def test_a_loader_gives_tensors_and_the_features_they_are_of(dataset):
    seen = []
    for batch in make_loader(dataset, 4):
        features = batch["feature_index"].tolist()
        width = max(len(dataset[i]["input_ids"]) for i in features)
        assert batch["input_ids"].shape == (len(features), width)
        assert batch["attention_mask"].shape == (len(features), width)
        for row, i in enumerate(features):
            is_token = batch["attention_mask"][row] == 1
            assert batch["input_ids"][row][is_token].tolist() == dataset[i]["input_ids"].tolist()
        seen += features
    assert sorted(seen) == list(range(len(dataset)))


def assert_same_batches(some, others):
    for mine, theirs in zip(some, others, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_a_plain_loop_sees_the_batches_of_a_run(dataset):
    config = TrainConfig(batch_size=4, seed=1)
    of_run = make_training_loader(dataset, config)
    sampler = LengthBucketSampler(dataset.lengths, 4, seed=1)
    plain = DataLoader(dataset, batch_sampler=sampler, collate_fn=Collator(dataset))
    for epoch in range(2):
        of_run.set_epoch(epoch)
        sampler.set_epoch(epoch)
        batches = [step.batches[0] for step in of_run]
        assert {batch.pop("weight") for batch in batches} == {1.0}
        assert len(plain) == len(of_run) == len(batches)
        assert_same_batches(plain, batches)


@pytest.mark.parametrize("settings", [{}, {"num_workers": 1}, {"shuffle": True}])
def test_without_a_collate_function_a_loader_gives_the_same_padded_tensors(dataset, settings):
    def batches(**collate):
        order = torch.Generator().manual_seed(0)
        return DataLoader(dataset, batch_size=4, generator=order, **settings, **collate)

    assert_same_batches(batches(), batches(collate_fn=Collator(dataset)))


def test_a_part_of_a_dataset_can_be_loaded(dataset):
    part = DataLoader(Subset(dataset, [5, 2, 9]), batch_size=2, collate_fn=Collator(dataset))
    assert [batch["feature_index"].tolist() for batch in part] == [[5, 2], [9]]


def test_a_collator_of_another_dataset_is_refused(dataset, examples, bert):
    other = FeatureDataset(examples, bert, WindowSettings(max_length=96, stride=20))
    with pytest.raises(InputError, match="another dataset"):
        next(iter(DataLoader(dataset, batch_size=4, collate_fn=Collator(other))))


@pytest.mark.parametrize(("pad_to", "width"), [("max_length", 64), (70, 70)])
def test_batches_of_one_width_can_be_concatenated(dataset, pad_to, width):
    loader = DataLoader(dataset, batch_size=4, collate_fn=Collator(dataset, pad_to=pad_to))
    ids = torch.cat([batch["input_ids"] for batch in loader])
    assert ids.shape == (len(dataset), width)


def test_a_width_below_a_feature_is_refused(dataset):
    with pytest.raises(InputError, match="pad_to is 50, but the dataset has a feature of 64"):
        Collator(dataset, pad_to=50)
    with pytest.raises(InputError, match="must be a number of tokens or 'max_length'"):
        Collator(dataset, pad_to="longest")
    with pytest.raises(InputError, match="64 tokens does not fit into batches padded to 50"):
        dataset.batch(range(len(dataset)), width=50)


def own_loader(dataset, batch_size=3):
    return DataLoader(dataset, batch_size=batch_size, collate_fn=Collator(dataset))


def gradients(model, batches):
    """The gradient of the weighted losses of a step's micro-batches."""
    model.zero_grad()
    for batch in batches:
        inputs = {n: batch[n] for n in ("input_ids", "attention_mask", "token_type_ids")}
        start_logits, end_logits = model(**inputs)
        (span_loss(start_logits, end_logits, batch) * batch["weight"]).backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("kind", ["run", "own"])
def test_a_steps_micro_batches_have_the_gradient_of_one_batch(dataset, encoder_folder, kind):
    """In a short last group too, and if the last batch of it is short."""
    model = BaselineModel.from_pretrained(encoder_folder, dropout=0.0).eval()
    if kind == "run":
        config = TrainConfig(batch_size=5, gradient_accumulation_steps=4)
        loader = make_training_loader(dataset, config)
    else:
        loader = BatchLoader(own_loader(dataset, 5), accumulation_steps=4)
    steps = list(loader)
    assert len(steps) == len(loader)
    shortest = min(steps, key=lambda step: step.features)
    assert shortest.features < 20
    assert len(shortest.batches) > 1
    for step in (steps[0], shortest):
        features = torch.cat([batch["feature_index"] for batch in step.batches])
        assert len(features) == step.features
        whole = {**Collator(dataset)(features.tolist()), "weight": 1.0}
        for mine, expected in zip(
            gradients(model, step.batches), gradients(model, [whole]), strict=True
        ):
            torch.testing.assert_close(mine, expected, atol=1e-6, rtol=1e-4)


@given(batches=st.integers(1, 40), accumulation_steps=st.integers(1, 6), data=st.data())
def test_steps_of_any_loader(batches, accumulation_steps, data):
    rows = data.draw(st.lists(st.integers(1, 5), min_size=batches, max_size=batches))
    given_batches = [
        {
            "input_ids": torch.full((count, 7), number),
            "attention_mask": torch.ones(count, 7).tril(2),
            "start_positions": torch.zeros(count),
            "end_positions": torch.zeros(count),
        }
        for number, count in enumerate(rows)
    ]
    loader = BatchLoader(given_batches, accumulation_steps)
    steps = list(loader)
    assert len(loader) == len(steps) == math.ceil(batches / accumulation_steps)
    assert loader.total_steps(3) == 3 * len(steps)
    assert sum(step.features for step in steps) == sum(rows)
    assert sum(step.padded_tokens for step in steps) == 7 * sum(rows)
    assert sum(step.tokens for step in steps) == sum(
        int(batch["attention_mask"].sum()) for batch in given_batches
    )
    for step in steps:
        for batch in step.batches:
            assert batch["weight"] == pytest.approx(len(batch["input_ids"]) / step.features)
    order = [int(batch["input_ids"][0, 0]) for step in steps for batch in step.batches]
    assert order == list(range(batches))

    first_step = data.draw(st.integers(0, len(steps)))
    loader.set_epoch(1, first_step)
    assert [step.features for step in loader] == [step.features for step in steps[first_step:]]


def test_an_own_loaders_sampler_hears_of_the_epoch(dataset):
    sampler = LengthBucketSampler(dataset.lengths, 4, seed=1)
    own = DataLoader(dataset, batch_sampler=sampler, collate_fn=Collator(dataset))
    of_run = make_training_loader(dataset, TrainConfig(batch_size=4, seed=1))
    loader = BatchLoader(own)
    for epoch in range(2):
        loader.set_epoch(epoch)
        of_run.set_epoch(epoch)
        for mine, theirs in zip(loader, of_run, strict=True):
            assert mine[1:] == theirs[1:]
            assert_same_batches(
                [{**batch, "weight": torch.tensor(1.0)} for batch in mine.batches],
                [{**batch, "weight": torch.tensor(1.0)} for batch in theirs.batches],
            )


@pytest.mark.parametrize("name", ["input_ids", "attention_mask", "end_positions"])
def test_a_batch_that_lacks_a_key_is_refused(dataset, name):
    batches = list(own_loader(dataset))
    del batches[1][name]
    with pytest.raises(InputError, match=f"batch 1 of the loader has no '{name}'"):
        list(BatchLoader(batches, accumulation_steps=2))


def test_a_loader_that_cannot_train_is_refused(dataset):
    with pytest.raises(InputError, match="has no length"):
        BatchLoader(iter([]))
    with pytest.raises(InputError, match="batch 0 of the loader is a list"):
        list(BatchLoader([[1, 2]]))
