"""Metrics: logits in, n-best answers and official scores out."""

import bisect
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, expect_features
from mrc.metrics.decoding import Spans, best_spans
from mrc.metrics.merging import FeatureSpans, RankedSpans, merge_spans
from mrc.metrics.scoring import Gold
from mrc.wording import counted

# The entry of an n-best list that stands for "no answer".
NO_ANSWER = {
    "text": "",
    "probability": 1.0,
    "start_logit": None,
    "end_logit": None,
    "start": 0,
    "end": 0,
}

# Features decoded at once when `compute` is given whole arrays.
UPDATE_SIZE = 64

Logits = np.ndarray | Tensor | Sequence[np.ndarray | Tensor]


class Metrics:
    """Collect the best spans of a dataset batch by batch, then answer and score its examples::

        metrics = Metrics(dataset, scorer="korquad")
        for batch in loader:
            metrics.update(batch["feature_index"], *model(...))
        scores = metrics.compute()          # {"exact_match": ..., "f1": ..., "total": ...}
        metrics.predictions["some id"]      # its answer, as it stands in the context
        metrics.n_best["some id"]           # [{"text", "probability", "start", "end", ...}, ...]

    Only spans are kept, no logits. The n best spans of an example are those of all its features,
    merged; probabilities are the softmax of their scores (start logit plus end logit).

    Where questions may have no answer, the empty answer takes part with the smallest null score of
    the example's features. It is the prediction where that score exceeds the best span's by more
    than `null_threshold`.

    Args:
        dataset: the FeatureDataset to answer.
        scorer: a name in `mrc.metrics.SCORERS`, or "auto" to choose by the data.
        n_best: spans to keep of each feature and of each example.
        max_answer_length: tokens of the longest answer.
        search: "pruned" or "exact", see `best_spans`.
        allows_no_answer: whether questions may have no answer; None leaves that to the scorer.
        null_threshold: see above; in units of logits.
        tune_threshold: let `compute` set `null_threshold` to what is best for the scorer's soft
            score on this very data, as is done on validation data.
        clean: applied to each answer's text, such as `strip_answer`; it may only cut its ends.

    Attributes:
        predictions: id -> answer, after `compute`, as are those below.
        n_best: id -> [{"text", "probability", "start_logit", "end_logit", "start", "end"}], best
            first; the text is the characters [start, end) of the context.
        best_texts: id -> the best answer that is not the empty one.
        null_odds: id -> null score less the best span's score; empty if every question has an
            answer.
        without_span: number of examples without any valid span, which get the empty answer.
        scores: what `compute` returned.
    """

    predictions: dict[str, str]
    n_best: dict[str, list[dict]]
    best_texts: dict[str, str]
    null_odds: dict[str, float]
    without_span: int
    scores: dict[str, float]

    def __init__(
        self,
        dataset: FeatureDataset,
        *,
        scorer: str = "squad",
        n_best: int = 20,
        max_answer_length: int = 30,
        search: str = "pruned",
        allows_no_answer: bool | None = None,
        null_threshold: float = 0.0,
        tune_threshold: bool = False,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        expect_features(dataset, "Metrics: dataset")
        self.dataset = dataset
        self.gold = Gold(dataset.examples, scorer)
        self.scorer = self.gold.name
        self.main_score = self.gold.scorer.soft_score
        self.n_best_size = n_best
        self.max_answer_length = max_answer_length
        self.search = search
        if allows_no_answer is None:
            allows_no_answer = self.gold.scorer.allows_no_answer
        self.allows_no_answer = allows_no_answer
        self.null_threshold = null_threshold
        self.tune_threshold = tune_threshold
        self.clean = clean
        self.reset()

    def __repr__(self) -> str:
        names = [name for name in self.scores if not name.endswith("total")]
        scores = ", ".join(f"{name} {self.scores[name]:.2f}" for name in names)
        no_answer = ', may say "no answer"' if self.allows_no_answer else ""
        return (
            f"<Metrics: {counted(len(self.dataset.examples), 'question')}, scorer {self.scorer}, "
            f"{self.search} search{no_answer}; {scores or 'nothing scored yet'}>"
        )

    def reset(self) -> None:
        """Forget everything, for the next evaluation."""
        self.predictions = {}
        self.best_texts = {}
        self.n_best = {}
        self.null_odds = {}
        self.without_span = 0
        self.scores = {}
        # One entry a batch.
        self._spans: list[FeatureSpans] = []
        # NaN for features that have not been seen.
        self._null_scores = np.full(len(self.dataset), np.nan, dtype=np.float32)

    @torch.inference_mode()
    def update(
        self,
        feature_indices: Sequence[int] | np.ndarray | Tensor,
        start_logits: Tensor,
        end_logits: Tensor,
        starts: Tensor | None = None,
    ) -> None:
        """Take in one batch.

        Args:
            feature_indices: (batch,), each feature's index in the dataset.
            start_logits: (batch, length), padded as by the Collator.
            end_logits: the same; with `starts`, (batch, beam, length).
            starts: for a model whose end logits depend on the start, see `best_spans`.

        Raises:
            ValueError: the logits do not belong to these features.
            InputError: an exact search is asked of a model that brings `starts`.
            FloatingPointError: a logit is NaN; the message names the example.
        """
        indices = np.asarray(feature_indices)
        if starts is not None and self.search == "exact":
            raise InputError(
                "--search exact: a conditional head looks for answers in a beam of its own; "
                "leave the flag out."
            )
        self._check_logits(indices, start_logits, end_logits)
        spans = self._decode(indices, start_logits, end_logits, starts)
        self._keep(indices, spans, width=start_logits.shape[1])

    def compute(
        self, start_logits: Logits | None = None, end_logits: Logits | None = None
    ) -> dict[str, float]:
        """Answer every example and return its scores, {} if no example is labeled.

        Args:
            start_logits: a (features, length) array or tensor, in the order of the dataset and
                padded on the tokenizer's side; or a list of the batches of such an array, which
                may differ in length. None where `update` has had every feature.
            end_logits: the same.

        Raises:
            ValueError: a feature has no logits, or the arrays do not fit the dataset.
            FloatingPointError: a logit is NaN; the message names the example.
        """
        if start_logits is not None and end_logits is not None:
            self._update_all(start_logits, end_logits)
        elif start_logits is not None or end_logits is not None:
            raise ValueError("compute() needs start_logits and end_logits, or neither.")
        self._check_complete()
        with _no_garbage_collection():
            self._answer()
        if self.tune_threshold and self.allows_no_answer and self.gold.answers:
            self.null_threshold = self._best_threshold()
        self.predictions = {
            identity: "" if self._is_unanswered(identity) else text
            for identity, text in self.best_texts.items()
        }
        if self.gold.scorer.allows_no_answer:
            self.scores = self.gold.score(self.best_texts, self.null_odds, self.null_threshold)
        else:
            # Such a scorer knows answers only, no odds.
            self.scores = self.gold.score(self.predictions)
        return dict(self.scores)

    def choose_score(self, name: str | None = None) -> str:
        """The score that tells the better of two models: the one called `name`, or `main_score`.

        Raises:
            InputError: the scorer has no score of that name.
        """
        names = (self.gold.scorer.exact, self.gold.scorer.soft_score)
        if name and name not in names:
            raise InputError(
                f"--metric-for-best {name}: the scorer {self.scorer} has {' and '.join(names)}."
            )
        return name or self.main_score

    def collected(self) -> tuple[list[FeatureSpans], np.ndarray]:
        """What `update` has taken in so far, as plain arrays, for `collect` in another process."""
        return self._spans, self._null_scores

    def collect(self, parts: Sequence[tuple[list[FeatureSpans], np.ndarray]]) -> None:
        """Replace what this one has taken in by what several have `collected`."""
        self._spans = [spans for batches, _ in parts for spans in batches]
        # fmax ignores NaN: each feature was seen by one process.
        self._null_scores = np.fmax.reduce([null_scores for _, null_scores in parts])

    def merge(self) -> RankedSpans:
        """The n best spans of each example, as arrays."""
        columns = (np.concatenate(column) for column in zip(*self._spans, strict=True))
        return merge_spans(
            FeatureSpans(*columns),
            self.dataset.example_index,
            examples=len(self.dataset.examples),
            n_best=self.n_best_size,
            null_scores=self._null_scores if self.allows_no_answer else None,
        )

    def _check_logits(self, indices: np.ndarray, start_logits: Tensor, end_logits: Tensor) -> None:
        """Refuse logits that cannot be those of the features `indices`."""
        rows, width = start_logits.shape
        if rows != len(indices) or end_logits.shape[-1] != width or len(end_logits) != rows:
            raise ValueError(
                f"{len(indices)} features, but start logits of shape {tuple(start_logits.shape)} "
                f"and end logits of shape {tuple(end_logits.shape)}; each needs one row a feature."
            )
        longest = int(self.dataset.lengths[indices].max(initial=0))
        if width < longest:
            raise ValueError(
                f"the logits are {width} columns wide, but these features have up to {longest} "
                "tokens; were they cut, or made from other features?"
            )

    def _decode(
        self,
        indices: np.ndarray,
        start_logits: Tensor,
        end_logits: Tensor,
        starts: Tensor | None,
    ) -> Spans:
        """The n best spans of each feature of a batch."""
        width = start_logits.shape[1]
        tokens, context, null_position = self.dataset.borders(indices, width, start_logits.device)
        if self.dataset.mask_question:
            # The training loss has not kept the question's logits down.
            position = torch.arange(width, device=start_logits.device)
            elsewhere = (position < context[:, :1]) | (position >= context[:, 1:])
            elsewhere &= position != null_position[:, None]
            start_logits = start_logits.masked_fill(elsewhere, -torch.inf)
            if starts is not None:
                # (batch, 1, length): the same for every start of the beam
                elsewhere = elsewhere[:, None]
            end_logits = end_logits.masked_fill(elsewhere, -torch.inf)
        return best_spans(
            start_logits,
            end_logits,
            tokens=tokens,
            context=context,
            null_position=null_position,
            n_best=self.n_best_size,
            max_answer_length=self.max_answer_length,
            search=self.search,
            starts=starts,
        )

    def _keep(self, indices: np.ndarray, spans: Spans, width: int) -> None:
        """Move a batch's valid spans and null scores to the host."""
        # Stacked, so that there are three copies from the device and not seven.
        start, end, valid = torch.stack([spans.start, spans.end, spans.valid.long()]).cpu().numpy()
        start_logit, end_logit = torch.stack([spans.start_logit, spans.end_logit]).cpu().numpy()
        null_score, is_nan = torch.stack([spans.null_score, spans.is_nan.float()]).cpu().numpy()
        if is_nan.any():
            example = self.dataset.example_index[indices[is_nan.argmax()]]
            raise FloatingPointError(
                f"the model's logits for example '{self.dataset.examples[example].id}' "
                "are not numbers (NaN)."
            )
        row, rank = np.nonzero(valid)
        feature = indices[row].astype(np.int64)
        begin, end = self.dataset.characters(feature, start[row, rank], end[row, rank], width)
        self._spans.append(
            FeatureSpans(feature, begin, end, start_logit[row, rank], end_logit[row, rank])
        )
        self._null_scores[indices] = null_score

    def _update_all(self, start_logits: Logits, end_logits: Logits) -> None:
        """Take in the logits of all features, after forgetting what has been taken in before."""
        self.reset()
        start_batches = _batches(start_logits)
        end_batches = _batches(end_logits)
        start_sizes = [len(batch) for batch in start_batches]
        if start_sizes != [len(batch) for batch in end_batches]:
            raise ValueError("start_logits and end_logits have different numbers of rows.")
        if sum(start_sizes) != len(self.dataset):
            raise ValueError(
                f"the logits have {sum(start_sizes)} rows, but the dataset has "
                f"{len(self.dataset)} features; give one row a feature, in the dataset's order."
            )
        first = 0
        for start, end in zip(start_batches, end_batches, strict=True):
            self.update(np.arange(first, first + len(start)), start, end)
            first += len(start)

    def _check_complete(self) -> None:
        """Refuse to answer before every feature has been seen."""
        is_missing = np.isnan(self._null_scores)
        if is_missing.any():
            raise ValueError(
                f"no logits have been given for feature {int(is_missing.argmax())}; "
                "update() must see every feature of the dataset."
            )

    def _answer(self) -> None:
        """Turn each example's best spans into texts, and find the odds of its having no answer."""
        examples = self.dataset.examples
        ranked = self.merge()
        spans = self._span_dicts(ranked)
        ends = np.searchsorted(ranked.example, np.arange(len(examples) + 1)).tolist()
        n_best = [spans[first:end] for first, end in pairwise(ends)]

        self.without_span = sum(not found for found in n_best)
        for example, found in zip(examples, n_best, strict=True):
            self.best_texts[example.id] = found[0]["text"] if found else ""
        if ranked.null_odds is not None:
            for example, odds in zip(examples, ranked.null_odds.tolist(), strict=True):
                self.null_odds[example.id] = odds
            for found, probability in zip(n_best, ranked.null_probability.tolist(), strict=True):
                no_answer = {**NO_ANSWER, "probability": probability}
                bisect.insort(found, no_answer, key=lambda span: -span["probability"])
        for example, found in zip(examples, n_best, strict=True):
            self.n_best[example.id] = found or [dict(NO_ANSWER)]

    def _span_dicts(self, ranked: RankedSpans) -> list[dict]:
        """Each span as an entry of an n-best list."""
        examples = self.dataset.examples
        columns = (
            ranked.example,
            ranked.begin,
            ranked.end,
            ranked.probability,
            ranked.start_logit,
            ranked.end_logit,
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        spans = []
        for example, begin, end, probability, start_logit, end_logit in rows:
            text = examples[example].context[begin:end]
            if self.clean:
                begin, text = self._cleaned(begin, text)
            span = {
                "text": text,
                "probability": probability,
                "start_logit": start_logit,
                "end_logit": end_logit,
                "start": begin,
                "end": begin + len(text),
            }
            spans.append(span)
        return spans

    def _cleaned(self, begin: int, text: str) -> tuple[int, str]:
        """Where an answer begins once it is cleaned, and what is left of it."""
        assert self.clean is not None
        cleaned = self.clean(text)
        if cleaned not in text:
            raise ValueError(
                f"clean makes {cleaned!r} of {text!r}; it may only cut the ends of an answer."
            )
        return begin + text.index(cleaned), cleaned

    def _best_threshold(self) -> float:
        """The null threshold that is best for the scorer's soft score on this data."""
        soft_scores = {
            identity: soft for identity, (_, soft) in self.gold.each(self.best_texts).items()
        }
        # With a threshold below all odds, no question gets an answer.
        below_all = min(self.null_odds.values()) - 1.0
        _, threshold = self.gold.best_threshold(
            soft_scores, self.best_texts, self.null_odds, below_all
        )
        return threshold

    def _is_unanswered(self, identity: str) -> bool:
        return self.allows_no_answer and self.null_odds[identity] > self.null_threshold


def _batches(logits: Logits) -> list[Tensor]:
    """Whole arrays in batches, or a list of batches as it is, as tensors."""
    if isinstance(logits, list | tuple):
        batches = [torch.as_tensor(batch) for batch in logits]
    else:
        batches = list(torch.as_tensor(logits).split(UPDATE_SIZE))
    for batch in batches:
        if batch.ndim != 2:
            raise ValueError(
                f"logits of shape {tuple(batch.shape)}; give (features, length) arrays, "
                "or a list of the batches of such arrays."
            )
    return batches


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Spare Python's collector its walks over hundreds of thousands of new spans, all alive."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
