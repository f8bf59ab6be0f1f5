"""Examples to batches: windows over tokenized texts, and the batches made of them."""

from mrc.features.batching import (
    BatchLoader,
    Collator,
    TrainingLoader,
    make_loader,
    make_training_loader,
    to_device,
)
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.features.sampler import LengthBucketSampler, StepBatch

__all__ = [
    "BatchLoader",
    "Collator",
    "FeatureDataset",
    "LengthBucketSampler",
    "StepBatch",
    "TrainingLoader",
    "WindowSettings",
    "make_loader",
    "make_training_loader",
    "to_device",
]
