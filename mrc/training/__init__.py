"""The training loop: a run as a story, one step, and when things happen."""

from mrc.config.train import TrainingSettings
from mrc.training.optim import make_optimizer, make_schedule
from mrc.training.trainer import Trainer

__all__ = ["Trainer", "TrainingSettings", "make_optimizer", "make_schedule"]
