"""Logits to spans to scores."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrc.metrics.decoding import best_spans
    from mrc.metrics.evaluation import evaluate
    from mrc.metrics.metrics import Metrics
    from mrc.metrics.scoring import SCORERS, Gold, score

# Imported when asked for: torch and transformers take seconds to load.
_PLACES = {
    "Metrics": "mrc.metrics.metrics",
    "evaluate": "mrc.metrics.evaluation",
    "best_spans": "mrc.metrics.decoding",
    "SCORERS": "mrc.metrics.scoring",
    "Gold": "mrc.metrics.scoring",
    "score": "mrc.metrics.scoring",
}
__all__ = ["SCORERS", "Gold", "Metrics", "best_spans", "evaluate", "score"]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
