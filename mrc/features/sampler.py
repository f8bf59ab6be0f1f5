"""Which features go into one batch: those of similar length, so that little work is padding."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from torch.utils.data import Sampler

from mrc.errors import InputError, expect
from mrc.features.arrays import round_up
from mrc.wording import counted

# Tokens: lengths of batches are rounded up to this where few different widths matter.
WIDTH_STEP = 16

# How many optimizer steps' worth of shuffled features are sorted by length together.
POOL_STEPS = 50

# What can hold the lengths of the features.
LENGTHS = (Sequence, np.ndarray, Tensor)


class StepBatch(NamedTuple):
    """What one optimizer step takes: one process's micro-batches, and the size of the step.

    Attributes:
        batches: from a sampler, pairs (indices, weight); from a loader, dicts of tensors with a
            "weight". A weight is the micro-batch's share of the step's features.
        features: of the step, over all processes.
        tokens: of these features, without padding.
        padded_tokens: of these features, with padding.
    """

    batches: list[Any]
    features: int
    tokens: int
    padded_tokens: int


class LengthBucketSampler(Sampler[list[int]]):
    """Deal features into batches of similar length, shuffled anew each epoch::

        sampler = LengthBucketSampler(dataset.lengths, 16, seed=1)
        loader = DataLoader(dataset, batch_sampler=sampler, collate_fn=Collator(dataset))
        for epoch in range(epochs):
            sampler.set_epoch(epoch)  # else each epoch has the order of the first
            for batch in loader:
                ...

    The features are shuffled. Each pool of POOL_STEPS steps' worth is sorted by length and cut
    into steps, and the steps are shuffled. The order depends on the seed and the epoch alone.
    Which features make up a step depends on how many it takes, not on the number of processes
    and micro-batches among which they are divided.

    Args:
        lengths: tokens of each feature, (features,).
        batch_size: features of a micro-batch.
        seed: of the shuffling.
        accumulation_steps: micro-batches per step and process.
        max_tokens: let a micro-batch hold as many features as fit into this many tokens, in place
            of `batch_size`. For this, lengths count as rounded up to WIDTH_STEP on every device,
            so that a run takes the same steps on another one.
        pad_to_multiple_of: what the Collator rounds the length of a batch up to, but not beyond
            `max_length`. For the count of padded tokens.
        max_length: tokens of the longest feature that the dataset allows.
        rank, world_size: which process this is, and of how many.

    Raises:
        InputError: if a size is below 1, or `lengths` is a dataset.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        batch_size: int,
        *,
        seed: int = 0,
        accumulation_steps: int = 1,
        max_tokens: int | None = None,
        pad_to_multiple_of: int = 1,
        max_length: int | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        expect(lengths, LENGTHS, "LengthBucketSampler: lengths", "the dataset's: dataset.lengths")
        for name, value in (
            ("batch_size", batch_size),
            ("accumulation_steps", accumulation_steps),
            ("max_tokens", max_tokens),
        ):
            if value is not None and value < 1:
                raise InputError(f"LengthBucketSampler: {name} is {value}; it must be 1 or more.")
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        # The micro-batches of a whole step.
        self.micro_batches = accumulation_steps * world_size
        self.dealt_lengths = self._rounded(WIDTH_STEP, max_length)
        self.padded_lengths = self._rounded(pad_to_multiple_of, max_length)
        self.pool_size = POOL_STEPS * self.micro_batches * self._usual_batch_size()
        self.set_epoch(0)

    def __repr__(self) -> str:
        size = f"{self.batch_size} a batch"
        if self.max_tokens is not None:
            size = f"up to {self.max_tokens} tokens a batch"
        return (
            f"<LengthBucketSampler: {counted(len(self.lengths), 'feature')}, {size}; "
            f"{counted(len(self.steps), 'step')} an epoch>"
        )

    def _rounded(self, multiple: int, max_length: int | None) -> np.ndarray:
        """The lengths, rounded up to a multiple, but not beyond max_length."""
        rounded = round_up(self.lengths, multiple)
        if max_length is not None:
            rounded = np.minimum(rounded, max_length)
        return rounded.astype(np.int64)

    def _usual_batch_size(self) -> int:
        """How many features a micro-batch has on average."""
        if self.max_tokens is None:
            return self.batch_size
        mean = self.dealt_lengths.mean() if len(self.lengths) else 1
        return max(1, int(self.max_tokens / mean))

    def _batch_size_for(self, longest_feature: int) -> int:
        """How many features a micro-batch takes, given the index of its longest."""
        if self.max_tokens is None:
            return self.batch_size
        return max(1, int(self.max_tokens // self.dealt_lengths[longest_feature]))

    def set_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Choose the epoch to deal, and its step to begin with."""
        # The features of each step of the epoch, longest first.
        self.steps = self._deal(epoch)
        self.first_step = first_step

    def _deal(self, epoch: int) -> list[np.ndarray]:
        """Shuffle, sort each pool by length, cut it into steps, and shuffle the steps."""
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(len(self.lengths))
        steps = []
        for at in range(0, len(order), self.pool_size):
            pool = order[at : at + self.pool_size]
            pool = pool[np.argsort(-self.lengths[pool], kind="stable")]
            while len(pool):
                size = self.micro_batches * self._batch_size_for(pool[0])
                steps.append(pool[:size])
                pool = pool[size:]
        return [steps[i] for i in rng.permutation(len(steps))]

    @property
    def steps_in_epoch(self) -> int:
        """The optimizer steps of the whole epoch."""
        return len(self.steps)

    def total_steps(self, epochs: int) -> int:
        """The optimizer steps that so many epochs have."""
        if self.max_tokens is None:
            return epochs * len(self.steps)
        # Which features share a pool decides into how many steps they are cut.
        return sum(len(self._deal(epoch)) for epoch in range(epochs))

    def step_batches(self) -> Iterator[StepBatch]:
        """The steps of the epoch from `first_step` on, and this process's micro-batches of each."""
        for step in self.steps[self.first_step :]:
            parts = np.array_split(step, self._count_parts(step))
            mine = parts[self.rank :: self.world_size]
            filled = [part for part in parts if len(part)]
            # A step's features are sorted, so the first of a part is its longest.
            padded = sum(len(part) * self.padded_lengths[part[0]] for part in filled)
            yield StepBatch(
                batches=[_weighted(part, step) for part in mine],
                features=len(step),
                tokens=int(self.lengths[step].sum()),
                padded_tokens=int(padded),
            )

    def _count_parts(self, step: np.ndarray) -> int:
        """Into how many micro-batches a step is divided: the same number for each process."""
        needed = math.ceil(len(step) / self._batch_size_for(step[0]))
        per_process = math.ceil(needed / self.world_size)
        return per_process * self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        """The indices of each micro-batch, for `DataLoader(batch_sampler=...)`."""
        for step in self.step_batches():
            for indices, _ in step.batches:
                yield indices

    def __len__(self) -> int:
        """How many micro-batches iterating gives."""
        steps = self.steps[self.first_step :]
        return sum(self._count_parts(step) // self.world_size for step in steps)


def _weighted(part: np.ndarray, step: np.ndarray) -> tuple[list[int], float]:
    """The indices of a micro-batch, and its share of the step's features."""
    if len(part):
        return part.tolist(), len(part) / len(step)
    # Processes must all take part in a step's exchanges: this one gets a feature that counts for
    # nothing.
    return step[:1].tolist(), 0.0
