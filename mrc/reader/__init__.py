"""Questions in, answers out."""

from mrc.reader.reader import Reader
from mrc.reader.settings import AskSettings

__all__ = ["AskSettings", "Reader"]
