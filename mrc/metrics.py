"""Metrics: logits in, n-best answers and official scores out."""

import sys

import numpy as np
import torch
from tqdm import tqdm

from mrc.batching import INPUTS, make_loader
from mrc.config import InputError
from mrc.decoding import best_spans
from mrc.device import autocast
from mrc.scoring import choose_scorer, score

UPDATE_SIZE = 64  # features decoded at once when `compute` is given whole arrays


class Metrics:
    """Collect the n best spans of a dataset's features batch by batch, then answer and score its examples.

        metrics = Metrics(dataset, scorer="korquad")
        for batch in loader:
            metrics.update(batch["feature_index"], *model(...))
        scores = metrics.compute()          # {"exact_match": ..., "f1": ..., "total": ...}
        metrics.predictions["some id"]      # its answer, as it stands in the context
        metrics.n_best["some id"]           # [{"text", "probability", "start_logit", "end_logit"}, ...], best first

    No logits are kept, only spans. The n best spans of an example are those of all its features merged; probabilities
    are the softmax of their scores (start + end logit). Under the scorer "squad_v2" the empty answer takes part, with the
    smallest null score of the example's features, and is the prediction where that score exceeds the best span's by
    more than `null_threshold`.

    dataset: FeatureDataset. scorer: a name in `mrc.scoring.SCORERS`, or "auto".
    After `compute`: `predictions`, `n_best`, `null_odds` (id -> null score less the best span's score; squad_v2 alone),
    and `without_span`, the number of examples with no valid span at all, whose prediction is the empty text.
    """

    def __init__(self, dataset, scorer="squad", n_best=20, max_answer_length=30, null_threshold=0.0):
        self.dataset = dataset
        self.scorer = choose_scorer(dataset.examples) if scorer == "auto" else scorer
        self.n, self.max_answer_length, self.null_threshold = n_best, max_answer_length, null_threshold
        self.reset()

    def reset(self):
        """Forget everything, for the next evaluation."""
        self.predictions, self.n_best, self.null_odds, self.without_span = {}, {}, {}, 0
        self._spans = []  # one tuple of flat arrays a batch
        self._null_score = np.full(len(self.dataset), np.nan, dtype=np.float32)  # NaN: feature not seen

    def update(self, feature_indices, start_logits, end_logits):
        """Take in one batch: feature_indices (batch,); start_logits, end_logits (batch, length), padded as by the Collator.

        Raises FloatingPointError naming the example if a logit is not a number.
        """
        indices = np.asarray(feature_indices)
        dataset, device = self.dataset, start_logits.device
        width = start_logits.shape[1]
        lengths = dataset.lengths[indices].astype(np.int64)
        begin = width - lengths if dataset.tokenizer.padding_side == "left" else np.zeros_like(lengths)
        context = begin + dataset.context_first[indices]
        rows = np.stack([begin, begin + lengths, context, context + dataset.context_length[indices], begin + dataset.null_position[indices]])
        begin_t, end_t, context_begin, context_end, null_position = torch.from_numpy(rows).to(device)[:, :, None]  # (batch, 1) each
        position = torch.arange(width, device=device)

        attention_mask = (position >= begin_t) & (position < end_t)
        context_mask = (position >= context_begin) & (position < context_end)
        spans = best_spans(start_logits, end_logits, attention_mask, context_mask, null_position.squeeze(1), self.n, self.max_answer_length)
        broken = ((start_logits + end_logits).isnan() & attention_mask).any(dim=1)
        integers = torch.stack([spans.start, spans.end, spans.valid.long()]).cpu().numpy()
        floats = torch.stack([spans.start_logit, spans.end_logit]).cpu().numpy()
        tail = torch.stack([spans.null_score, broken.float()]).cpu().numpy()
        if tail[1].any():
            example = dataset.examples[dataset.example_index[indices[tail[1].argmax()]]]
            raise FloatingPointError(f"the model's logits for example '{example.id}' are not numbers (NaN).")

        row, column = np.nonzero(integers[2])
        into_context = (dataset.window_begin[indices] - context)[row]  # from a batch's column to the flat context tokens
        begin_char = dataset.contexts.offsets[integers[0, row, column] + into_context, 0]
        end_char = dataset.contexts.offsets[integers[1, row, column] + into_context, 1]
        self._spans.append((indices[row].astype(np.int64), column, begin_char, end_char, floats[0, row, column], floats[1, row, column]))
        self._null_score[indices] = tail[0]

    def compute(self, start_logits=None, end_logits=None):
        """Answer every example and return its scorer's scores (an empty dict if no example is labelled).

        start_logits, end_logits: (features, length), right- or left-padded like the tokenizer; None where `update` has
        had every feature already.
        """
        if start_logits is not None:
            self.reset()
            for at in range(0, len(self.dataset), UPDATE_SIZE):
                part = slice(at, at + UPDATE_SIZE)
                self.update(np.arange(len(self.dataset))[part], torch.as_tensor(start_logits[part]), torch.as_tensor(end_logits[part]))
        if np.isnan(self._null_score).any():
            missing = int(np.isnan(self._null_score).argmax())
            raise InputError(f"no logits have been given for feature {missing}; update() must see every feature of the dataset.")
        self._answer()
        return score(self.predictions, self.dataset.examples, self.scorer)

    def _answer(self):
        """Merge the spans of each example's features into its n best, and turn them into texts and probabilities."""
        examples = self.dataset.examples
        feature, rank, begin, end, start_logit, end_logit = (np.concatenate(column) for column in zip(*self._spans))
        example, span_score = self.dataset.example_index[feature], start_logit + end_logit
        null_score = np.full(len(examples), np.inf, dtype=np.float32)
        np.minimum.at(null_score, self.dataset.example_index, self._null_score)

        # Best first; of equal scores the earlier feature, and within it the order of decoding.
        order = np.lexsort((rank, feature, -span_score, example))
        example, span_score = example[order], span_score[order]
        place = ranges_within(example)
        order, example, span_score, place = (a[place < self.n] for a in (order, example, span_score, place))

        with_null = self.scorer == "squad_v2"
        best = np.full(len(examples), -np.inf, dtype=np.float32)
        np.maximum.at(best, example, span_score)
        top = np.maximum(best, null_score) if with_null else best
        weight = np.exp((span_score - top[example]).astype(np.float64))
        null_weight = np.exp((null_score - top).astype(np.float64)) if with_null else np.zeros(len(examples))
        total = np.bincount(example, weight, minlength=len(examples)) + null_weight
        probability = weight / total[example]

        n_best = [[] for _ in examples]
        columns = (a.tolist() for a in (example, begin[order], end[order], probability, start_logit[order], end_logit[order]))
        for e, b, c, p, s, t in zip(*columns):
            n_best[e].append({"text": examples[e].context[b:c], "probability": p, "start_logit": s, "end_logit": t})

        self.predictions, self.n_best, self.null_odds = {}, {}, {}
        self.without_span = sum(not spans for spans in n_best)
        for e, (item, spans) in enumerate(zip(examples, n_best)):
            answer = spans[0]["text"] if spans else ""
            if with_null:
                odds = float(null_score[e] - best[e])
                self.null_odds[item.id] = odds
                answer = "" if odds > self.null_threshold else answer
                null = {"text": "", "probability": float(null_weight[e] / total[e]), "start_logit": None, "end_logit": None}
                at = sum(span["probability"] >= null["probability"] for span in spans)
                spans = (spans[:at] + [null] + spans[at:])[: max(self.n, 1)]
            self.predictions[item.id] = answer
            self.n_best[item.id] = spans or [{"text": "", "probability": 1.0, "start_logit": None, "end_logit": None}]


def ranges_within(groups):
    """The place of each entry within its run of equal values: [3, 3, 5, 5, 5] -> [0, 1, 0, 1, 2]."""
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))


@torch.inference_mode()
def evaluate(model, metrics, batch_size=64, precision="fp32"):
    """Run a model over the dataset of `metrics`, on the device that holds the model, and return the scores."""
    device = next(model.parameters()).device
    loader = make_loader(metrics.dataset, batch_size, device)
    metrics.reset()
    model.eval()
    for batch in tqdm(loader, desc="evaluating", unit="batch", leave=False, disable=not sys.stderr.isatty()):
        inputs = {name: batch[name].to(device, non_blocking=True) for name in INPUTS if name in batch}
        with autocast(device, precision):
            start_logits, end_logits = model(**inputs)
        metrics.update(batch["feature_index"], start_logits, end_logits)
    return metrics.compute()
