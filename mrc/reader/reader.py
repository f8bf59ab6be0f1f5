"""Reader: a question and a context in, an answer out. The interface is that of the question-answering pipeline which
Transformers had until 5.3; docs/reader.md says where the two differ.
"""

import sys
import threading
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import torch
from tqdm import tqdm

from mrc.checkpoint.loading import as_trained, load_checkpoint
from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.features.arrays import ranges_within
from mrc.features.batching import INPUTS, WIDTH_STEP
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.decoding import best_spans, log_probabilities
from mrc.metrics.metrics import Metrics
from mrc.model.heads import marginal_logits
from mrc.reader.inputs import pairs_of, problem_of
from mrc.reader.ranking import answer_dicts, append_null, words_of
from mrc.runtime.device import DTYPES, choose_device, choose_precision

# Tokens of one forward pass. On a CPU more would leave its caches: 64 windows of 312 tokens take three times as long as 4 by 4.
CPU_TOKENS, GPU_TOKENS = 2048, 32768


SLOW = 2.0  # seconds after which a progress bar appears


N_BEST = 20  # spans that scoring="n_best" weighs against each other, as Metrics does by default


@dataclass(frozen=True)
class AskSettings:
    """How a question is asked.

    top_k: answers to return; max_answer_len: tokens of the longest answer; handle_impossible_answer: let "" be an answer;
    align_to_words: let no answer begin or end within a word; scoring: "pipeline" or "n_best", see `Reader`.
    max_seq_len, doc_stride, max_question_len: tokens of the longest window, of the overlap of a context's windows, and that a
    longer question is cut to; None means what the reader was trained with, or 384, 128 and 64 (less for a model with fewer
    positions). batch_size: windows per forward pass; None chooses by their lengths.
    """

    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    max_question_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True
    batch_size: int | None = None
    scoring: str = "pipeline"

    def __post_init__(self):
        least_values = {
            "top_k": 1,
            "max_answer_len": 1,
            "doc_stride": 0,
            "max_seq_len": 8,
            "max_question_len": 1,
            "batch_size": 1,
        }
        for name, least in least_values.items():
            value = getattr(self, name)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int) or value < least
            ):
                raise InputError(f"{name}={value!r}: must be a whole number of at least {least}.")
        if self.scoring not in ("pipeline", "n_best"):
            raise InputError(f"scoring={self.scoring!r}: choose 'pipeline' or 'n_best'.")


class Reader:
    """Answer questions on contexts.

        reader = Reader.from_pretrained("checkpoints/korquad")
        reader(question="Where do I work?", context="My name is Sylvain and I work at Hugging Face in Brooklyn")
        # {"score": 0.69, "start": 33, "end": 45, "answer": "Hugging Face"}

    model: takes input_ids, attention_mask and token_type_ids, returns start and end logits, and has the attributes of
    BaselineModel. tokenizer: a Hugging Face fast tokenizer. settings: what a checkpoint's mrc.json holds. device: "auto", a
    name such as "cuda:1", a torch.device, or a number as the pipeline took it (-1 for the CPU). dtype: of weights and
    arithmetic: "float32", "bfloat16", "float16" or a torch.dtype; None leaves them in float32. Probabilities are float32 always.

    With scoring="pipeline" a score is the probability of the answer's start times that of its end, each a softmax over the
    context and the CLS token of a window; "" scores the smallest product of a window's CLS. With scoring="n_best" scores are
    the probabilities that Metrics reports: a softmax over the 20 best spans of all windows.

    Calls may come from several threads at once. Attribute `allows_no_answer`: whether the reader was trained to give no answer.
    """

    def __init__(self, model, tokenizer, settings=None, device="auto", dtype=None):
        self.device, self.settings = _device(device), settings or {}
        self.model, self.tokenizer = model.to(self.device, _dtype(dtype)).eval(), tokenizer
        trained = as_trained(self.settings, model, tokenizer)
        self.allows_no_answer, self.null_threshold = (
            bool(self.settings.get("allows_no_answer")),
            self.settings.get("null_threshold", 0.0),
        )
        self.max_seq_len, self.max_question_len, self.doc_stride = (
            getattr(trained, n) for n in ("max_length", "max_question_length", "stride")
        )
        self.mask_question = trained.mask_question
        # Tokens that the model can take; what it was trained with goes.
        self.limit = max(
            self.max_seq_len, min(model.max_length or sys.maxsize, tokenizer.model_max_length)
        )
        model.check_fits(tokenizer, self.max_seq_len)
        self._tokenizing = (
            threading.Lock()
        )  # a fast tokenizer may not be set up anew while another thread uses it

    @classmethod
    def from_pretrained(
        cls,
        checkpoint,
        device="auto",
        dtype=None,
        model_class=None,
        trust_remote_code=False,
        allow_pickle=False,
    ):
        """Load a run's folder (its best checkpoint), a checkpoint's folder, or any Hugging Face question-answering model, by
        folder or hub id; model_class, trust_remote_code and allow_pickle as for `load_checkpoint`. Raises InputError if it
        cannot be had or has no trained head."""
        loaded = load_checkpoint(
            checkpoint,
            model_class=model_class,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        )
        return cls(*loaded, device=device, dtype=dtype)

    @classmethod
    def of(cls, config):
        """The reader that a ReaderConfig names, and the AskSettings it asks for. Raises InputError for settings that cannot be had."""
        reader = cls.from_pretrained(
            config.checkpoint,
            config.device,
            choose_precision(config.precision, _device(config.device)),
            config.model_class,
            config.trust_remote_code,
            config.allow_pickle,
        )
        allows_no_answer = (
            reader.allows_no_answer
            if config.handle_impossible_answer == "auto"
            else config.handle_impossible_answer == "yes"
        )
        settings = AskSettings(
            top_k=getattr(config, "top_k", 1),
            doc_stride=config.stride,
            max_answer_len=config.max_answer_length,
            max_seq_len=config.max_length,
            max_question_len=config.max_question_length,
            handle_impossible_answer=allows_no_answer,
            align_to_words=config.align_to_words,
            batch_size=config.batch_size,
            scoring=config.scoring,
        )
        longest = "? " * (settings.max_question_len or reader.max_question_len)
        try:
            # So that settings that do not fit together fail at once.
            reader._windows([Example("", longest, ".")], settings)
        except InputError as error:
            raise InputError(_with_flags(str(error))) from None
        return reader, settings

    def __call__(self, inputs=None, *, question=None, context=None, on_error="raise", **settings):
        """Answer one question or many.

        inputs: a dict with "question" and "context", or a list of such dicts; or question and context by name, strings or lists
        of strings (one string goes with every entry of the other's list). on_error: what an empty question or context does:
        "raise" a ValueError, or leave None ("none") in the answer's place. settings: see AskSettings.

        Returns {"score", "start", "end", "answer"} for one question: characters [start, end) of the context, which are the
        answer; for top_k > 1 a list of them, best first, which has fewer than top_k where there are no more answers. A list of
        questions gives a list, in its order.
        """
        settings = AskSettings(**settings)
        pairs, is_one = pairs_of(inputs, question, context)
        found = self._in_place(pairs, on_error, lambda examples: self._answer(examples, settings))
        found = [
            answers if answers is None or settings.top_k > 1 else answers[0] for answers in found
        ]
        return found[0] if is_one else found

    def explain(self, inputs=None, *, question=None, context=None, on_error="raise", **settings):
        """As calling, for display: a dict for each question.

        {"answers": [...], best first; "no_answer": the null score of scoring="pipeline"; "tokens": one dict for each token of
        the context, {"start", "end": its characters, "start_probability", "end_probability": the highest of its windows}}.
        """
        settings = AskSettings(**settings)
        pairs, is_one = pairs_of(inputs, question, context)
        found = self._in_place(pairs, on_error, lambda examples: self._explain(examples, settings))
        return found[0] if is_one else found

    def read(self, question, contexts, *, on_error="raise", **settings):
        """Look for a question's answer in many contexts, such as the passages that a retriever found.

        contexts: a list of strings; settings: see AskSettings. Returns at most top_k (5 by default) answers, best first:
        {"score", "start", "end", "answer", "passage": index of its context}. Empty contexts raise a ValueError, or are passed
        over with on_error="none".

        A window's softmax says nothing of other windows. What compares is how much likelier a window holds a span than no
        answer at all, exp(span's logits - CLS's logits): these odds are added up within a window for equal texts, the best
        window of a passage counts, and a score is an answer's share of all the odds and of the 1 that stands for no answer
        anywhere. So the scores of all answers sum to less than 1, and with handle_impossible_answer the rest is the score of
        "" (passage None). Of 200 KorQuAD questions, each with five paragraphs of its article, these odds found the right
        paragraph for 184, scores as of single contexts for 150, and sums of logits for 143.
        """
        settings = AskSettings(**{"top_k": 5, **settings})
        if settings.scoring != "pipeline":
            raise InputError(f"scoring={settings.scoring!r}: read() has a scoring of its own.")
        return self._in_place(
            [(question, context) for context in contexts],
            on_error,
            lambda e: self._read(e, settings),
            whole=True,
        )

    def _read(self, examples, settings):
        """`read` on one example a passage, whose id is the passage's number."""
        spans = self._spans(self._windows(examples, settings), settings)
        spans.score -= spans.null_score[spans.feature]
        passage, begin, end, odds = self._pipeline_answers(
            examples, spans, replace(settings, handle_impossible_answer=False)
        )
        total = 1 + float(odds.sum())
        best = np.argsort(-odds, kind="stable")[: settings.top_k]
        answers = [
            {
                "score": p / total,
                "start": b,
                "end": e,
                "answer": examples[n].context[b:e],
                "passage": int(examples[n].id),
            }
            for n, b, e, p in zip(*(a[best].tolist() for a in (passage, begin, end, odds)))
        ]
        if settings.handle_impossible_answer:
            answers.append(
                {"score": 1 / total, "start": 0, "end": 0, "answer": "", "passage": None}
            )
            answers.sort(key=lambda answer: -answer["score"])
        return answers[: settings.top_k]

    def _in_place(self, pairs, on_error, ask, whole=False):
        """`ask` about the pairs that can be asked about; None stands in the place of the others, unless that is an error.

        `whole`: return what `ask` does as it is.
        """
        if on_error not in ("raise", "none"):
            raise InputError(f"on_error={on_error!r}: choose 'raise' or 'none'.")
        problems = [problem_of(*pair) for pair in pairs]
        if on_error == "raise":
            for number, problem in enumerate(problems):
                if problem:
                    raise InputError(f"entry {number}: {problem}" if len(pairs) > 1 else problem)
        asked = [n for n, problem in enumerate(problems) if not problem]
        answers = ask([Example(str(n), *pairs[n]) for n in asked]) if asked else []
        if whole:
            return answers
        found = [None] * len(pairs)
        for n, answer in zip(asked, answers):
            found[n] = answer
        return found

    def _answer(self, examples, settings):
        """A list of answers for each example."""
        dataset = self._windows(examples, settings)
        if settings.scoring == "pipeline":
            ranked = self._pipeline_answers(examples, self._spans(dataset, settings), settings)
        else:
            ranked = self._n_best_answers(dataset, settings)
        return answer_dicts(examples, *ranked, settings.top_k)

    def _windows(self, examples, settings):
        """The FeatureDataset of some examples. Raises InputError if the windows asked for are not to be had."""
        length, question = (
            settings.max_seq_len or self.max_seq_len,
            settings.max_question_len or self.max_question_len,
        )
        stride = self.doc_stride if settings.doc_stride is None else settings.doc_stride
        if length > self.limit:
            raise InputError(
                f"max_seq_len={length}: the model has {self.limit} positions; use {self.limit} or less."
            )
        try:
            with self._tokenizing:
                return FeatureDataset(
                    examples,
                    self.tokenizer,
                    WindowSettings(
                        max_length=length,
                        stride=stride,
                        max_question_length=question,
                        mark_exact_match=self.model.marks_exact_match,
                        mask_question=self.mask_question,
                    ),
                )
        except InputError:
            raise InputError(
                f"doc_stride={stride}: too large for windows of max_seq_len={length} beside a question of up to "
                f"max_question_len={question} tokens; windows that overlap so far do not advance."
            ) from None

    @torch.inference_mode()
    def _logits(self, dataset, batch_size):
        """Run the model over a dataset, longest windows first: feature indices (batch,), start and end logits (batch, length)."""
        order = np.argsort(-dataset.lengths, kind="stable")
        budget = CPU_TOKENS if self.device.type == "cpu" else GPU_TOKENS
        at = 0
        with tqdm(
            total=len(order),
            desc="reading",
            unit="window",
            delay=SLOW,
            leave=False,
            disable=not sys.stderr.isatty(),
        ) as bar:
            while at < len(order):
                fits = min(max(1, budget // int(dataset.lengths[order[at]])), len(order) - at)
                # Of few shapes, in float32 too: a reader that is asked for days would else gather kernels (see length_multiple).
                indices = order[at : at + (batch_size or 2 ** (fits.bit_length() - 1))]
                batch = {
                    name: torch.from_numpy(array).to(self.device, non_blocking=True)
                    for name, array in dataset.batch(indices, WIDTH_STEP).items()
                    if name in INPUTS
                }
                yield indices, *self.model(**batch)
                at += len(indices)
                bar.update(len(indices))

    def _spans(self, dataset, settings, each_batch=None):
        """The best spans of each window, and each window's null score.

        Returns a namespace of arrays: feature, begin, end, score with one entry a span, a window's spans together and best
        first, [begin, end) in characters, scores log-probabilities; null_score, with one entry a window. each_batch: called with
        each batch's feature indices, their log-probabilities (2, batch, length), and borders.
        """
        count = (
            2 * settings.top_k + 10 if settings.align_to_words else settings.top_k
        )  # spans that one word makes equal use up places
        null_score, found = np.empty(len(dataset), dtype=np.float64), []
        for indices, *logits in self._logits(dataset, settings.batch_size):
            start_logits, end_logits = logits if len(logits) == 2 else marginal_logits(*logits)
            width = start_logits.shape[1]
            tokens, context, null_position = dataset.borders(indices, width, self.device)
            logits, _ = log_probabilities(start_logits, end_logits, context, null_position)
            spans = best_spans(
                *logits,
                tokens=tokens,
                context=context,
                null_position=null_position,
                n_best=count,
                max_answer_length=settings.max_answer_len,
                search="exact",
            )
            if spans.is_nan.any():
                example = dataset.example_index[indices[int(spans.is_nan.int().argmax())]]
                raise FloatingPointError(
                    f"the model's logits for entry {dataset.examples[example].id} are not numbers (NaN)."
                )
            start, end, valid = (
                torch.stack([spans.start, spans.end, spans.valid.long()]).cpu().numpy()
            )
            row, rank = np.nonzero(valid)
            score = (spans.start_logit + spans.end_logit).cpu().numpy()[row, rank]
            found.append(
                (
                    indices[row],
                    *dataset.characters(indices[row], start[row, rank], end[row, rank], width),
                    score,
                )
            )
            null_score[indices] = spans.null_score.cpu().numpy()
            if each_batch:
                each_batch(indices, logits, context)
        feature, begin, end, score = (np.concatenate(column) for column in zip(*found))
        return SimpleNamespace(
            feature=feature,
            begin=begin,
            end=end,
            score=score.astype(np.float64),
            null_score=null_score,
            example=dataset.example_index[feature],
            windows=dataset.example_index,
        )

    def _pipeline_answers(self, examples, spans, settings):
        """Rank the spans of each example, equal texts as one answer: example, begin, end, score, best first.

        The spans of one window are disjoint events, so those of one text are summed. Windows overlap, and each has a softmax
        of its own, so of the windows' sums the highest counts, and no score exceeds 1.
        """
        words, context = words_of(examples)
        context = context[spans.example]
        begin, end = words.trim(context, spans.begin, spans.end)
        kept = begin < end
        columns = (spans.example, spans.feature, context, begin, end, np.exp(spans.score))
        example, feature, context, begin, end, score = (column[kept] for column in columns)
        if settings.align_to_words:
            begin, end = words.whole(context, begin, end)

        texts = {}
        answer = np.array(
            [
                texts.setdefault((e, examples[e].context[b:c].lower()), len(texts))
                for e, b, c in zip(example.tolist(), begin.tolist(), end.tolist())
            ],
            dtype=np.int64,
        )
        in_window, which = np.unique(answer * len(spans.windows) + feature, return_inverse=True)
        total = np.bincount(which, score, minlength=len(in_window))[which]
        order = np.lexsort((-score, feature, -total, answer))
        first = order[
            ranges_within(answer[order]) == 0
        ]  # of each answer, its best span in its best window
        example, begin, end, total, feature = (
            a[first] for a in (example, begin, end, total, feature)
        )
        if settings.handle_impossible_answer:
            null_score = np.full(len(examples), np.inf)
            np.minimum.at(null_score, spans.windows, np.exp(spans.null_score))
            example, begin, end, total = append_null(example, begin, end, total, null_score)
            feature = np.append(feature, np.full(len(examples), len(spans.windows)))
        order = np.lexsort((begin, feature, -total, example))
        return tuple(a[order] for a in (example, begin, end, total))

    def _n_best_answers(self, dataset, settings):
        """Rank the spans of each example as Metrics does: example, begin, end, probability, best first.

        Where no answer is allowed for, it comes first just if its odds exceed the checkpoint's threshold.
        """
        allows_no_answer = settings.handle_impossible_answer
        metrics = Metrics(
            dataset,
            n_best=max(N_BEST, settings.top_k),
            max_answer_length=settings.max_answer_len,
            allows_no_answer=allows_no_answer,
        )
        for batch in self._logits(dataset, settings.batch_size):
            metrics.update(*batch)
        ranked = metrics.merge()
        example, begin, end, score = ranked.example, ranked.begin, ranked.end, ranked.probability
        null_score, null_odds = ranked.null_probability, ranked.null_odds
        first = ranges_within(example) == 0
        if allows_no_answer:
            example, begin, end, score = append_null(example, begin, end, score, null_score)
            is_null = null_odds > self.null_threshold
            first = np.append(first & ~is_null[example[: len(first)]], is_null)
        order = np.lexsort((-score, ~first, example))
        return tuple(a[order] for a in (example, begin, end, score))

    def _explain(self, examples, settings):
        """`explain` for each example."""
        dataset = self._windows(examples, settings)
        counts = dataset.contexts.lengths[dataset.context_index]  # tokens of each example's context
        at = np.cumsum(counts) - counts
        probability = np.zeros(
            (2, counts.sum())
        )  # of start and end, for the tokens of all examples end to end

        def keep_probabilities(indices, logits, context):
            in_context = torch.arange(logits.shape[2], device=logits.device)
            in_context = (in_context >= context[:, :1]) & (in_context < context[:, 1:])
            row, column = np.nonzero(in_context.cpu().numpy())
            feature, example = indices[row], dataset.example_index[indices[row]]
            token = at[example] + dataset.context_tokens(feature, column, logits.shape[2])
            np.maximum.at(probability.T, token, logits[:, in_context].exp().cpu().numpy().T)

        spans = self._spans(dataset, settings, keep_probabilities)
        null_score = np.full(len(examples), np.inf)
        np.minimum.at(null_score, spans.windows, np.exp(spans.null_score))
        if settings.scoring == "pipeline":
            ranked = self._pipeline_answers(examples, spans, settings)
        else:
            ranked = self._n_best_answers(dataset, settings)
        explained = []
        for n, answers in enumerate(answer_dicts(examples, *ranked, settings.top_k)):
            tokens = slice(at[n], at[n] + counts[n])
            first = dataset.contexts.starts[dataset.context_index[n]]
            rows = zip(
                dataset.contexts.offsets[first : first + counts[n]].tolist(),
                *probability[:, tokens].tolist(),
            )
            explained.append(
                {
                    "answers": answers,
                    "no_answer": float(null_score[n]),
                    "tokens": [
                        {"start": b, "end": e, "start_probability": p, "end_probability": q}
                        for (b, e), p, q in rows
                    ],
                }
            )
        return explained


def _with_flags(message: str) -> str:
    """A message about arguments of the pipeline, with the flags that stand for them."""
    flags = {
        "max_seq_len=": "--max-length ",
        "doc_stride=": "--stride ",
        "max_question_len=": "--max-question-length ",
    }
    for argument, flag in flags.items():
        message = message.replace(argument, flag)
    return message


def _device(device):
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    return choose_device(str(device))


def _dtype(dtype):
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    named = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "fp32": torch.float32,
        **DTYPES,
    }
    if dtype not in named:
        raise InputError(f"dtype={dtype!r}: choose float32, bfloat16 or float16.")
    return named[dtype]
