"""Features: the windows through which an encoder sees its examples.

Most questions share their context, and the windows of a context share their tokens. So each
distinct context and each distinct question is tokenized once, into flat arrays. A feature is then
three numbers: its example, and the range of context tokens in its window. Token ids are put
together only when a batch is made, and live as long as the batch.

The windows equal, id for id, those of a Hugging Face fast tokenizer called with a question, a
context, `truncation="only_second"`, `stride` and `return_overflowing_tokens=True`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from mrc.data.examples import Example
from mrc.data.findings import NOT_FOUND
from mrc.errors import InputError, expect
from mrc.features.arrays import distinct, is_between, ranges, round_up
from mrc.features.template import Template
from mrc.features.tokens import Tokens
from mrc.wording import counted

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

# The token type of context tokens that also occur in the question.
EXACT_MATCH_TYPE = 2

Indices = Sequence[int] | np.ndarray


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """How contexts are cut into windows, and what a batch says about them.

    Args:
        max_length: tokens of the longest feature, including the question and special tokens.
        stride: tokens that two neighboring windows of a context share.
        max_question_length: tokens of a question; what is longer loses its end.
        mark_exact_match: give context tokens that also occur in the question a token type of
            their own, the exact match feature of DrQA (Chen et al. 2017, section 3.2). The
            encoder must have three token types.
        mask_question: add `span_mask` to batches, which marks the tokens at which an answer can
            start or end, so that a loss can leave out the others.
        cache: a folder that keeps the tokenized texts between runs (see tokens.py), or None.

    Raises:
        InputError: if a number is out of range, or no whole number.
    """

    max_length: int = 384
    stride: int = 128
    max_question_length: int = 64
    mark_exact_match: bool = False
    mask_question: bool = False
    cache: str | Path | None = None

    def __post_init__(self) -> None:
        for name in ("max_length", "stride", "max_question_length"):
            expect(getattr(self, name), Integral, f"WindowSettings: {name}", "a whole number")
        if self.stride < 0:
            raise InputError(f"stride {self.stride}: must be 0 or more.")
        if self.max_question_length < 1:
            raise InputError(f"max_question_length {self.max_question_length}: must be 1 or more.")

    @classmethod
    def from_config(cls, config: Any, model: Any = None) -> "WindowSettings":
        """The settings in a command's config; exact matches are marked if the model wants them."""
        return cls(
            max_length=config.max_length,
            stride=config.stride,
            max_question_length=config.max_question_length,
            mark_exact_match=getattr(model, "marks_exact_match", False),
            mask_question=getattr(config, "mask_question", False),
            cache=getattr(config, "feature_cache", None),
        )


DEFAULT_WINDOWS = WindowSettings()


class FeatureDataset(Dataset):
    """The features of some examples: in the examples' order, and from left to right within one.

    Where the parts of a feature lie, in a batch and in the text, is asked of this class.

    Args:
        examples: the examples; a list of `Example`.
        tokenizer: a Hugging Face fast tokenizer. It decides the template, such as
            `[CLS] question [SEP] context [SEP]`. If it pads on the left, the context comes first,
            as in the training of the models that do so.
        settings: how contexts are cut into windows.

    Attributes with one entry per feature:
        example_index: its example.
        lengths: its tokens, special ones included.
        context_begin, context_length: where its window begins in it, and the window's tokens.
        window_begin, window_end: the same window as a range of `contexts.ids`.
        null_position: its CLS token, which stands for "no answer".
        start_positions, end_positions: the first and last token of its answer, or null_position
            if the window does not hold the answer. Both are None if no example is labeled.
        has_label: whether it can be trained on: its example is marked as impossible, or has an
            answer that was found in the context.

    Attributes with one entry per example:
        windows: the number of its features.
        context_index, question_index: which of the distinct `contexts` and `questions` it has.

    Raises:
        InputError: if the stride leaves a window no room to advance, for a slow tokenizer, or for
            an argument of another type.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: "PreTrainedTokenizerFast",
        settings: WindowSettings = DEFAULT_WINDOWS,
    ) -> None:
        _check_arguments(examples, settings)
        self.examples = examples
        self.tokenizer = tokenizer
        self.settings = settings
        self.max_length = settings.max_length
        self.mask_question = settings.mask_question

        self.template = Template.of(tokenizer)
        self.pads_left = tokenizer.padding_side == "left"
        self.makes_token_types = "token_type_ids" in tokenizer.model_input_names
        third_type_is_free = EXACT_MATCH_TYPE not in self.template.types
        self.mark_exact_match = (
            settings.mark_exact_match and self.makes_token_types and third_type_is_free
        )

        self._tokenize()
        self._cut_windows()
        self._find_parts()
        self._label()

    def _tokenize(self) -> None:
        """Tokenize each distinct context and question once."""
        cache = self.settings.cache
        contexts, self.context_index = distinct(e.context for e in self.examples)
        # To some tokenizers each space is a token: leading ones could push the question itself
        # out of its `max_question_length` tokens.
        questions, self.question_index = distinct(e.question.strip() for e in self.examples)
        self.contexts = Tokens.of(contexts, self.tokenizer, cache)
        self.questions = Tokens.of(questions, self.tokenizer, cache)
        self.questions_cut = self.questions.cut(self.settings.max_question_length)

    def _cut_windows(self) -> None:
        """Set which range of its example's context each feature sees."""
        stride = self.settings.stride
        question_length = self.questions.lengths[self.question_index]  # (examples,)
        context_length = self.contexts.lengths[self.context_index]
        # Context tokens that fit beside each question.
        room = self.max_length - len(self.template) - question_length
        self._check_room(room, question_length)

        beyond_first = np.maximum(context_length - room, 0)
        self.windows = 1 + np.ceil(beyond_first / (room - stride)).astype(np.int64)

        # (examples,) -> (features,)
        example = np.repeat(np.arange(len(self.windows), dtype=np.int32), self.windows)
        number = ranges(np.zeros_like(self.windows), self.windows)
        begin = number * (room - stride)[example]
        end = np.minimum(begin + room[example], context_length[example])
        first = self.contexts.starts[self.context_index[example]]
        self.example_index = example
        self.window_begin = first + begin
        self.window_end = first + end

    def _check_room(self, room: np.ndarray, question_length: np.ndarray) -> None:
        """Raise InputError if the windows of some example would not advance."""
        stride = self.settings.stride
        if not len(room) or room.min() > stride:
            return
        raise InputError(
            f"--stride {stride} must be below the room that a window has for its context. "
            f"--max-length {self.max_length} less {len(self.template)} special tokens and "
            f"{question_length.max()} tokens of the longest question leaves {room.min()}. "
            "Use a smaller stride, a larger --max-length or a smaller --max-question-length."
        )

    def _find_parts(self) -> None:
        """Set where the parts of each feature lie within it."""
        question = self.question_index[self.example_index]
        question_length = self.questions.lengths[question]
        context_length = self.window_end - self.window_begin
        length = len(self.template) + question_length + context_length
        self.context_length = context_length.astype(np.int32)
        self.lengths = length.astype(np.int32)

        begin = np.full_like(self.lengths, len(self.template.prefix))
        if not self.template.puts_context_first:
            begin += (question_length + len(self.template.middle)).astype(np.int32)
        self.context_begin = begin

        null = self.template.null_position
        counted_from_end = null < 0
        self.null_position = np.where(counted_from_end, length + null, null).astype(np.int32)

    def _label(self) -> None:
        """Set the start and end positions, and which features have a label."""
        begin, end = self.answer_characters()
        has_answer = begin != NOT_FOUND
        is_impossible = np.array([e.is_impossible for e in self.examples], dtype=bool)
        self.has_label = (has_answer | is_impossible)[self.example_index]
        self.start_positions: np.ndarray | None = None
        self.end_positions: np.ndarray | None = None
        if not any(example.is_labeled for example in self.examples):
            return

        # (examples,) -> (features,): the answer's tokens in the flat array of all contexts.
        first, last = self.contexts.tokens_of(self.context_index, begin, end)
        first = first[self.example_index]
        last = last[self.example_index]
        in_window = (first >= self.window_begin) & (last < self.window_end)
        is_here = has_answer[self.example_index] & (first <= last) & in_window
        into_feature = self.context_begin - self.window_begin
        start = np.where(is_here, first + into_feature, self.null_position)
        last = np.where(is_here, last + into_feature, self.null_position)
        self.start_positions = start.astype(np.int32)
        self.end_positions = last.astype(np.int32)

    def answer_characters(self) -> tuple[np.ndarray, np.ndarray]:
        """The characters [begin, end) of the answer that labels each example, both (examples,).

        It is the first answer that was found in the context; NOT_FOUND where there is none.
        """
        spans = [_answer_span(example) for example in self.examples]
        begin, end = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        return begin, end

    @property
    def holds_answer(self) -> np.ndarray:
        """Which features hold the whole answer that labels their example: (features,) booleans."""
        if self.start_positions is None:
            return np.zeros(len(self), dtype=bool)
        return self.start_positions != self.null_position

    def input_lengths(self) -> np.ndarray:
        """The tokens of each example in one window, its question uncut: (examples,)."""
        question_length = self.questions.full_lengths[self.question_index]
        context_length = self.contexts.lengths[self.context_index]
        return len(self.template) + question_length + context_length

    def report(self) -> str:
        """What a user should know: questions that were cut, a damaged cache; "" if nothing."""
        lines = []
        if self.questions_cut:
            longest = self.settings.max_question_length
            cut = counted(self.questions_cut, "question cut to its", "questions cut to their")
            lines.append(f"{cut} first {longest} tokens.")
        if self.contexts.mended or self.questions.mended:
            lines.append("The feature cache was damaged and has been rebuilt.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<FeatureDataset: {counted(len(self), 'feature')} of "
            f"{counted(len(self.examples), 'question')}; windows of up to {self.max_length} "
            f"tokens, stride {self.settings.stride}; "
            f"{counted(int(self.holds_answer.sum()), 'feature')} with an answer>"
        )

    def __len__(self) -> int:
        return len(self.example_index)

    def __getitem__(self, i: int) -> dict[str, np.ndarray | int]:
        """Feature i without padding: int64 arrays (length,), and its labels as integers."""
        # Counts from the end for a negative i, and raises IndexError beyond it.
        i = range(len(self))[i]
        arrays = self.batch([i]).items()
        return {name: row[0] if row.ndim == 2 else int(row[0]) for name, row in arrays}

    def __getitems__(self, indices: Sequence[int]) -> "Selection":
        """What a DataLoader hands to its collate function: the features of one batch."""
        return Selection(self, indices)

    # Batches

    def batch(
        self,
        indices: Indices,
        pad_to_multiple_of: int = 1,
        *,
        width: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Gather features into padded arrays.

        Args:
            indices: which features, (batch,).
            pad_to_multiple_of: the length of the longest feature is rounded up to a multiple of
                this, but not beyond `max_length`.
            width: pad to this many tokens instead.

        Returns:
            int64 arrays. (batch, width): `input_ids`; `attention_mask`; `token_type_ids` if the
            tokenizer makes them; `span_mask` with `mask_question`. (batch,), if any example is
            labeled: `start_positions` and `end_positions`.

        Raises:
            InputError: if a feature is longer than `width`.
        """
        indices = np.asarray(indices, dtype=np.int64)
        width = self._width(indices, pad_to_multiple_of, width)
        # The column at which each feature begins.
        begin = self.padding_before(indices, width)

        ids, types = self._write_parts(indices, begin, width)
        is_token = is_between(np.arange(width), begin, self.lengths[indices])
        batch = {"input_ids": ids, "attention_mask": is_token.astype(np.int64)}
        if self.mask_question:
            batch["span_mask"] = self._span_mask(indices, begin, width)
        if self.mark_exact_match:
            types[self._exact_matches(indices, begin, ids)] = EXACT_MATCH_TYPE
        if self.makes_token_types:
            batch["token_type_ids"] = types
        if self.start_positions is not None and self.end_positions is not None:
            batch["start_positions"] = begin + self.start_positions[indices]
            batch["end_positions"] = begin + self.end_positions[indices]
        return batch

    def _width(self, indices: np.ndarray, multiple: int, width: int | None) -> int:
        """The columns of a batch."""
        longest = int(self.lengths[indices].max())
        if width is None:
            # Beyond max_length the model may have no positions.
            return min(int(round_up(longest, multiple)), self.max_length)
        if longest > width:
            raise InputError(
                f"a feature of {longest} tokens does not fit into batches padded to {width}. "
                f"Pad to {self.max_length}, the max_length of the dataset, or make its windows "
                "shorter."
            )
        return width

    def _write_parts(
        self, indices: np.ndarray, begin: np.ndarray, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lay the parts of each feature side by side: token ids and types, (batch, width) each."""
        shape = (len(indices), width)
        ids = np.full(shape, self.tokenizer.pad_token_id or 0, dtype=np.int64)
        types = np.full(shape, self.tokenizer.pad_token_type_id, dtype=np.int64)
        row = np.arange(len(indices))
        # The column of the next part in each row.
        column = begin
        for part, part_types in self.template.parts:
            if isinstance(part, str):
                # Question or context: a range of the flat array, of another length in each row.
                flat, starts, counts = self._text_tokens(part, indices)
                tokens = flat[ranges(starts, counts)]
                place = np.repeat(row, counts), ranges(column, counts)
                column = column + counts
            else:
                # Special tokens, the same in every row.
                tokens = part
                place = row[:, None], column[:, None] + np.arange(len(part))
                column = column + len(part)
            ids[place] = tokens
            types[place] = part_types
        return ids, types

    def _text_tokens(
        self, part: str, indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A flat array of tokens, and of it where each feature's part starts and its length."""
        if part == "context":
            counts = self.context_length[indices].astype(np.int64)
            return self.contexts.ids, self.window_begin[indices], counts
        question = self.question_index[self.example_index[indices]]
        questions = self.questions
        return questions.ids, questions.starts[question], questions.lengths[question]

    def _span_mask(self, indices: np.ndarray, begin: np.ndarray, width: int) -> np.ndarray:
        """(batch, width): 1 where an answer can start or end: the context and null position."""
        null_position = begin + self.null_position[indices]
        is_null = np.arange(width) == null_position[:, None]
        mask = self._in_context(indices, begin, width) | is_null
        return mask.astype(np.int64)

    def _exact_matches(self, indices: np.ndarray, begin: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """(batch, width) booleans: the context tokens that also occur in their row's question."""
        flat, starts, counts = self._text_tokens("question", indices)
        # A token of one row must not match the question of another: number them row by row.
        vocabulary = 1 + max(int(ids.max()), int(flat.max(initial=0)))
        row = np.arange(len(indices)) * vocabulary
        asked = np.repeat(row, counts) + flat[ranges(starts, counts)]
        is_asked = np.isin(row[:, None] + ids, asked)
        return is_asked & self._in_context(indices, begin, ids.shape[1])

    def _in_context(self, indices: np.ndarray, begin: np.ndarray, width: int) -> np.ndarray:
        """(batch, width) booleans: the tokens of the window's context."""
        first = begin + self.context_begin[indices]
        return is_between(np.arange(width), first, self.context_length[indices])

    # Geometry: where things lie in a batch padded to `width`, and in the text

    def padding_before(self, indices: Indices, width: int | None = None) -> np.ndarray:
        """The columns of padding before each feature in a batch padded to `width`: (n,) int64.

        They are 0 for a tokenizer that pads on the right, and without a width: no padding.
        """
        lengths = self.lengths[indices].astype(np.int64)
        if width is None or not self.pads_left:
            return np.zeros_like(lengths)
        return width - lengths

    def borders(
        self, indices: Indices, width: int, device: torch.device | str = "cpu"
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Where the parts of each feature lie in a batch padded to `width`.

        Returns:
            int64 tensors on the device: tokens (n, 2) and context (n, 2), the first column and
            the one after the last; null_position (n,).
        """
        begin = self.padding_before(indices, width)
        context = begin + self.context_begin[indices]
        columns = [
            begin,
            begin + self.lengths[indices],
            context,
            context + self.context_length[indices],
            begin + self.null_position[indices],
        ]
        # 5 x (n,) -> (n, 5): one copy to the device.
        together = torch.from_numpy(np.stack(columns, axis=1)).to(device)
        return together[:, 0:2], together[:, 2:4], together[:, 4]

    def characters(
        self,
        indices: np.ndarray,
        start: np.ndarray,
        end: np.ndarray,
        width: int | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The characters [begin, end) of their contexts that spans of tokens cover.

        Args:
            indices: the feature of each span, (n,).
            start: its first column, (n,).
            end: its last column, (n,).
            width: of the batch that the columns belong to; None for features without padding.

        Returns:
            begin, end: int32 arrays (n,).
        """
        offsets = self.contexts.offsets
        into_contexts = self._into_contexts(indices, width)
        return offsets[start + into_contexts, 0], offsets[end + into_contexts, 1]

    def context_tokens(
        self, indices: np.ndarray, columns: np.ndarray, width: int | None = None
    ) -> np.ndarray:
        """Which token of its example's whole context each column is.

        indices, columns: (n,), columns of the context in a batch padded to `width`. Returns (n,).
        """
        context = self.context_index[self.example_index[indices]]
        flat = columns + self._into_contexts(indices, width)
        return flat - self.contexts.starts[context]

    def context_characters(self, example: int) -> np.ndarray:
        """The characters [begin, end) of each token of an example's context: (tokens, 2) int32."""
        context = self.context_index[example]
        first = self.contexts.starts[context]
        return self.contexts.offsets[first : first + self.contexts.lengths[context]]

    def _into_contexts(self, indices: np.ndarray, width: int | None) -> np.ndarray:
        """What to add to a column of a batch to get the token's place in `contexts`: (n,)."""
        begin = self.padding_before(indices, width)
        return self.window_begin[indices] - self.context_begin[indices] - begin

    def offsets(self, i: int) -> np.ndarray:
        """The characters [begin, end) of each token of feature i: (length, 2) int32.

        They are -1 for tokens outside the context.
        """
        offsets = np.full((self.lengths[i], 2), -1, dtype=np.int32)
        begin = self.context_begin[i]
        end = begin + self.context_length[i]
        offsets[begin:end] = self.contexts.offsets[self.window_begin[i] : self.window_end[i]]
        return offsets


class Selection(Sequence):
    """Some features of a dataset, which a DataLoader asked for: the indices of one batch.

    A Collator takes the indices. Any other collate function, such as the DataLoader's own, sees
    one dict per feature: `feature_index`, and its row of `FeatureDataset.batch`. So the rows of a
    batch have one length, and can be stacked.
    """

    def __init__(self, dataset: FeatureDataset, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        # Gathered at the first use: a Collator never asks for it.
        return {"feature_index": np.asarray(self.indices), **self.dataset.batch(self.indices)}

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, row: Any) -> Any:
        return {name: values[row] for name, values in self._arrays.items()}

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return (self[row] for row in range(len(self)))


def _answer_span(example: Example) -> tuple[int, int]:
    """The characters [begin, end) of the first answer that was found in its context."""
    for answer in example.answers:
        if answer.start != NOT_FOUND:
            return answer.start, answer.start + len(answer.text)
    return NOT_FOUND, NOT_FOUND


def expect_features(value: object, name: str) -> None:
    """Raise InputError if an argument is no FeatureDataset; `name` as for `expect`."""
    expect(
        value, FeatureDataset, name, "a FeatureDataset, as in FeatureDataset(examples, tokenizer)"
    )


def _check_arguments(examples: Any, settings: object) -> None:
    """Raise InputError for examples that are not loaded, and settings that are none."""
    hint = "Examples, as load_examples returns them"
    expect(examples, Sequence, "FeatureDataset: examples", hint)
    for example in examples[:1]:
        expect(example, Example, "FeatureDataset: examples[0]", hint)
    hint = "a WindowSettings, such as WindowSettings(max_length=128)"
    expect(settings, WindowSettings, "FeatureDataset: settings", hint)
