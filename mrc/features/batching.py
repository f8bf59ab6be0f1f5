"""Batches: windows of one length together, so that little of the work goes into padding."""

from typing import NamedTuple

import numpy as np
import torch

from mrc.runtime.device import DTYPES

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # what of a batch a model is called with


WIDTH_STEP = 16  # tokens: what the lengths of batches are rounded up to where it matters that they have few widths


POOL_STEPS = 50  # optimiser steps' worth of shuffled windows that are sorted together


class StepBatch(NamedTuple):
    """What one optimiser step is made of: a process's micro-batches, and the size of the step over all processes.

    batches: from the sampler, (indices, weight) pairs; from the loader, dicts of tensors with a "weight". A weight is the
    micro-batch's share of the step's features. tokens: without padding; padded_tokens: with it.
    """

    batches: list
    features: int
    tokens: int
    padded_tokens: int


class LengthBucketSampler:
    """Deal features into optimiser steps of windows of similar length, and each step's into micro-batches of equal work.

    The features are shuffled, each pool of POOL_STEPS steps' worth is sorted by length and cut into steps, and the steps are
    shuffled: the same for the same (seed, epoch), another order for the next epoch. Which features make up a step depends on
    how many it takes, and not on how many processes and micro-batches they are dealt to.

    lengths: (features,) in tokens. batch_size: features of a micro-batch; or max_tokens: as many as that many tokens hold,
    with lengths rounded up to WIDTH_STEP, on whatever device, so that a run takes the same steps on another. multiple: what the
    batches' lengths are really rounded up to, longest (tokens) being what none exceeds; for the count of padded tokens. accumulation:
    micro-batches of a step and process. Iterating gives the Groups of process `rank` of `world_size`. A process for which the last
    step has no feature is given one with the weight 0, since processes must go through the same motions.
    """

    def __init__(
        self,
        lengths,
        batch_size,
        seed=0,
        accumulation=1,
        max_tokens=None,
        multiple=1,
        longest=None,
        rank=0,
        world_size=1,
    ):
        self.lengths = np.asarray(lengths)
        self.dealt_lengths, self.padded_lengths = (
            np.minimum(-(-self.lengths // step) * step, longest or np.inf).astype(np.int64)
            for step in (WIDTH_STEP, multiple)
        )
        self.batch_size, self.max_tokens, self.seed = batch_size, max_tokens, seed
        self.rank, self.world_size, self.parts = rank, world_size, accumulation * world_size
        mean = self.dealt_lengths.mean() if max_tokens and len(self.lengths) else 1
        self.pool = (
            POOL_STEPS * self.parts * (max(1, int(max_tokens / mean)) if max_tokens else batch_size)
        )
        self.set_epoch(0)

    def set_epoch(self, epoch, first_step=0):
        """Choose the epoch to deal out, and the step of it to begin with."""
        self.steps, self.first_step = self._deal(epoch), first_step

    def total_steps(self, epochs):
        """The steps that so many epochs have."""
        return (
            sum(len(self._deal(epoch)) for epoch in range(epochs))
            if self.max_tokens
            else epochs * len(self.steps)
        )

    def __len__(self):
        return len(self.steps)

    def __iter__(self):
        for step in self.steps[self.first_step :]:
            fewest = -(
                -len(step) // self._micro_batch_size(step[0])
            )  # micro-batches that hold the step's features
            count = -(-fewest // self.world_size) * self.world_size
            parts = np.array_split(step, count)
            mine = [
                (part, len(part) / len(step)) if len(part) else (step[:1], 0.0)
                for part in parts[self.rank :: self.world_size]
            ]
            padded_tokens = sum(
                len(part) * self.padded_lengths[part[0]] for part in parts if len(part)
            )
            yield StepBatch(
                [(part.tolist(), weight) for part, weight in mine],
                len(step),
                int(self.lengths[step].sum()),
                int(padded_tokens),
            )

    def _micro_batch_size(self, longest):
        return (
            max(1, int(self.max_tokens // self.dealt_lengths[longest]))
            if self.max_tokens
            else self.batch_size
        )

    def _deal(self, epoch):
        """The features of each step of an epoch, the longest first."""
        rng = np.random.default_rng((self.seed, epoch))
        order, steps = rng.permutation(len(self.lengths)), []
        for at in range(0, len(order), self.pool):
            pool = order[at : at + self.pool]
            pool = pool[np.argsort(-self.lengths[pool], kind="stable")]
            while len(pool):
                size = self.parts * self._micro_batch_size(pool[0])
                steps.append(pool[:size])
                pool = pool[size:]
        return [steps[i] for i in rng.permutation(len(steps))]


class Collator:
    """Write the features of a batch into tensors, padded to the longest of them, rounded up as `length_multiple` says.
    A DataLoader of a FeatureDataset calls it with the batch's indices."""

    def __init__(self, dataset, device="cpu", precision="fp32"):
        self.dataset, self.multiple = dataset, length_multiple(device, precision)

    def __call__(self, indices):
        """-> dict of int64 tensors: feature_index (batch,), and what FeatureDataset.batch makes."""
        indices = getattr(indices, "indices", indices)
        batch = self.dataset.batch(indices, self.multiple)
        return {
            "feature_index": torch.as_tensor(indices),
            **{name: torch.from_numpy(a) for name, a in batch.items()},
        }

    def group(self, group):
        """The same for each micro-batch of a Group, with its weight."""
        group = getattr(group, "indices", group)
        return group._replace(
            batches=[{**self(indices), "weight": weight} for indices, weight in group.batches]
        )


def length_multiple(device, precision="fp32"):
    """What the lengths of batches are rounded up to, in tokens. On a GPU, for its matrix units. On a CPU in half precision ("bf16",
    "fp16") because oneDNN, which then computes, makes kernels for each new shape and keeps them: without it a run grew by 10 MB a
    step."""
    kind = torch.device(device).type
    return 8 if kind == "cuda" else WIDTH_STEP if kind == "cpu" and precision in DTYPES else 1


def to_device(batch, device):
    """A batch on the device that computes with it. Its attention_mask is None where nothing is padding: attention without
    a mask is faster, and on a GPU only the host can tell without waiting."""
    unpadded = bool(batch["attention_mask"].all())
    moved = {
        name: value.to(device, non_blocking=True)
        for name, value in batch.items()
        if isinstance(value, torch.Tensor)
    }
    return {**moved, "attention_mask": None if unpadded else moved["attention_mask"]}


def make_training_loader(dataset, config, device, precision, rank=0, world_size=1):
    """A DataLoader of one Group a step; its `batch_sampler` is the LengthBucketSampler. config: TrainConfig; precision: "fp32",
    "bf16" or "fp16"."""
    sampler = LengthBucketSampler(
        dataset.lengths,
        config.batch_size,
        config.seed,
        config.gradient_accumulation_steps,
        config.max_tokens_per_batch,
        length_multiple(device, precision),
        dataset.max_length,
        rank,
        world_size,
    )
    return _loader(dataset, sampler, Collator(dataset, device, precision).group, device)


def make_loader(dataset, batch_size, device="cpu", precision="fp32", rank=0, world_size=1):
    """A DataLoader of batches in no order but their length: longest first, so that what does not fit into memory fails at once.

    Of several processes, each gets every `world_size`-th batch; what is left over at the end goes to the first ones.
    """
    order = np.argsort(-dataset.lengths, kind="stable")
    batches = [order[at : at + batch_size].tolist() for at in range(0, len(order), batch_size)]
    return _loader(dataset, batches[rank::world_size], Collator(dataset, device, precision), device)


def _loader(dataset, sampler, collate, device):
    # Gathering a batch takes about a millisecond: less than handing it over from another process would.
    # The generator is the loader's own, so that making an iterator does not move the one that dropout draws from.
    return torch.utils.data.DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        generator=torch.Generator(),
        pin_memory=torch.device(device).type == "cuda",
    )
