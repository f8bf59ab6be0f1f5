"""mrc: train, score and use extractive readers in plain PyTorch."""

__version__ = "0.1.0"


def __getattr__(name):
    if name == "Reader":  # imported when asked for: torch and transformers take seconds to load
        from mrc.reader import Reader

        return Reader
    raise AttributeError(f"module 'mrc' has no attribute '{name}'")
