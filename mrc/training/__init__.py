"""The training loop: the run as a story, one step, and when things happen."""

from mrc.training.trainer import Trainer

__all__ = ["Trainer"]
