"""Features: the windows through which an encoder sees its examples, kept as views on texts tokenised once.

Most questions share their context, and the windows of a context share their tokens. So each distinct context and each
distinct question is tokenised once into flat arrays, and a feature is three numbers: its example, and the range of
context tokens in its window. Input ids exist only for as long as a batch of them does.

The windows are, id for id, those of a Hugging Face fast tokenizer called with a question, a context,
`truncation="only_second"`, `stride` and `return_overflowing_tokens=True`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrc.data.examples import NOT_FOUND
from mrc.errors import InputError
from mrc.features.arrays import distinct, ranges
from mrc.features.template import Template
from mrc.features.tokens import Tokens

EXACT_MATCH_TYPE = 2  # token type of context tokens that also occur in the question


@dataclass(frozen=True, kw_only=True)
class WindowSettings:
    """How contexts are cut into windows, and what a batch says of them.

    Args:
        max_length: tokens of the longest feature, question and special tokens included.
        stride: tokens that two neighboring windows of a context share.
        max_question_length: longer questions lose their end; `FeatureDataset.questions_cut` counts them.
        mark_exact_match: give context tokens that also occur in the question a token type of their own, the
            exact match feature of DrQA (Chen et al. 2017, section 3.2). For encoders with three token types.
        mask_question: add `span_mask` to each batch: the tokens at which an answer can begin or end.
        cache: a folder that keeps the tokenized texts from one start to the next (see tokens.py), or None.
    """

    max_length: int = 384
    stride: int = 128
    max_question_length: int = 64
    mark_exact_match: bool = False
    mask_question: bool = False
    cache: str | Path | None = None

    @classmethod
    def from_config(cls, config: object, model: object = None) -> "WindowSettings":
        """Read a command's settings; `model.marks_exact_match` says whether exact matches are marked."""
        return cls(
            max_length=config.max_length,
            stride=config.stride,
            max_question_length=config.max_question_length,
            mark_exact_match=getattr(model, "marks_exact_match", False),
            mask_question=getattr(config, "mask_question", False),
            cache=getattr(config, "feature_cache", None),
        )


class FeatureDataset:
    """The features of some examples, in the examples' order and, within one, from left to right.

    tokenizer: a Hugging Face fast tokenizer; it decides the template (such as `[CLS] question [SEP] context [SEP]`).
    One that pads on the left gets the context first, as the models that do so were trained.
    settings: WindowSettings.

    Attributes, with one entry a feature: `example_index`, `lengths` (tokens), `context_begin` and `context_length` (where
    the window begins within the feature, and its tokens), `null_position` (of the CLS token), and, if any example is
    labelled, `start_positions` and `end_positions` (null_position where the window does not hold the answer). With one entry
    an example: `windows`, the number of its features.

    Raises InputError if the stride leaves a window no room to advance.
    """

    def __init__(self, examples, tokenizer, settings=WindowSettings()):  # noqa: B008 (frozen)
        self.examples, self.tokenizer, self.settings = examples, tokenizer, settings
        self.max_length, self.mask_question = settings.max_length, settings.mask_question
        self.template = Template.of(tokenizer)
        self.makes_token_types = "token_type_ids" in tokenizer.model_input_names
        self.mark_exact_match = (
            settings.mark_exact_match
            and self.makes_token_types
            and EXACT_MATCH_TYPE not in self.template.types
        )

        contexts, self.context_index = distinct([example.context for example in examples])
        questions, self.question_index = distinct([example.question for example in examples])
        self.contexts, self.questions = (
            Tokens.of(texts, tokenizer, settings.cache) for texts in (contexts, questions)
        )
        self.questions_cut = self.questions.cut(settings.max_question_length)

        self._make_windows(settings.max_length, settings.stride)
        self._label()

    def _make_windows(self, max_length, stride):
        question_length = self.questions.lengths[self.question_index]  # (examples,)
        context_length = self.contexts.lengths[self.context_index]
        room = (
            max_length - len(self.template) - question_length
        )  # context tokens that fit beside each question
        if len(room) and room.min() <= stride:
            raise InputError(
                f"--stride {stride} must be below the room that a window has for its context: --max-length {max_length} "
                f"less {len(self.template)} special tokens and {question_length.max()} of the longest question "
                f"leaves {room.min()}; use a smaller stride, a larger max-length or a smaller --max-question-length."
            )
        self.windows = 1 + np.ceil(np.maximum(context_length - room, 0) / (room - stride)).astype(
            np.int64
        )  # (examples,)

        self.example_index = np.repeat(
            np.arange(len(self.windows), dtype=np.int32), self.windows
        )  # (features,)
        nth = ranges(
            np.zeros_like(self.windows), self.windows
        )  # its place among the windows of its example
        room, step = room[self.example_index], (room - stride)[self.example_index]
        begin = nth * step
        end = np.minimum(begin + room, context_length[self.example_index])
        first = self.contexts.starts[self.context_index[self.example_index]]
        self.window_begin, self.window_end = (
            first + begin,
            first + end,
        )  # ranges of the flat context arrays

        question_length = question_length[self.example_index]
        self.context_length = (end - begin).astype(np.int32)
        self.lengths = (len(self.template) + question_length + self.context_length).astype(np.int32)
        before = (
            0 if self.template.puts_context_first else question_length + len(self.template.middle)
        )
        self.context_begin = np.broadcast_to(
            len(self.template.prefix) + before, self.lengths.shape
        ).astype(np.int32)
        null = self.template.null_position
        self.null_position = np.where(null < 0, self.lengths + null, null).astype(np.int32)

    def _label(self):
        """Set the start and end positions from the first answer of each example that its context holds."""
        self.start_positions = self.end_positions = None
        if not any(example.is_labeled for example in self.examples):
            return
        spans = (
            next(
                ((a.start, a.start + len(a.text)) for a in example.answers if a.start != NOT_FOUND),
                (NOT_FOUND, NOT_FOUND),
            )
            for example in self.examples
        )
        begin, end = np.fromiter(
            spans, dtype=(np.int64, 2), count=len(self.examples)
        ).T  # (examples,) each, in characters
        first_token, last_token = self.contexts.tokens_of(
            self.context_index, begin, end
        )  # in the flat arrays

        first_token, last_token = first_token[self.example_index], last_token[self.example_index]
        here = (begin[self.example_index] != NOT_FOUND) & (first_token <= last_token)
        here &= (first_token >= self.window_begin) & (last_token < self.window_end)
        into_feature = self.context_begin - self.window_begin
        self.start_positions = np.where(
            here, first_token + into_feature, self.null_position
        ).astype(np.int32)
        self.end_positions = np.where(here, last_token + into_feature, self.null_position).astype(
            np.int32
        )

    def report(self):
        """What a user should hear: of questions that were cut, of a damaged cache; "" where there is nothing."""
        cut = (
            f"{self.questions_cut} questions cut to their first {self.settings.max_question_length} tokens."
            if self.questions_cut
            else ""
        )
        mended = (
            "The feature cache was damaged and is made anew."
            if self.contexts.mended or self.questions.mended
            else ""
        )
        return "\n".join(filter(None, (cut, mended)))

    def __len__(self):
        return len(self.example_index)

    def __getitem__(self, i):
        """Feature i as a dict of int64 arrays (length,), and its labels as integers where there are any."""
        i = range(len(self))[i]  # counts from the end, or raises IndexError
        return {
            name: values[0] if values.ndim == 2 else int(values[0])
            for name, values in self.batch([i]).items()
        }

    def __getitems__(self, indices):
        """What a DataLoader hands to its collator: the indices themselves, for `batch` to gather in one go."""
        return indices

    def batch(self, indices, pad_to_multiple_of=1):
        """Gather features into padded int64 arrays.

        indices: (batch,). Returns input_ids, attention_mask and, where the tokenizer makes them, token_type_ids, and
        span_mask with `mask_question`, each (batch, longest length, rounded up to the multiple, but not beyond max_length);
        where labelled, start_positions and end_positions (batch,).
        """
        indices = np.asarray(indices, dtype=np.int64)
        template, lengths = self.template, self.lengths[indices]
        rounded = -(-int(lengths.max()) // pad_to_multiple_of) * pad_to_multiple_of
        width = min(rounded, self.max_length)  # beyond it the model may have no positions
        pad_left = (
            width - lengths if self.tokenizer.padding_side == "left" else np.zeros_like(lengths)
        ).astype(np.int64)

        question = self.question_index[self.example_index[indices]]
        sequences = {  # for each: the flat array it stands in, where it begins there (batch,), its length (batch,)
            "question": (
                self.questions.ids,
                self.questions.starts[question],
                self.questions.lengths[question],
            ),
            "context": (
                self.contexts.ids,
                self.window_begin[indices],
                self.context_length[indices].astype(np.int64),
            ),
        }
        ids = np.full((len(indices), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        types = np.full_like(ids, self.tokenizer.pad_token_type_id)
        every_row = np.arange(len(indices))
        column = pad_left  # where the next part goes in each row
        for part, part_types in template.parts:
            if isinstance(part, str):
                flat, starts, counts = sequences[part]
                rows, columns, tokens = (
                    np.repeat(every_row, counts),
                    ranges(column, counts),
                    flat[ranges(starts, counts)],
                )
                column = column + counts
            else:  # special tokens, the same in every row
                rows, columns, tokens = (
                    every_row[:, None],
                    column[:, None] + np.arange(len(part)),
                    part,
                )
                column = column + len(part)
            ids[rows, columns], types[rows, columns] = tokens, part_types
        column_index = np.arange(width)
        mask = (column_index >= pad_left[:, None]) & (column_index < (pad_left + lengths)[:, None])

        batch = {"input_ids": ids, "attention_mask": mask.astype(np.int64)}
        if self.mask_question:
            is_null = column_index == (self.null_position[indices] + pad_left)[:, None]
            batch["span_mask"] = (self._in_context(indices, pad_left, width) | is_null).astype(
                np.int64
            )
        if self.makes_token_types:
            if self.mark_exact_match:
                types[self._exact_matches(ids, indices, pad_left)] = EXACT_MATCH_TYPE
            batch["token_type_ids"] = types
        if self.start_positions is not None:
            batch["start_positions"] = self.start_positions[indices] + pad_left
            batch["end_positions"] = self.end_positions[indices] + pad_left
        return batch

    def _exact_matches(self, ids, indices, pad_left):
        """(batch, length) booleans: the context tokens that also occur in the question of their row."""
        question = self.question_index[self.example_index[indices]]
        counts = self.questions.lengths[question].astype(np.int64)
        rows = np.arange(len(indices))
        vocabulary = max(int(ids.max()), int(self.questions.ids.max(initial=0))) + 1
        asked = (
            np.repeat(rows, counts) * vocabulary
            + self.questions.ids[ranges(self.questions.starts[question], counts)]
        )
        return np.isin(rows[:, None] * vocabulary + ids, asked) & self._in_context(
            indices, pad_left, ids.shape[1]
        )

    def _in_context(self, indices, pad_left, width):
        """(batch, width) booleans: the tokens of the window's context."""
        first = (self.context_begin[indices] + pad_left)[:, None]
        columns = np.arange(width)
        return (columns >= first) & (columns < first + self.context_length[indices][:, None])

    def offsets(self, i):
        """(length, 2) character offsets of feature i's tokens in its context, -1 for tokens outside the context."""
        offsets = np.full((self.lengths[i], 2), -1, dtype=np.int32)
        first = self.context_begin[i]
        offsets[first : first + self.context_length[i]] = self.contexts.offsets[
            self.window_begin[i] : self.window_end[i]
        ]
        return offsets
