"""How long a run takes, and with how much memory: a few of its steps, timed, stand for all."""

import time
from typing import NamedTuple

import numpy as np
import torch

from mrc.config.train import TrainConfig
from mrc.data.examples import ExampleList
from mrc.features.batching import INPUTS, TrainingLoader, make_loader, to_device
from mrc.features.dataset import FeatureDataset
from mrc.features.sampler import StepBatch
from mrc.metrics.evaluation import evaluate
from mrc.model.span_model import span_logits
from mrc.training.flops import FlopCounter
from mrc.training.parts import Parts, learns_no_answer, make_metrics
from mrc.training.preparation import Prepared

# Seconds of timing, in training and in scoring; a slow model takes the fewest steps all the same.
SECONDS = 15.0
FEWEST_STEPS = 3
MOST_STEPS = 64
# Bytes of a weight, and of each of the two moments that AdamW keeps of it.
FLOAT32 = 4
MOMENTS = 2


class Timing(NamedTuple):
    """The seconds that all of something takes, and from how many parts of it they are estimated."""

    seconds: float
    sample: int


def time_training(parts: Parts, total_steps: int) -> Timing:
    """Take some steps of the first epoch, the widest first, and carry their time over to all.

    The widest shows how much memory training needs. The model is changed by the steps.
    """
    loader = parts.loader
    assert isinstance(loader, TrainingLoader)
    flops = parts.flops
    steps = list(loader.sampler.step_batches())
    work = np.array([flops.of_step(step.padded_tokens, step.features) for step in steps])
    by_work = np.argsort(-work)
    # Its time does not count: the first step of a process is slower than all others.
    take_step(parts, loader, int(by_work[0]))

    # Steps of all sizes: whenever the time is over, those taken are spread over the epoch's.
    places = np.linspace(0, len(steps) - 1, min(len(steps), MOST_STEPS)).round().astype(int)
    order = by_work[np.random.default_rng(0).permutation(places)]
    seconds: list[float] = []
    for number in order:
        seconds.append(take_step(parts, loader, int(number)))
        if len(seconds) >= FEWEST_STEPS and sum(seconds) >= SECONDS:
            break
    per_work = sum(seconds) / work[order[: len(seconds)]].sum()
    return Timing(total_steps * work.mean() * per_work, len(seconds))


def take_step(parts: Parts, loader: TrainingLoader, number: int) -> float:
    """Take a step of the first epoch, by its number; return its seconds."""
    loader.set_epoch(0, number)
    started = time.perf_counter()
    step_batch: StepBatch = next(iter(loader))
    result = parts.take_step(step_batch)
    if parts.state.average is not None:
        parts.state.average.update()
    # Reading a number waits until the device has computed it.
    result.loss.item()
    return time.perf_counter() - started


def time_scoring(run: Prepared, parts: Parts, config: TrainConfig) -> Timing:
    """Score some of the validation questions, and carry the time over to all of them.

    The widest batch, taken first, shows how much memory scoring needs. The run must have an
    `eval_set`.
    """
    dataset = run.eval_set
    assert dataset is not None
    seconds_of_batch = time_widest_batch(parts, dataset, config.eval_batch_size)
    features_in_time = int(SECONDS / seconds_of_batch * config.eval_batch_size)
    # Questions whose windows come to about as many features.
    count = int(np.searchsorted(dataset.windows.cumsum(), features_in_time)) + 1
    examples = dataset.examples
    assert isinstance(examples, ExampleList)
    sample = FeatureDataset(examples.head(count), dataset.tokenizer, dataset.settings)
    metrics = make_metrics(sample, config, learns_no_answer(run.train_set))
    assert metrics is not None
    started = time.perf_counter()
    evaluate(
        parts.model,
        metrics,
        batch_size=config.eval_batch_size,
        precision=parts.take_step.precision.name,
        loss=parts.eval_loss,
    )
    seconds = time.perf_counter() - started
    share = work_of(sample, parts.flops) / work_of(dataset, parts.flops)
    return Timing(seconds / share, len(sample))


@torch.no_grad()
def time_widest_batch(parts: Parts, dataset: FeatureDataset, batch_size: int) -> float:
    """Return the seconds that the model takes for the longest features."""
    precision = parts.take_step.precision
    loader = make_loader(dataset, batch_size, device=precision.device, precision=precision.name)
    parts.model.eval()
    started = time.perf_counter()
    batch = to_device(next(iter(loader)), precision.device)
    with precision.autocast():
        output = parts.model(**{name: batch[name] for name in INPUTS if name in batch})
        # Reading a number waits until the device has computed it.
        span_logits(output)[0].sum().item()
    return time.perf_counter() - started


def work_of(dataset: FeatureDataset, flops: FlopCounter) -> float:
    """Return the work of going through a dataset once."""
    tokens = int(dataset.lengths.sum())
    return flops.of_step(tokens, len(dataset))


def disk_space(parts: Parts, keep: int) -> int:
    """Return the bytes that a run's checkpoints take at most, while one of them is being replaced.

    keep: how many earlier ones it keeps besides the last and the best.
    """
    state = parts.state
    every = sum(parameter.numel() for parameter in parts.model.parameters())
    trained = sum(p.numel() for p in parts.model.parameters() if p.requires_grad)
    copies = MOMENTS
    if state.checkpoint_differs:
        # The state has the weights that are trained, too.
        copies += 1
    to_resume = FLOAT32 * (every + copies * trained)
    return FLOAT32 * every + (2 + keep) * to_resume
