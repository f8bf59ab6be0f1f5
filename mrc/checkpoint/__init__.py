"""Checkpoints: folders that Hugging Face can load, whole or not there at all."""

from mrc.checkpoint.loading import find_checkpoint, load_checkpoint
from mrc.checkpoint.store import load_settings, save_checkpoint

__all__ = ["find_checkpoint", "load_checkpoint", "load_settings", "save_checkpoint"]
