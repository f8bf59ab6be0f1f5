"""The settings of every command: each field is declared once and becomes a flag."""

from mrc.config.choices import HEADS, SCORERS
from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.config.flags import Config, flag
from mrc.config.reader import ReaderConfig
from mrc.config.train import TrainConfig

__all__ = [
    "HEADS",
    "SCORERS",
    "Config",
    "EvalConfig",
    "ReaderConfig",
    "TrainConfig",
    "flag",
    "parse_args",
]
