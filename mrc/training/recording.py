"""The settings that a checkpoint records, and the weights that a Trainer takes from one."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from mrc.checkpoint.loading import load_checkpoint
from mrc.config.train import TrainConfig, TrainingSettings
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset
from mrc.model.span_model import SpanModel
from mrc.runtime.sharding import is_sharded

# The settings by which a reader must be given its windows.
WINDOWS = ("max_length", "stride", "max_question_length", "mask_question")


def recorded_settings(
    config: TrainConfig | None, settings: TrainingSettings, train_set: FeatureDataset | None
) -> dict[str, Any]:
    """Return the settings that a checkpoint records.

    Without the config of a run, these are the training settings and the windows of the data set.
    What the model and the data were made from is not known then.
    """
    if config is not None:
        return config.to_dict()
    names = [field.name for field in dataclasses.fields(TrainingSettings)]
    training = {name: getattr(settings, name) for name in names}
    if train_set is None:
        return training
    return {**training, **{name: getattr(train_set.settings, name) for name in WINDOWS}}


def copy_weights(checkpoint: Path, model: SpanModel, averaged_model: nn.Module) -> None:
    """Give a model, and the average of its weights, the weights of a checkpoint.

    Raises InputError if the model is sharded already.
    """
    if is_sharded(model):
        raise InputError(f"{checkpoint}: load the model from it before it is sharded.")
    if model.has_adapters:
        # The checkpoint has them merged into the encoder. The state has them as they are.
        return
    # A model of your own is loaded into an instance, which needs no arguments.
    own_module = copy.deepcopy(getattr(model, "module", None))
    saved, _, _ = load_checkpoint(checkpoint, model_class=own_module)
    weights = saved.state_dict()
    averaged_model.load_state_dict(weights)
    model.load_state_dict(weights)
