"""SpanModel: what the training loop, metrics, and checkpoints ask of a model."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from mrc.errors import InputError


class SpanModel(nn.Module):
    """A model that scores each token as the start and as the end of the answer.

    Subclasses define two methods:

    - `forward(input_ids, attention_mask=None, token_type_ids=None)`, each (batch, length), returns
      start_logits and end_logits, each (batch, length), or an object that has them as attributes.
      `attention_mask` is None where nothing is padding.
    - `save_pretrained(folder)` writes config.json and model.safetensors.

    A subclass may define a third, `loss(output, batch)`, which is used instead of `span_loss`.

    Attributes:
        head_is_new: whether the head still has random weights.
        marks_exact_match: whether the model expects the exact-match token type of FeatureDataset.
        takes_start_positions: whether `forward` takes `start_positions` in training.
        has_adapters: whether adapters are trained, which `save_pretrained` merges.
        max_length: the longest input, in tokens; None for no limit.
        vocab_size: the rows of the token embedding; None where it is not known.
        token_types: how many token types have an embedding; None if it is not known, or none has.
        pad_token_id: the padding token by which the model counts positions; None if it counts all.
    """

    head_is_new: bool = True
    marks_exact_match: bool = False
    takes_start_positions: bool = False
    has_adapters: bool = False
    max_length: int | None = None
    vocab_size: int | None = None
    token_types: int | None = None
    pad_token_id: int | None = None

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors to an existing folder."""
        raise NotImplementedError

    def check_fits(self, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
        """Raise InputError if the tokenizer or the length of the windows does not fit the model."""
        check_positions(max_length, self.max_length)
        if self.vocab_size is not None and len(tokenizer) > self.vocab_size:
            raise InputError(
                f"the tokenizer has {len(tokenizer)} tokens and the model {self.vocab_size} "
                "embeddings: they do not belong together."
            )
        if self.pad_token_id not in (None, tokenizer.pad_token_id):
            raise InputError(
                f"the tokenizer pads with token {tokenizer.pad_token_id} and the model knows "
                f"padding as token {self.pad_token_id}: they do not belong together."
            )
        self._check_token_types(tokenizer)

    def _check_token_types(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Raise InputError if the model lacks an embedding for a token type."""
        if self.token_types is None:
            return
        types = tokenizer("a", "a", return_token_type_ids=True)["token_type_ids"]
        # Exact matches have a type of their own, after those of question and context.
        needed = max([*types, 2 if self.marks_exact_match else 0]) + 1
        if needed > self.token_types:
            raise InputError(
                f"the features have {needed} token types and the model {self.token_types}: they do "
                "not belong together."
            )

    def recompute_activations(self) -> None:
        """Turn on gradient checkpointing: save memory by computing activations twice.

        Raises InputError if the encoder does not support it.
        """
        encoder: Any = getattr(self, "encoder", None)
        if not getattr(encoder, "supports_gradient_checkpointing", False):
            name = type(self if encoder is None else encoder).__name__
            raise InputError(f"--gradient-checkpointing: {name} does not support it.")
        if hasattr(encoder, "activation_checkpointing_enable"):
            # Its name in later versions of Transformers.
            encoder.activation_checkpointing_enable({"use_reentrant": False})
        else:
            encoder.gradient_checkpointing_enable({"use_reentrant": False})
        # A cache of keys and values cannot be kept; Transformers would warn at the first step.
        encoder.config.use_cache = False


def check_positions(max_length: int, positions: int | None) -> None:
    """Raise InputError if windows are longer than a model's positions; None stands for no limit."""
    if positions is not None and max_length > positions:
        raise InputError(
            f"--max-length {max_length} is above the {positions} positions that the model has; "
            f"use --max-length {positions} or less."
        )


def span_logits(output: Any) -> tuple[torch.Tensor, ...]:
    """Return the start and end logits in a model's output.

    Args:
        output: (start_logits, end_logits), which is returned as it is (and so are the three tensors
            of a conditional head), or an object with these two attributes.

    Raises:
        InputError: the output has no such logits.
    """
    if hasattr(output, "start_logits") and hasattr(output, "end_logits"):
        return output.start_logits, output.end_logits
    if isinstance(output, tuple):
        return output
    raise InputError(
        f"the model returned a {type(output).__name__}; it must return a tuple of start and end "
        "logits, or an object with start_logits and end_logits."
    )
