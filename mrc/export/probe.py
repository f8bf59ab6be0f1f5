"""Made-up inputs of many shapes, on which an exported reader must agree with PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mrc.features.batching import INPUTS
from mrc.features.dataset import EXACT_MATCH_TYPE
from mrc.features.template import Template

# (batch, length) of the inputs that are compared; the longest window is added.
SHAPES = ((1, 16), (1, 24), (2, 37), (3, 64), (5, 31), (16, 24))
# Share of the context's tokens that are marked as occurring in the question.
MARKED_SHARE = 0.3

Reader = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def largest_difference(model: Any, reader: Reader, tokenizer: Any, longest: int) -> float:
    """Compare the logits of two readers on inputs of many shapes, leaving out padding.

    Args:
        model: the original, in evaluation mode.
        reader: what was made of it.
        tokenizer: the model's.
        longest: tokens of the longest input.

    Returns:
        The largest absolute difference, or NaN if a logit is NaN.
    """
    differences = []
    for batch, length in check_shapes(longest):
        inputs = probe(model, tokenizer, batch, length)
        is_token = inputs["attention_mask"] == 1
        with torch.inference_mode():
            for expected, found in zip(model(**inputs), reader(**inputs), strict=True):
                differences.append((expected - found)[is_token].abs().max())
    return torch.stack(differences).max().item()


def check_shapes(longest: int) -> list[list[int]]:
    """The [batch, length] that are compared, none longer than `longest` tokens."""
    return [[batch, min(length, longest)] for batch, length in (*SHAPES, (2, longest))]


def probe(model: Any, tokenizer: Any, batch: int, length: int) -> dict[str, torch.Tensor]:
    """Random tokens in the tokenizer's template.

    The first row has full length, later ones are shorter and padded.

    Returns:
        The inputs that the model takes and the tokenizer makes, each (batch, length) int64.
    """
    rng = np.random.default_rng((batch, length))
    template = Template.of(tokenizer)
    vocabulary = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
    marks = getattr(model, "marks_exact_match", False)

    ids = np.full((batch, length), tokenizer.pad_token_id or 0)
    types = np.full_like(ids, tokenizer.pad_token_type_id)
    mask = np.zeros_like(ids)
    for row in range(batch):
        tokens_in_row = length - row * length // (2 * batch)
        words = max(2, tokens_in_row - len(template))
        row_ids, row_types = _random_row(template, vocabulary, words, rng, marks)
        if tokenizer.padding_side == "left":
            place = slice(length - len(row_ids), None)
        else:
            place = slice(len(row_ids))
        ids[row, place] = row_ids
        types[row, place] = row_types
        mask[row, place] = 1

    inputs = {
        name: torch.from_numpy(array)
        for name, array in zip(INPUTS, (ids, mask, types), strict=True)
    }
    tokenizer_makes_types = "token_type_ids" in tokenizer.model_input_names
    if not (getattr(model, "takes_token_types", True) and tokenizer_makes_types):
        del inputs["token_type_ids"]
    return inputs


def _random_row(
    template: Template,
    vocabulary: np.ndarray,
    words: int,
    rng: np.random.Generator,
    marks_exact_match: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and types of a random question and context, of `words` tokens in all."""
    question_length = max(1, words // 4)
    drawn = {
        "question": rng.choice(vocabulary, question_length),
        "context": rng.choice(vocabulary, words - question_length),
    }
    ids, types, is_context = [], [], []
    for part, part_types in template.parts:
        # A part is the name of a text, or the ids of special tokens.
        part_ids = drawn[part] if isinstance(part, str) else part
        ids.append(part_ids)
        types.append(np.broadcast_to(part_types, part_ids.shape))
        is_context.append(np.full(part_ids.shape, isinstance(part, str) and part == "context"))
    row_ids, row_types = np.concatenate(ids), np.concatenate(types)
    if marks_exact_match:
        is_marked = np.concatenate(is_context) & (rng.random(len(row_ids)) < MARKED_SHARE)
        row_types = np.where(is_marked, EXACT_MATCH_TYPE, row_types)
    return row_ids, row_types
