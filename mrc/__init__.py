"""mrc: train, score and use extractive readers in plain PyTorch."""

__version__ = "0.1.0"
