"""Questions in, answers out."""

from mrc.reader.reader import AskSettings, Reader

__all__ = ["AskSettings", "Reader"]
