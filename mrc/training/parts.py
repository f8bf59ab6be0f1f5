"""The parts of a run, made from its settings: loader, metrics, optimizer, schedule, step, state."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from mrc.config.train import TrainingSettings
from mrc.errors import InputError
from mrc.features.batching import (
    INPUTS,
    BatchLoader,
    Collator,
    TrainingLoader,
    make_training_loader,
    to_device,
)
from mrc.features.dataset import FeatureDataset
from mrc.metrics.metrics import Metrics
from mrc.model.custom import as_span_model
from mrc.model.layers import freeze, freeze_unused_parameters, layer_depths, sharded_layers
from mrc.model.loss import Loss, has_own_loss, loss_of
from mrc.model.span_model import SpanModel
from mrc.runtime.device import DTYPES, autocast, choose_device, choose_precision
from mrc.runtime.memory import tune_malloc
from mrc.runtime.processes import ALONE, World
from mrc.runtime.sharding import shard, wrap_for_processes
from mrc.training.flops import FlopCounter
from mrc.training.optim import WeightAverage, make_optimizer, make_schedule
from mrc.training.precision import Precision, make_precision
from mrc.training.state import TrainState
from mrc.training.step import TrainStep
from mrc.wording import counted

# The settings that have no effect where the caller brings a part.
SETTINGS_REPLACED_BY = {
    "optimizer": ("learning_rate", "weight_decay", "layer_decay"),
    # A schedule brings its optimizer.
    "schedule": (
        "schedule",
        "warmup_ratio",
        "warmup_steps",
        "learning_rate",
        "weight_decay",
        "layer_decay",
    ),
    "loss": ("label_smoothing",),
    "loader": ("batch_size", "max_tokens_per_batch"),
}


@dataclass
class Parts:
    """What a Trainer works with.

    full_model: of a sharded model in the main process, a copy on the host that is saved; else the
    model itself.
    """

    model: SpanModel
    full_model: nn.Module | None
    loader: TrainingLoader | BatchLoader
    metrics: Metrics | None
    eval_loss: Loss
    take_step: TrainStep
    state: TrainState
    total_steps: int
    flops: FlopCounter


def make_parts(
    model: nn.Module,
    train_set: FeatureDataset | None,
    eval_set: FeatureDataset | None,
    settings: TrainingSettings,
    *,
    device: str | torch.device,
    optimizer: Optimizer | None = None,
    schedule: LRScheduler | None = None,
    loss: Loss | None = None,
    loader: DataLoader[Any] | None = None,
    world: World = ALONE,
) -> Parts:
    """Make the parts of a run; arguments are those of the Trainer. Raises InputError."""
    own_parts = {"optimizer": optimizer, "schedule": schedule, "loss": loss, "loader": loader}
    check_no_ignored_settings(
        settings, [name for name, part in own_parts.items() if part is not None]
    )
    device = choose_device(device)
    tune_malloc(device)
    precision = make_precision(choose_precision(settings.precision, device), device)
    model = as_span_model(model)
    loss, eval_loss = choose_losses(model, settings, loss, has_own_loader=loader is not None)
    step_loader = make_step_loader(train_set, settings, loader, precision, world)
    if len(step_loader) == 0:
        raise InputError("Trainer: there is nothing to train on.")
    metrics = make_metrics(eval_set, settings, learns_no_answer(train_set))
    total_steps = settings.max_steps or step_loader.total_steps(settings.epochs)
    # Raises InputError now, and not once the model is prepared.
    count_warmup_steps(settings, total_steps)

    input_names = (*INPUTS, "start_positions") if model.takes_start_positions else INPUTS
    wrapped_model, full_model = prepare_model(
        model,
        settings,
        precision,
        loss,
        first_batch(train_set, loader, precision),
        input_names,
        world,
    )
    optimizer, schedule = choose_optimizer(model, settings, total_steps, optimizer, schedule)
    average = WeightAverage(model, settings.ema_decay) if settings.ema_decay else None
    take_step = TrainStep(
        wrapped_model,
        input_names,
        loss,
        optimizer,
        schedule,
        precision,
        max_grad_norm=settings.max_grad_norm,
        world=world,
    )
    state = TrainState(
        model,
        optimizer,
        schedule,
        precision,
        average,
        checkpoint_differs=average is not None or model.has_adapters,
        seed=settings.seed,
        world=world,
    )
    flops = FlopCounter(model, device, precision.name, processes=world.size)
    return Parts(
        model, full_model, step_loader, metrics, eval_loss, take_step, state, total_steps, flops
    )


def check_no_ignored_settings(settings: TrainingSettings, own_parts: Collection[str]) -> None:
    """Raise InputError for a setting that was given and has no effect beside a part of yours."""
    for part in own_parts:
        for name in SETTINGS_REPLACED_BY[part]:
            if name in settings.given:
                raise InputError(
                    f"{name}={settings.given[name]!r}: has no effect with {part}=, which "
                    "decides it; give one of them."
                )
    if settings.fsdp and {"optimizer", "schedule"} & set(own_parts):
        raise InputError(
            "fsdp=True: the optimizer must be made after the model is sharded; leave out "
            "optimizer= and schedule=."
        )


def choose_losses(
    model: SpanModel, settings: TrainingSettings, own_loss: Loss | None, *, has_own_loader: bool
) -> tuple[Loss, Loss]:
    """Return the loss to train with, and the loss to report of the validation data."""
    if settings.label_smoothing and has_own_loss(model):
        raise InputError(
            "label_smoothing: has no effect on a model that brings its loss; remove it."
        )
    if own_loss is None:
        # Smoothing is a means of training; the validation loss is without it.
        return loss_of(model, settings.label_smoothing), loss_of(model)
    if has_own_loader:
        # A loss of yours may read fields that only the batches of your loader have.
        return own_loss, loss_of(model)
    return own_loss, own_loss


def choose_optimizer(
    model: SpanModel,
    settings: TrainingSettings,
    total_steps: int,
    optimizer: Optimizer | None,
    schedule: LRScheduler | None,
) -> tuple[Optimizer, LRScheduler]:
    """Return the optimizer and the schedule: those given, else those that the settings describe."""
    if schedule is not None:
        if optimizer not in (None, schedule.optimizer):
            raise InputError("Trainer: the schedule is of another optimizer than the one given.")
        return schedule.optimizer, schedule
    if optimizer is None:
        optimizer = make_optimizer(
            model,
            settings.learning_rate,
            settings.weight_decay,
            layer_decay=settings.layer_decay,
            depths=layer_depths(model) if settings.layer_decay != 1.0 else None,
        )
    warmup_steps = count_warmup_steps(settings, total_steps)
    schedule = make_schedule(
        optimizer, settings.schedule, warmup_steps=warmup_steps, total_steps=total_steps
    )
    return optimizer, schedule


def make_step_loader(
    train_set: FeatureDataset | None,
    settings: TrainingSettings,
    loader: DataLoader[Any] | None,
    precision: Precision,
    world: World,
) -> TrainingLoader | BatchLoader:
    """Return what gives the StepBatches of an epoch."""
    if loader is not None:
        return BatchLoader(loader, settings.gradient_accumulation_steps, world_size=world.size)
    if train_set is None:
        raise InputError("Trainer: give a train_set, or a loader.")
    return make_training_loader(
        train_set,
        settings,
        device=precision.device,
        precision=precision.name,
        rank=world.rank,
        world_size=world.size,
    )


def first_batch(
    train_set: FeatureDataset | None, loader: DataLoader[Any] | None, precision: Precision
) -> dict[str, Any]:
    """Return some batch of the run, to find the parameters that the loss does not depend on."""
    if loader is not None:
        # The random numbers by which a loader shuffles are given back.
        with torch.random.fork_rng([]):
            return next(iter(loader))
    assert train_set is not None
    return Collator(train_set, device=precision.device, precision=precision.name)([0])


def learns_no_answer(train_set: FeatureDataset | None) -> bool:
    """Whether a model learns from these data to give no answer."""
    return train_set is not None and any(e.is_impossible for e in train_set.examples)


def make_metrics(
    eval_set: FeatureDataset | None, settings: TrainingSettings, allows_no_answer: bool
) -> Metrics | None:
    """Return what scores the model; None if there is nothing to score on."""
    if eval_set is None:
        if settings.patience is not None or settings.metric_for_best is not None:
            raise InputError("patience and metric_for_best need an eval_set to score on.")
        return None
    metrics = Metrics(
        eval_set,
        scorer=settings.scorer,
        n_best=settings.n_best,
        max_answer_length=settings.max_answer_length,
        search=settings.search,
        # Where the model has not learned it, the scorer decides.
        allows_no_answer=allows_no_answer or None,
        tune_threshold=True,
    )
    # Raises InputError now, and not after the first epoch, if the scorer has no such score.
    metrics.choose_score(settings.metric_for_best)
    return metrics


def count_warmup_steps(settings: TrainingSettings, total_steps: int) -> int:
    """Return the steps of the warm-up. Raises InputError if no step is left after it."""
    if settings.warmup_steps is None:
        return int(settings.warmup_ratio * total_steps)
    if settings.warmup_steps >= total_steps > 1:
        raise InputError(
            f"--warmup-steps {settings.warmup_steps}: the run has {counted(total_steps, 'step')}, "
            "so the learning rate would never reach its peak."
        )
    return settings.warmup_steps


def prepare_model(
    model: SpanModel,
    settings: TrainingSettings,
    precision: Precision,
    loss: Loss,
    batch: dict[str, Any],
    input_names: Collection[str],
    world: World,
) -> tuple[nn.Module, nn.Module | None]:
    """Freeze what is not trained, move the model to the device, and wrap it for the processes.

    batch: any batch of the run. Returns the model as training calls it, and the model to save.
    """
    if settings.freeze_layers is not None:
        freeze(model, settings.freeze_layers)
    is_sharded = settings.fsdp and world.size > 1
    # A model that is sharded comes to the device in parts.
    device = torch.device("cpu") if is_sharded else precision.device
    model.to(device)
    batch = to_device(batch, device)

    # Several processes would wait for the gradients of parameters that have none, such as those
    # of a pooler. One forward and backward pass finds them.
    inputs = {name: batch[name] for name in input_names if name in batch}
    with autocast(device, precision.name):
        freeze_unused_parameters(model, inputs, lambda output: loss(output, batch))
    full_model: nn.Module | None = model
    if is_sharded:
        layers = sharded_layers(model)
        dtype = DTYPES.get(precision.name)
        full_model = shard(model, layers, world, device=precision.device, dtype=dtype)
    if settings.compile:
        # Once for all lengths, and in place, so that the weights keep their names.
        model.compile(dynamic=True)
    return wrap_for_processes(model, world), full_model
