"""Batches of tensors: padded by the Collator, and handed out by loaders step by step."""

import math
from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader

from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, Selection, expect_features
from mrc.features.sampler import WIDTH_STEP, LengthBucketSampler, StepBatch
from mrc.runtime.device import DTYPES

# The part of a batch that a model is called with.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

# What a batch of a user's own loader must hold.
REQUIRED = ("input_ids", "attention_mask", "start_positions", "end_positions")

Batch = dict[str, Any]


class Collator:
    """Turn features into one batch of tensors; the collate function of a FeatureDataset::

        DataLoader(dataset, batch_size=16, collate_fn=Collator(dataset))

    Args:
        dataset: the FeatureDataset that the features are of.
        device, precision: what computes with the batches. Their length is the longest feature's,
            rounded up to what suits it (see `length_multiple`).
        pad_to: give all batches one length instead, so that their logits can be concatenated:
            a number of tokens, or "max_length" for that of the dataset.

    Raises:
        InputError: if a feature is longer than `pad_to`.
    """

    def __init__(
        self,
        dataset: FeatureDataset,
        *,
        device: torch.device | str = "cpu",
        precision: str = "fp32",
        pad_to: int | Literal["max_length"] | None = None,
    ) -> None:
        expect_features(dataset, "Collator: dataset")
        self.dataset = dataset
        self.multiple = length_multiple(device, precision)
        self.width = self._width(pad_to)

    def __repr__(self) -> str:
        width = "the longest feature of a batch" if self.width is None else f"{self.width} tokens"
        return f"<Collator: pads to {width}; of {self.dataset!r}>"

    def _width(self, pad_to: int | str | None) -> int | None:
        """The length of all batches, or None if each has the length of its longest feature."""
        if pad_to is None:
            return None
        width = self.dataset.max_length if pad_to == "max_length" else pad_to
        if not isinstance(width, int):
            raise InputError(
                f"Collator: pad_to is {pad_to!r}; it must be a number of tokens or 'max_length'."
            )
        longest = int(self.dataset.lengths.max(initial=0))
        if longest > width:
            raise InputError(
                f"Collator: pad_to is {width}, but the dataset has a feature of {longest} tokens. "
                "Use a larger pad_to, or windows of a smaller max_length."
            )
        return width

    def __call__(self, features: Sequence[int] | Selection) -> dict[str, torch.Tensor]:
        """Gather one batch.

        Args:
            features: what a DataLoader of the dataset hands over, or indices (batch,).

        Returns:
            int64 tensors: `feature_index` (batch,), and what `FeatureDataset.batch` returns.
        """
        if isinstance(features, Selection):
            if features.dataset is not self.dataset:
                raise InputError("Collator: made for another dataset than its DataLoader's.")
            features = features.indices
        arrays = self.dataset.batch(features, self.multiple, width=self.width)
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {"feature_index": torch.as_tensor(features), **tensors}


def length_multiple(device: torch.device | str, precision: str = "fp32") -> int:
    """The number of tokens to a multiple of which the length of a batch is rounded up."""
    kind = torch.device(device).type
    if kind == "cuda":
        # For the GPU's matrix units.
        return 8
    if kind == "cpu" and precision in DTYPES:
        # oneDNN, which then computes, builds kernels for each new shape and keeps them: without
        # this a run grew by 10 MB a step.
        return WIDTH_STEP
    return 1


def to_device(batch: Batch, device: torch.device | str) -> Batch:
    """Move a batch's tensors to the device that computes with them.

    The attention mask becomes None if nothing is padding: attention without a mask is faster, and
    on a GPU only the host can tell without waiting.
    """
    moved: Batch = {
        name: value.to(device, non_blocking=True)
        for name, value in batch.items()
        if isinstance(value, torch.Tensor)
    }
    mask = batch["attention_mask"]
    if mask is None or bool(mask.all()):
        moved["attention_mask"] = None
    return moved


class SamplerSettings(Protocol):
    """The training settings that decide which features go into a step."""

    batch_size: int
    seed: int
    gradient_accumulation_steps: int
    max_tokens_per_batch: int | None


class TrainingLoader:
    """The StepBatches of an epoch, as tensors.

    There are no worker processes: gathering a batch takes about a millisecond, less than handing
    it over from another process would.

    Args:
        dataset: the FeatureDataset.
        sampler: deals its features.
        collator: writes them into tensors.
        pin_memory: put the tensors where a GPU can copy them from without waiting.
    """

    def __init__(
        self,
        dataset: FeatureDataset,
        sampler: LengthBucketSampler,
        collator: Collator,
        pin_memory: bool = False,
    ) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.collator = collator
        self.pin_memory = pin_memory

    def set_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Choose the epoch, and its step to begin with."""
        self.sampler.set_epoch(epoch, first_step)

    def total_steps(self, epochs: int) -> int:
        """The optimizer steps that so many epochs have."""
        return self.sampler.total_steps(epochs)

    def __len__(self) -> int:
        """The optimizer steps of the whole epoch."""
        return self.sampler.steps_in_epoch

    def __iter__(self) -> Iterator[StepBatch]:
        for step in self.sampler.step_batches():
            batches = [self._batch(indices, weight) for indices, weight in step.batches]
            yield step._replace(batches=batches)

    def _batch(self, indices: list[int], weight: float) -> Batch:
        """One micro-batch with its weight."""
        tensors = self.collator(indices)
        if self.pin_memory:
            tensors = {name: tensor.pin_memory() for name, tensor in tensors.items()}
        return {**tensors, "weight": weight}


def make_training_loader(
    dataset: FeatureDataset,
    settings: SamplerSettings,
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    rank: int = 0,
    world_size: int = 1,
) -> TrainingLoader:
    """The loader of a training run: batches of similar length, shuffled anew each epoch.

    Args:
        dataset: the features to train on.
        settings: `batch_size`, `seed`, `gradient_accumulation_steps`, `max_tokens_per_batch`.
        device: what computes with the batches.
        precision: "fp32", "bf16" or "fp16".
        rank: which process this is.
        world_size: of how many.
    """
    sampler = LengthBucketSampler(
        dataset.lengths,
        settings.batch_size,
        seed=settings.seed,
        accumulation_steps=settings.gradient_accumulation_steps,
        max_tokens=settings.max_tokens_per_batch,
        pad_to_multiple_of=length_multiple(device, precision),
        max_length=dataset.max_length,
        rank=rank,
        world_size=world_size,
    )
    collator = Collator(dataset, device=device, precision=precision)
    return TrainingLoader(dataset, sampler, collator, pin_memory=_is_cuda(device))


class BatchLoader:
    """The StepBatches of any DataLoader: several of its batches in a row make one optimizer step.

    Args:
        loader: gives batches as dicts of tensors: `input_ids`, `attention_mask`, which may be
            None if nothing is padding, and `token_type_ids`, if the model takes them, each
            (batch, length); `start_positions` and `end_positions` (batch,). It must have a length.
        accumulation_steps: batches per step. The last step of an epoch may have fewer. A batch
            weighs by its rows, so that each feature of a step counts the same.
        world_size: processes that share a step, each with as many rows from a loader of its own.
    """

    def __init__(
        self,
        loader: Iterable[Batch],
        accumulation_steps: int = 1,
        *,
        world_size: int = 1,
    ) -> None:
        if not isinstance(loader, Sized):
            raise InputError(
                "BatchLoader: the loader has no length, so a run could not tell how many steps an "
                "epoch has. Use a DataLoader of a dataset with a length."
            )
        if accumulation_steps < 1:
            raise InputError(
                f"BatchLoader: accumulation_steps is {accumulation_steps}; it must be 1 or more."
            )
        self.loader = loader
        self.dataset = getattr(loader, "dataset", loader)
        self.batches_in_epoch = len(loader)
        self.accumulation_steps = accumulation_steps
        self.world_size = world_size
        self.first_step = 0

    def set_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Choose the epoch, and its step to begin with; the batches before are skipped.

        The loader's sampler is told the epoch if it has a `set_epoch`. A resumed run sees the
        batches that it would have seen only if their order follows from the epoch.
        """
        self.first_step = first_step
        for name in ("sampler", "batch_sampler"):
            sampler = getattr(self.loader, name, None)
            set_epoch = getattr(sampler, "set_epoch", None)
            if set_epoch is not None:
                set_epoch(epoch)

    def total_steps(self, epochs: int) -> int:
        """The optimizer steps that so many epochs have."""
        return epochs * len(self)

    def __len__(self) -> int:
        """The optimizer steps of the whole epoch."""
        return math.ceil(self.batches_in_epoch / self.accumulation_steps)

    def __iter__(self) -> Iterator[StepBatch]:
        skipped = self.first_step * self.accumulation_steps
        numbered = islice(enumerate(self.loader), skipped, None)
        while group := list(islice(numbered, self.accumulation_steps)):
            for number, batch in group:
                _check_batch(batch, number)
            yield self._step_batch([batch for _, batch in group])

    def _step_batch(self, batches: list[Batch]) -> StepBatch:
        """One step of some batches, each weighed by its rows."""
        rows = [len(batch["input_ids"]) for batch in batches]
        features = sum(rows) * self.world_size
        weighted = [
            {**batch, "weight": count / features}
            for count, batch in zip(rows, batches, strict=True)
        ]
        tokens = sum(map(_count_tokens, batches))
        padded_tokens = sum(batch["input_ids"].numel() for batch in batches)
        return StepBatch(
            batches=weighted,
            features=features,
            tokens=tokens * self.world_size,
            padded_tokens=padded_tokens * self.world_size,
        )


def _check_batch(batch: Batch, number: int) -> None:
    """Raise InputError if a batch of a user's own loader lacks what a step needs."""
    needed = "It must be a dict with " + ", ".join(REQUIRED)
    if not isinstance(batch, dict):
        raise InputError(f"batch {number} of the loader is a {type(batch).__name__}. {needed}.")
    for name in REQUIRED:
        if name not in batch:
            raise InputError(f"batch {number} of the loader has no '{name}'. {needed}.")


def _count_tokens(batch: Batch) -> int:
    """The tokens of a batch without padding."""
    mask = batch["attention_mask"]
    return batch["input_ids"].numel() if mask is None else int(mask.sum())


def make_loader(
    dataset: FeatureDataset,
    batch_size: int,
    *,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader:
    """A loader for scoring: the longest features first, so that too little memory shows at once.

    No batch mixes features with and without a label, so that a loss can be taken of whole batches;
    those with one come first. Of several processes, each gets every `world_size`-th batch; what is
    left over at the end goes to the first ones.
    """
    order = np.argsort(-dataset.lengths, kind="stable")
    is_labeled = dataset.has_label[order]
    batches = []
    for group in (order[is_labeled], order[~is_labeled]):
        for at in range(0, len(group), batch_size):
            batches.append(group[at : at + batch_size].tolist())
    return DataLoader(
        dataset,
        batch_sampler=batches[rank::world_size],
        collate_fn=Collator(dataset, device=device, precision=precision),
        # Its own, so that making an iterator does not move the one that dropout draws from.
        generator=torch.Generator(),
        pin_memory=_is_cuda(device),
    )


def _is_cuda(device: torch.device | str) -> bool:
    return torch.device(device).type == "cuda"
