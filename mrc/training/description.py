"""A run in words: its model, what it is about to do, and how far it has come."""

from pathlib import Path

from torch import nn

from mrc.config.train import TrainingSettings
from mrc.model.span_model import SpanModel
from mrc.training.precision import Precision
from mrc.training.state import Progress
from mrc.wording import counted


def describe_steps(
    settings: TrainingSettings,
    total_steps: int,
    *,
    model: nn.Module,
    precision: Precision,
    processes: int,
    has_own_loader: bool,
) -> str:
    """Return the steps to come, and what is trained: "60 steps of 16 features, fp32"."""
    micro_batches = settings.gradient_accumulation_steps * processes
    size = f" of {counted(micro_batches * settings.batch_size, 'feature')}"
    if settings.max_tokens_per_batch:
        size = f" of about {micro_batches * settings.max_tokens_per_batch} tokens"
    if has_own_loader:
        size = ""
    shared = f" shared by {processes} processes" if processes > 1 else ""
    if settings.fsdp and processes > 1:
        shared += ", the model sharded over them"
    trained = ""
    if settings.freeze_layers is not None or getattr(model, "has_adapters", False):
        some = _millions(model, trained_only=True)
        trained = f"; {some} of {parameters_text(model)} are trained"
    return f"{counted(total_steps, 'step')}{size}{shared}, {precision.name}{trained}"


def trainer_line(
    model: nn.Module,
    progress: Progress,
    total_steps: int,
    *,
    precision: Precision,
    score: str | None,
    folder: Path,
) -> str:
    """Return what `repr` says of a Trainer. score: the name of the one that tells the best."""
    # A module of the user's own is inside a SpanModel.
    name = type(getattr(model, "module", model)).__name__
    best = ""
    if progress.best and score in progress.best:
        best = f"; best {score} {progress.best[score]:.2f} at step {progress.best['step']}"
    return (
        f"<Trainer: {name} ({parameters_text(model)}) on {precision.device}, "
        f"{precision.name}; step {progress.step} of {total_steps}{best}; run in {folder}>"
    )


def parameters_text(model: nn.Module) -> str:
    """Return the size of a model: "0.7M parameters"."""
    return f"{_millions(model)} parameters"


def head_text(model: SpanModel) -> str:
    """Return where the weights of a model's head come from."""
    return "new head" if model.head_is_new else "pretrained head"


def _millions(model: nn.Module, *, trained_only: bool = False) -> str:
    """The number of a model's parameters, such as "0.7M"."""
    sizes = [p.numel() for p in model.parameters() if p.requires_grad or not trained_only]
    return f"{sum(sizes) / 1e6:.1f}M"
