"""Examples to batches: windows over tokenised texts, and the batches made of them."""

from mrc.features.batching import Collator, LengthBucketSampler, make_loader, to_device
from mrc.features.dataset import FeatureDataset, WindowSettings

__all__ = [
    "Collator",
    "FeatureDataset",
    "LengthBucketSampler",
    "make_loader",
    "WindowSettings",
    "to_device",
]
