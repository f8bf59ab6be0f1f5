"""mrc: train, score and use extractive readers in plain PyTorch."""

import importlib
from typing import TYPE_CHECKING

from mrc.version import __version__ as __version__

if TYPE_CHECKING:
    from mrc.checkpoint.loading import load_checkpoint
    from mrc.checkpoint.store import save_checkpoint
    from mrc.commands.evaluate import evaluate
    from mrc.config.evaluate import EvalConfig
    from mrc.config.train import TrainConfig, TrainingSettings
    from mrc.data.examples import Answer, Example
    from mrc.data.loading import load_examples
    from mrc.errors import Stopped
    from mrc.features.batching import Collator
    from mrc.features.dataset import FeatureDataset, WindowSettings
    from mrc.features.sampler import LengthBucketSampler
    from mrc.metrics.metrics import Metrics
    from mrc.model.baseline import BaselineModel
    from mrc.model.loss import span_loss
    from mrc.reader.reader import Reader
    from mrc.training.run import train
    from mrc.training.trainer import Trainer

# Imported when asked for: torch and transformers take seconds to load.
_PLACES = {
    "train": "mrc.training.run",
    "evaluate": "mrc.commands.evaluate",
    "TrainConfig": "mrc.config.train",
    "EvalConfig": "mrc.config.evaluate",
    "Trainer": "mrc.training.trainer",
    "Stopped": "mrc.errors",
    "TrainingSettings": "mrc.config.train",
    "BaselineModel": "mrc.model.baseline",
    "span_loss": "mrc.model.loss",
    "FeatureDataset": "mrc.features.dataset",
    "WindowSettings": "mrc.features.dataset",
    "Collator": "mrc.features.batching",
    "LengthBucketSampler": "mrc.features.sampler",
    "Metrics": "mrc.metrics.metrics",
    "Reader": "mrc.reader.reader",
    "Answer": "mrc.data.examples",
    "Example": "mrc.data.examples",
    "load_examples": "mrc.data.loading",
    "load_checkpoint": "mrc.checkpoint.loading",
    "save_checkpoint": "mrc.checkpoint.store",
}
__all__ = [
    "Answer",
    "BaselineModel",
    "Collator",
    "EvalConfig",
    "Example",
    "FeatureDataset",
    "LengthBucketSampler",
    "Metrics",
    "Reader",
    "Stopped",
    "TrainConfig",
    "Trainer",
    "TrainingSettings",
    "WindowSettings",
    "evaluate",
    "load_checkpoint",
    "load_examples",
    "save_checkpoint",
    "span_loss",
    "train",
]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    # The names to use, and what Python itself asks for: neither helpers nor imports.
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
