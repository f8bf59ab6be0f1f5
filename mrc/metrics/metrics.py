"""Metrics: logits in, n-best answers and official scores out."""

import bisect
import gc
from contextlib import contextmanager

import numpy as np
import torch

from mrc.errors import InputError
from mrc.features.arrays import ranges_within
from mrc.metrics.decoding import best_spans
from mrc.metrics.scoring import Gold

NO_SPAN = {
    "text": "",
    "probability": 1.0,
    "start_logit": None,
    "end_logit": None,
}  # the empty answer


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
    are the softmax of their scores (start + end logit).

    Where questions may have no answer, the empty answer takes part, with the smallest null score of the example's
    features. It is the prediction where that score exceeds the best span's by more than `null_threshold`.

    dataset: FeatureDataset. scorer: a name in `mrc.scoring.SCORERS`, or "auto". search: "pruned" or "exact", see
    `best_spans`. allows_no_answer: whether questions may have no answer; None leaves that to the scorer. tune_threshold: let
    `compute` set `null_threshold` to what is best for the scorer's soft score on this very data, as is done on
    validation data. clean: a function applied to each answer's text, such as `strip_answer`.

    After `compute`: `predictions`; `n_best`; `null_odds` (id -> null score less the best span's score; empty unless answers
    may be); `best_texts` (id -> the best answer that is not empty); `without_span`, the number of examples with no valid span
    at all, whose prediction is the empty text; `answers_changed` by an exact search, else None.
    """

    def __init__(
        self,
        dataset,
        *,
        scorer="squad",
        n_best=20,
        max_answer_length=30,
        search="pruned",
        allows_no_answer=None,
        null_threshold=0.0,
        tune_threshold=False,
        clean=None,
    ):
        self.dataset = dataset
        self.gold = Gold(dataset.examples, scorer)
        self.scorer = self.gold.name
        self.allows_no_answer = (
            self.gold.scorer.allows_no_answer if allows_no_answer is None else allows_no_answer
        )
        self.main_score = self.gold.scorer.soft_score
        self.n, self.max_answer_length, self.search, self.clean = (
            n_best,
            max_answer_length,
            search,
            clean,
        )
        self.null_threshold, self.tune_threshold = null_threshold, tune_threshold
        # What the pruned search would have said is found beside, to tell what an exact one changes.
        self.pruned = None
        if search == "exact":
            self.pruned = Metrics(
                dataset,
                scorer=self.scorer,
                n_best=n_best,
                max_answer_length=max_answer_length,
                allows_no_answer=allows_no_answer,
                null_threshold=null_threshold,
                tune_threshold=tune_threshold,
                clean=clean,
            )
        self.reset()

    def reset(self):
        """Forget everything, for the next evaluation."""
        self.predictions, self.best_texts, self.n_best, self.null_odds = {}, {}, {}, {}
        self.without_span, self.answers_changed = 0, None
        self._spans = []  # one tuple of flat arrays a batch
        self._null_score = np.full(
            len(self.dataset), np.nan, dtype=np.float32
        )  # NaN: feature not seen
        if self.pruned:
            self.pruned.reset()

    @torch.inference_mode()
    def update(self, feature_indices, start_logits, end_logits, starts=None):
        """Take in one batch: feature_indices (batch,); start_logits, end_logits (batch, length), padded as by the Collator.

        starts: for a model whose end logits depend on the start, see `best_spans`.
        Raises FloatingPointError naming the example if a logit is not a number.
        """
        indices, dataset = np.asarray(feature_indices), self.dataset
        if starts is not None and self.search == "exact":
            raise InputError(
                "--search exact: a conditional head looks for answers in a beam of its own."
            )
        tokens, context, null_position = dataset.borders(
            indices, start_logits.shape[1], start_logits.device
        )
        if dataset.mask_question:  # no loss has kept the question's logits down
            position = torch.arange(start_logits.shape[1], device=start_logits.device)
            elsewhere = (position < context[:, :1]) | (position >= context[:, 1:])
            elsewhere &= position != null_position[:, None]
            start_logits, end_logits = (
                logits.masked_fill(elsewhere, -torch.inf) for logits in (start_logits, end_logits)
            )
        spans = best_spans(
            start_logits,
            end_logits,
            tokens,
            context,
            null_position,
            self.n,
            self.max_answer_length,
            self.search,
            starts,
        )
        start, end, valid = torch.stack([spans.start, spans.end, spans.valid.long()]).cpu().numpy()
        start_logit, end_logit = torch.stack([spans.start_logit, spans.end_logit]).cpu().numpy()
        null_score, is_nan = torch.stack([spans.null_score, spans.is_nan.float()]).cpu().numpy()
        if is_nan.any():
            example = dataset.examples[dataset.example_index[indices[is_nan.argmax()]]]
            raise FloatingPointError(
                f"the model's logits for example '{example.id}' are not numbers (NaN)."
            )

        row, rank = np.nonzero(valid)
        begin_char, end_char = dataset.characters(
            indices[row], start[row, rank], end[row, rank], start_logits.shape[1]
        )
        self._spans.append(
            (
                indices[row].astype(np.int64),
                begin_char,
                end_char,
                start_logit[row, rank],
                end_logit[row, rank],
            )
        )
        self._null_score[indices] = null_score
        if self.pruned:
            self.pruned.update(feature_indices, start_logits, end_logits, starts)

    def choose_score(self, name=None):
        """The score that decides which of two is better: `main_score`, or the one called `name`. Raises InputError if there is none."""
        names = (self.gold.scorer.exact, self.gold.scorer.soft_score)
        if name and name not in names:
            raise InputError(
                f"--metric-for-best {name}: the scorer {self.scorer} has {' and '.join(names)}."
            )
        return name or self.main_score

    def collected(self):
        """What `update` has taken in so far, for the `collect` of another process: plain arrays."""
        return self._spans, self._null_score, self.pruned and self.pruned.collected()

    def collect(self, parts):
        """Take in what several have `collected`, each of its own features, in place of what this one has."""
        spans, null_scores, pruned = zip(*parts)
        self._spans = [columns for part in spans for columns in part]
        self._null_score = np.fmax.reduce(null_scores)  # NaN where a feature was not seen
        if self.pruned:
            self.pruned.collect(pruned)

    def compute(self, start_logits=None, end_logits=None):
        """Answer every example and return its scorer's scores (an empty dict if no example is labelled).

        start_logits, end_logits: (features, length), right- or left-padded like the tokenizer; None where `update` has
        had every feature already. Raises ValueError if a feature is missing, FloatingPointError for logits that are no numbers.
        """
        if start_logits is not None:
            self.reset()
            for at in range(0, len(self.dataset), UPDATE_SIZE):
                part = slice(at, at + UPDATE_SIZE)
                self.update(
                    np.arange(len(self.dataset))[part],
                    torch.as_tensor(start_logits[part]),
                    torch.as_tensor(end_logits[part]),
                )
        if np.isnan(self._null_score).any():
            missing = int(np.isnan(self._null_score).argmax())
            raise ValueError(
                f"no logits have been given for feature {missing}; update() must see every feature of the dataset."
            )
        with _no_garbage_collection():
            self._answer()
        if self.tune_threshold and self.allows_no_answer and self.gold.answers:
            soft_scores = {
                identity: pair[1] for identity, pair in self.gold.each(self.best_texts).items()
            }
            below_all = min(self.null_odds.values()) - 1.0  # gives no answer at all
            _, self.null_threshold = self.gold.best_threshold(
                soft_scores, self.best_texts, self.null_odds, below_all
            )
        self.predictions = {
            identity: ""
            if self.allows_no_answer and self.null_odds[identity] > self.null_threshold
            else text
            for identity, text in self.best_texts.items()
        }
        if self.pruned:
            self.pruned.compute()
            self.answers_changed = sum(
                text != self.pruned.predictions[identity]
                for identity, text in self.predictions.items()
            )
        if not self.gold.scorer.allows_no_answer:  # such a scorer knows no odds, only answers
            return self.gold.score(self.predictions)
        return self.gold.score(self.best_texts, self.null_odds, self.null_threshold)

    def _answer(self):
        """Turn each example's best spans into texts, and the odds for its having no answer."""
        examples = self.dataset.examples
        example, begin, end, start_logit, end_logit, probability, null_probability, null_odds = (
            self.merge()
        )
        texts = [
            examples[e].context[b:c]
            for e, b, c in zip(example.tolist(), begin.tolist(), end.tolist())
        ]
        texts = list(map(self.clean, texts)) if self.clean else texts
        rows = zip(texts, probability.tolist(), start_logit.tolist(), end_logit.tolist())
        spans = [
            {"text": text, "probability": p, "start_logit": s, "end_logit": t}
            for text, p, s, t in rows
        ]
        borders = np.searchsorted(
            example, np.arange(len(examples) + 1)
        ).tolist()  # of each example's spans
        n_best = [spans[a:b] for a, b in zip(borders, borders[1:])]

        self.without_span = sum(not spans for spans in n_best)
        self.best_texts = {
            item.id: spans[0]["text"] if spans else "" for item, spans in zip(examples, n_best)
        }
        if self.allows_no_answer:
            self.null_odds = {item.id: odds for item, odds in zip(examples, null_odds.tolist())}
            for spans, p in zip(n_best, null_probability.tolist()):
                bisect.insort(
                    spans, {**NO_SPAN, "probability": p}, key=lambda span: -span["probability"]
                )
        self.n_best = {item.id: spans or [dict(NO_SPAN)] for item, spans in zip(examples, n_best)}

    def merge(self):
        """The n best spans of each example, those of one example together and best first, as arrays.

        Returns for each span its example, its characters [begin, end), its two logits and its probability; for each
        example the probability of no answer and the null odds. The empty answer is one of the n best if it scores so, and
        beyond them if not, as in the reference recipe.
        """
        count = len(self.dataset.examples)
        feature, begin, end, start_logit, end_logit = (
            np.concatenate(column) for column in zip(*self._spans)
        )
        example, score = self.dataset.example_index[feature], start_logit + end_logit
        # By example, then score, best first; stable sorts keep the earlier feature first, and in it the earlier span.
        in_order = np.argsort(feature, kind="stable")
        order = in_order[np.lexsort((-score[in_order], example[in_order]))]
        example, begin, end, start_logit, end_logit, score = (
            a[order] for a in (example, begin, end, start_logit, end_logit, score)
        )

        null_score, most = np.full(count, -np.inf, dtype=np.float32), np.full(count, self.n)
        if self.allows_no_answer:
            null_score[:] = np.inf
            np.minimum.at(null_score, self.dataset.example_index, self._null_score)
            ahead_of_null = np.bincount(example, score >= null_score[example], minlength=count)
            most -= ahead_of_null < self.n  # it takes a place among the n
        kept = ranges_within(example) < most[example]

        best = np.full(count, -np.inf, dtype=np.float32)
        np.maximum.at(best, example, score)
        example, begin, end, start_logit, end_logit, score = (
            a[kept] for a in (example, begin, end, start_logit, end_logit, score)
        )
        top = np.maximum(best, null_score)
        top[np.isinf(top)] = 0.0  # no span and no null: nothing to weigh
        weight, null_weight = (
            np.exp((score - top[example]).astype(np.float64)),
            np.exp((null_score - top).astype(np.float64)),
        )
        total = np.bincount(example, weight, minlength=count) + null_weight
        total[total == 0] = 1.0
        null_odds = (
            np.nan_to_num(null_score - best) if self.allows_no_answer else None
        )  # finite where there is no span
        return (
            example,
            begin,
            end,
            start_logit,
            end_logit,
            weight / total[example],
            null_weight / total,
            null_odds,
        )


@contextmanager
def _no_garbage_collection():
    """Spare Python's collector the walk over what is made within the block: hundreds of thousands of spans, all alive."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
