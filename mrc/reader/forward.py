"""Forward passes: a model over the windows of some questions, to the best spans of each window."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mrc.features.batching import INPUTS, WIDTH_STEP
from mrc.features.dataset import FeatureDataset
from mrc.metrics.decoding import Spans, best_spans, log_probabilities
from mrc.model.heads import marginal_logits
from mrc.model.span_model import span_logits
from mrc.reader.settings import AskSettings
from mrc.runtime.terminal import is_terminal

# Tokens of one forward pass. More would leave a CPU's caches: 64 windows of 312 tokens take three
# times as long at once as in batches of 4.
CPU_TOKENS = 2048
GPU_TOKENS = 32768

# Seconds after which a progress bar appears.
SLOW = 2.0

# Feature indices (batch,), and their logits as `span_logits` gives them.
LogitBatches = Iterator[tuple[np.ndarray, tuple[Tensor, ...]]]

# Called with the feature indices (batch,), the log-probabilities of start and end
# (2, batch, length), and the borders of the contexts (batch, 2) of each batch.
Watcher = Callable[[np.ndarray, Tensor, Tensor], None]


@dataclass
class WindowSpans:
    """The best spans of each window, those of one window together and best first.

    Attributes, with one entry a span:
        feature: its window.
        begin, end: its characters [begin, end) in the context.
        score: log-probability of its start plus that of its end.

    With one entry a window:
        null_score: the score of the null position.
        example_index: its example.
    """

    feature: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    score: np.ndarray
    null_score: np.ndarray
    example_index: np.ndarray

    @property
    def example(self) -> np.ndarray:
        """The example of each span."""
        return self.example_index[self.feature]

    def lowest_null_probability(self, examples: int) -> np.ndarray:
        """The probability that no window of an example holds an answer: (examples,)."""
        lowest = np.full(examples, np.inf)
        np.minimum.at(lowest, self.example_index, np.exp(self.null_score))
        return lowest


@torch.inference_mode()
def forward_batches(
    model: nn.Module,
    dataset: FeatureDataset,
    *,
    device: torch.device,
    batch_size: int | None = None,
) -> LogitBatches:
    """Run a model over a dataset, longest windows first.

    Args:
        model: a SpanModel.
        dataset: the windows to read.
        device: of the model.
        batch_size: windows per forward pass; None chooses by their lengths.

    Yields:
        Feature indices (batch,), and the logits as `span_logits` gives them.
    """
    budget = CPU_TOKENS if device.type == "cpu" else GPU_TOKENS
    order = np.argsort(-dataset.lengths, kind="stable")
    at = 0
    with tqdm(
        total=len(order),
        desc="reading",
        unit="window",
        delay=SLOW,
        leave=False,
        dynamic_ncols=True,
        disable=not is_terminal(sys.stderr),
    ) as bar:
        while at < len(order):
            longest = int(dataset.lengths[order[at]])
            size = batch_size or _fitting_batch_size(longest, budget, len(order) - at)
            indices = order[at : at + size]
            yield indices, span_logits(model(**_inputs(dataset, indices, device)))
            at += len(indices)
            bar.update(len(indices))


def score_spans(
    model: nn.Module,
    dataset: FeatureDataset,
    settings: AskSettings,
    *,
    device: torch.device,
    watch: Watcher | None = None,
) -> WindowSpans:
    """Find the best spans of each window, scored by log-probabilities.

    Args:
        model: a SpanModel.
        dataset: the windows.
        settings: how many spans, and how long.
        device: of the model.
        watch: called with what each batch gave.

    Raises:
        FloatingPointError: a logit is NaN; the message names the entry.
    """
    # Spans that become equal when extended to words use up places.
    count = 2 * settings.top_k + 10 if settings.align_to_words else settings.top_k
    null_score = np.empty(len(dataset), dtype=np.float64)
    found = []
    batches = forward_batches(model, dataset, device=device, batch_size=settings.batch_size)
    for indices, logits in batches:
        start_logits, end_logits = logits if len(logits) == 2 else marginal_logits(*logits)
        width = start_logits.shape[1]
        tokens, context, null_position = dataset.borders(indices, width, start_logits.device)
        log_probs, _ = log_probabilities(start_logits, end_logits, context, null_position)
        spans = best_spans(
            *log_probs,
            tokens=tokens,
            context=context,
            null_position=null_position,
            n_best=count,
            max_answer_length=settings.max_answer_len,
            search="exact",
        )
        _check_numbers(dataset, indices, spans)
        found.append(_on_host(dataset, indices, spans, width))
        null_score[indices] = spans.null_score.cpu().numpy()
        if watch:
            watch(indices, log_probs, context)
    feature, begin, end, score = (np.concatenate(column) for column in zip(*found, strict=True))
    return WindowSpans(
        feature=feature,
        begin=begin,
        end=end,
        score=score.astype(np.float64),
        null_score=null_score,
        example_index=dataset.example_index,
    )


def _fitting_batch_size(longest: int, budget: int, left: int) -> int:
    """How many windows make a forward pass of at most `budget` tokens: a power of two."""
    fitting = min(max(1, budget // longest), left)
    # Few shapes, in float32 too: a reader that is asked for days would otherwise collect kernels
    # (see `length_multiple` in mrc/features/batching.py).
    return 2 ** (fitting.bit_length() - 1)


def _inputs(
    dataset: FeatureDataset, indices: np.ndarray, device: torch.device
) -> dict[str, Tensor]:
    """What a model is called with for some features."""
    batch = dataset.batch(indices, WIDTH_STEP)
    return {
        name: torch.from_numpy(array).to(device, non_blocking=True)
        for name, array in batch.items()
        if name in INPUTS
    }


def _on_host(
    dataset: FeatureDataset, indices: np.ndarray, spans: Spans, width: int
) -> tuple[Any, ...]:
    """The valid spans of a batch: feature, begin and end in characters, score."""
    start, end, valid = torch.stack([spans.start, spans.end, spans.valid.long()]).cpu().numpy()
    row, rank = np.nonzero(valid)
    score = (spans.start_logit + spans.end_logit).cpu().numpy()[row, rank]
    feature = indices[row]
    begin, end = dataset.characters(feature, start[row, rank], end[row, rank], width)
    return feature, begin, end, score


def _check_numbers(dataset: FeatureDataset, indices: np.ndarray, spans: Spans) -> None:
    """Refuse logits that are NaN."""
    if spans.is_nan.any():
        row = int(spans.is_nan.int().argmax())
        example = dataset.examples[dataset.example_index[indices[row]]]
        raise FloatingPointError(
            f"the model's logits for entry {example.id} are not numbers (NaN)."
        )
