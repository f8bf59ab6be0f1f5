"""Reader: a question and a context in, an answer out.

The interface is that of the question-answering pipeline that Transformers had until 5.3;
docs/reader.md says where the two differ.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers import PreTrainedTokenizerFast

from mrc.checkpoint.loading import as_trained, load_checkpoint
from mrc.config.reader import ReaderConfig
from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.span_model import SpanModel
from mrc.reader.explanation import TokenProbabilities
from mrc.reader.forward import WindowSpans, forward_batches, score_spans
from mrc.reader.inputs import Pair, passage_list, problem_of, question_context_pairs
from mrc.reader.ranking import (
    Ranking,
    answer_dicts,
    rank_by_n_best,
    rank_by_probability,
    rank_passages,
)
from mrc.reader.settings import AskSettings, ask_settings
from mrc.runtime.device import choose_device, choose_precision
from mrc.wording import did_you_mean

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

# The flags that stand for arguments of the pipeline, as messages name them.
FLAGS = {
    "max_seq_len=": "--max-length ",
    "doc_stride=": "--stride ",
    "max_question_len=": "--max-question-length ",
}

Answers = TypeVar("Answers")


class Reader:
    """Answer questions on contexts::

        reader = Reader.from_pretrained("checkpoints/korquad")
        reader(question="Where do I work?", context="I work at Hugging Face in Brooklyn.")
        # {"score": 0.69, "start": 10, "end": 22, "answer": "Hugging Face"}

    With scoring="pipeline", a score is the probability of the answer's start times that of its
    end, each a softmax over the context and the CLS token of a window; "" scores the lowest such
    product of a window's CLS. With scoring="n_best", scores are the probabilities that Metrics
    reports: a softmax over the 20 best spans of all windows.

    Calls may come from several threads at once.

    Args:
        model: a SpanModel, such as BaselineModel.
        tokenizer: a Hugging Face fast tokenizer.
        settings: what the checkpoint's mrc.json holds.
        device: "auto", a name such as "cuda:1", a torch.device, or a number as the pipeline took
            it (-1 for the CPU).
        dtype: of weights and arithmetic: "float32", "bfloat16", "float16" or a torch.dtype; None
            leaves them as they are. Probabilities are always float32.

    Attributes:
        checkpoint: what `from_pretrained` was given; None if the model was.
        allows_no_answer: whether the reader was trained to give no answer.
        null_threshold: the odds beyond which it gives none, with scoring="n_best".
        max_seq_len, max_question_len, doc_stride: what it was trained with, in tokens.
        limit: the longest window that it can take, in tokens.
    """

    def __init__(
        self,
        model: SpanModel,
        tokenizer: PreTrainedTokenizerFast | None = None,
        settings: dict[str, Any] | None = None,
        device: str | int | torch.device = "auto",
        dtype: str | torch.dtype | None = None,
    ) -> None:
        if isinstance(model, str | os.PathLike):
            raise TypeError(
                "a Reader is made of a model and its tokenizer; for a folder or a hub id, use "
                "Reader.from_pretrained."
            )
        self.checkpoint: str | None = None
        self.device = _device(device)
        self.settings = settings or {}
        self.model = model.to(self.device, _dtype(dtype)).eval()
        if tokenizer is None:
            raise TypeError("the tokenizer is missing: Reader(model, tokenizer).")
        self.tokenizer = tokenizer
        self.allows_no_answer = bool(self.settings.get("allows_no_answer"))
        self.null_threshold = self.settings.get("null_threshold", 0.0)
        trained = as_trained(self.settings, model, tokenizer)
        self.max_seq_len = trained.max_length
        self.max_question_len = trained.max_question_length
        self.doc_stride = trained.stride
        self.mask_question = trained.mask_question
        positions = min(model.max_length or sys.maxsize, tokenizer.model_max_length)
        # What it was trained with goes, whatever its tokenizer says.
        self.limit = max(self.max_seq_len, positions)
        model.check_fits(tokenizer, self.max_seq_len)
        # A fast tokenizer must not be set up anew while another thread uses it.
        self._tokenizing = threading.Lock()

    def __repr__(self) -> str:
        source = self.checkpoint or type(self.model).__name__
        dtype = str(next(self.model.parameters()).dtype).removeprefix("torch.")
        no_answer = 'may say "no answer"' if self.allows_no_answer else "always gives an answer"
        return (
            f"<Reader: {source} on {self.device}, {dtype}; windows of up to {self.max_seq_len} "
            f"tokens, stride {self.doc_stride}; {no_answer}>"
        )

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path,
        device: str | int | torch.device = "auto",
        dtype: str | torch.dtype | None = None,
        model_class: Any = None,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
        **unknown: Any,
    ) -> "Reader":
        """Load a reader.

        Args:
            checkpoint: a run's folder (its best checkpoint is meant), a checkpoint's folder, or
                the folder or hub id of any Hugging Face question-answering model.
            device: as for `Reader`.
            dtype: as for `Reader`.
            model_class: as for `load_checkpoint`, as are the two below.
            trust_remote_code: run the code that the model's repository brings.
            allow_pickle: read weights that are not safetensors.
            unknown: nothing; a setting such as `top_k` is given with a question.

        Raises:
            TypeError: an argument is not known.
            InputError: the checkpoint cannot be loaded, or has no trained head.
        """
        _check_no_more(unknown)
        if not isinstance(checkpoint, str | os.PathLike):
            kind = type(checkpoint).__name__
            raise InputError(f"checkpoint must be a folder or a hub id, not {kind}.")
        model, tokenizer, settings = load_checkpoint(
            checkpoint,
            model_class=model_class,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        )
        reader = cls(model, tokenizer, settings, device=device, dtype=dtype)
        reader.checkpoint = str(checkpoint)
        return reader

    @classmethod
    def of(cls, config: ReaderConfig) -> tuple["Reader", AskSettings]:
        """The reader that a command's settings name, and how they ask it.

        Raises:
            InputError: the checkpoint or the settings cannot be used.
        """
        device = choose_device(config.device)
        reader = cls.from_pretrained(
            config.checkpoint,
            device=device,
            dtype=choose_precision(config.precision, device),
            model_class=config.model_class,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
        )
        allows_no_answer = config.handle_impossible_answer == "yes"
        if config.handle_impossible_answer == "auto":
            allows_no_answer = reader.allows_no_answer
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
        reader._check_settings(settings)
        return reader, settings

    def __call__(
        self,
        inputs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        on_error: str = "raise",
        **settings: Any,
    ) -> Any:
        """Answer one question or many.

        Args:
            inputs: a dict with "question" and "context", or a list of such dicts; with a context
                beside it, the question: reader(question, context).
            context: a string or a list of strings; one string goes with every question.
            question: the same, by name and in place of `inputs`.
            on_error: what an empty question or context does: "raise" an InputError, or leave None
                in the answer's place ("none").
            settings: top_k, max_answer_len, handle_impossible_answer, align_to_words, scoring,
                batch_size, max_seq_len, doc_stride, max_question_len; see AskSettings.

        Returns:
            {"score", "start", "end", "answer"} for one question: characters [start, end) of the
            context, which are the answer. For top_k > 1 a list of them, best first, with fewer
            than top_k where there are no more answers. For a list of questions, a list in its
            order.

        Raises:
            TypeError: there is no setting of such a name.
            InputError: the inputs or the settings cannot be used.
        """
        asked = ask_settings(settings)
        pairs, is_one = question_context_pairs(inputs, question, context)
        found = self._in_place(pairs, on_error, lambda examples: self._answer(examples, asked))
        if asked.top_k == 1:
            best = [None if answers is None else answers[0] for answers in found]
            return best[0] if is_one else best
        return found[0] if is_one else found

    def explain(
        self,
        inputs: Any = None,
        context: Any = None,
        *,
        question: Any = None,
        on_error: str = "raise",
        **settings: Any,
    ) -> Any:
        """Answer one question or many, and say what each token of the context scores.

        The arguments are those of a call.

        Returns:
            A dict for each question, with "answers" (a list, best first), "no_answer" (the score
            of "" with scoring="pipeline") and "tokens": one dict for each token of the context,
            with "start" and "end" (its characters) and "start_probability" and "end_probability"
            (the highest of its windows).
        """
        asked = ask_settings(settings)
        pairs, is_one = question_context_pairs(inputs, question, context)
        found = self._in_place(pairs, on_error, lambda examples: self._explain(examples, asked))
        return found[0] if is_one else found

    def read(
        self, question: str, contexts: Iterable[str], *, on_error: str = "raise", **settings: Any
    ) -> list[dict[str, Any]]:
        """Look for a question's answer in many contexts, such as the passages of a retriever.

        A window's softmax says nothing about other windows. What compares is how much likelier a
        window holds a span than no answer at all, exp(span's logits - CLS's logits). These odds
        are summed within a window for equal texts, the best window of a passage counts, and a
        score is an answer's share of all the odds and of the 1 that stands for no answer anywhere.
        So the scores of all answers sum to less than 1, and with handle_impossible_answer the rest
        is the score of "" (passage None). docs/reader.md compares this with other scores.

        Args:
            question: a string.
            contexts: the passages.
            on_error: as in a call; "none" passes over empty contexts.
            settings: those of a call but `scoring`; `top_k` is 5 by default.

        Returns:
            At most top_k answers, best first: {"score", "start", "end", "answer", "passage": the
            index of its context}.

        Raises:
            InputError: the inputs or the settings cannot be used.
        """
        asked = ask_settings(settings, top_k=5)
        if asked.scoring != "pipeline":
            raise InputError(f"scoring={asked.scoring!r}: read() has a scoring of its own.")
        pairs = [(question, context) for context in passage_list(contexts)]
        passages = _examples(pairs, on_error)
        if not passages:
            return []
        dataset = self._windows(passages, asked)
        spans = score_spans(self.model, dataset, asked, device=self.device)
        return rank_passages(passages, spans, asked)

    def _in_place(
        self,
        pairs: Sequence[Pair],
        on_error: str,
        ask: Callable[[list[Example]], Sequence[Answers]],
    ) -> list[Answers | None]:
        """Ask about the pairs that can be asked about; None stands in the place of the others."""
        examples = _examples(pairs, on_error)
        found: list[Answers | None] = [None] * len(pairs)
        if examples:
            for example, answers in zip(examples, ask(examples), strict=True):
                found[int(example.id)] = answers
        return found

    def _answer(self, examples: list[Example], settings: AskSettings) -> list[list[dict]]:
        """A list of answers for each example."""
        dataset = self._windows(examples, settings)
        spans = None
        if settings.scoring == "pipeline":
            spans = score_spans(self.model, dataset, settings, device=self.device)
        ranking = self._rank(dataset, spans, settings)
        return answer_dicts(examples, ranking, settings.top_k)

    def _explain(self, examples: list[Example], settings: AskSettings) -> list[dict[str, Any]]:
        """`explain` for each example."""
        dataset = self._windows(examples, settings)
        tokens = TokenProbabilities(dataset)
        spans = score_spans(self.model, dataset, settings, device=self.device, watch=tokens.watch)
        ranking = self._rank(dataset, spans, settings)
        answers = answer_dicts(examples, ranking, settings.top_k)
        no_answer = spans.lowest_null_probability(len(examples)).tolist()
        return [
            {
                "answers": answers[number],
                "no_answer": no_answer[number],
                "tokens": tokens.of_example(number),
            }
            for number in range(len(examples))
        ]

    def _rank(
        self, dataset: FeatureDataset, spans: WindowSpans | None, settings: AskSettings
    ) -> Ranking:
        """Rank the answers as `settings.scoring` says; only "pipeline" needs `spans`."""
        if settings.scoring == "pipeline" and spans is not None:
            return rank_by_probability(dataset.examples, spans, settings)
        batches = forward_batches(
            self.model, dataset, device=self.device, batch_size=settings.batch_size
        )
        return rank_by_n_best(dataset, batches, settings, self.null_threshold)

    def _windows(self, examples: list[Example], settings: AskSettings) -> FeatureDataset:
        """The windows of some examples. Raises InputError if the settings do not fit."""
        length = settings.max_seq_len or self.max_seq_len
        question = settings.max_question_len or self.max_question_len
        stride = self.doc_stride if settings.doc_stride is None else settings.doc_stride
        if length > self.limit:
            raise InputError(
                f"max_seq_len={length}: the model has {self.limit} positions; "
                f"use {self.limit} or less."
            )
        windows = WindowSettings(
            max_length=length,
            stride=stride,
            max_question_length=question,
            mark_exact_match=self.model.marks_exact_match,
            mask_question=self.mask_question,
        )
        try:
            with self._tokenizing:
                return FeatureDataset(examples, self.tokenizer, windows)
        except InputError:
            raise InputError(
                f"doc_stride={stride}: too large for windows of max_seq_len={length} beside a "
                f"question of up to max_question_len={question} tokens; windows that overlap so "
                "far do not advance. Use a smaller stride."
            ) from None

    def _check_settings(self, settings: AskSettings) -> None:
        """Refuse settings that do not fit together, naming flags, before the first question."""
        longest_question = "? " * (settings.max_question_len or self.max_question_len)
        try:
            self._windows([Example("", longest_question, ".")], settings)
        except InputError as error:
            message = str(error)
            for argument, flag in FLAGS.items():
                message = message.replace(argument, flag)
            raise InputError(message) from None


def _examples(pairs: Sequence[Pair], on_error: str) -> list[Example]:
    """The pairs that can be asked about as Examples, whose ids are their places in `pairs`."""
    if on_error not in ("raise", "none"):
        raise InputError(f"on_error={on_error!r}: choose 'raise' or 'none'.")
    examples = []
    for number, (question, context) in enumerate(pairs):
        problem = problem_of(question, context)
        if not problem:
            # Of NumPy's strings too, ordinary ones.
            examples.append(Example(str(number), str(question), str(context)))
        elif on_error == "raise":
            raise InputError(f"entry {number}: {problem}" if len(pairs) > 1 else problem)
    return examples


def _check_no_more(unknown: Iterable[str]) -> None:
    """Refuse arguments that `Reader.from_pretrained` does not take."""
    settings = [setting.name for setting in fields(AskSettings)]
    known = ("device", "dtype", "model_class", "trust_remote_code", "allow_pickle")
    for name in unknown:
        if name in settings:
            raise TypeError(
                f"{name}: no setting of from_pretrained; give it with a question: "
                f"reader(question, context, {name}=...)."
            )
        question = did_you_mean(name, known)
        raise TypeError(f"{name}: no such setting{question or '. Known: ' + ', '.join(known)}")


def _device(device: str | int | torch.device) -> torch.device:
    """A device as the pipeline took it."""
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    return choose_device(str(device), is_flag=False)


def _dtype(dtype: str | torch.dtype | None) -> torch.dtype | None:
    """A dtype by name."""
    if dtype is None or isinstance(dtype, torch.dtype):
        return dtype
    if dtype not in DTYPES:
        raise InputError(f"dtype={dtype!r}: choose float32, bfloat16 or float16.")
    return DTYPES[dtype]
