"""Hugging Face question-answering models, used as they are, with their own heads."""

import inspect
from pathlib import Path

import torch
from transformers import PreTrainedModel

from mrc.model.pretrained import position_limits, vocabulary_size
from mrc.model.span_model import SpanModel, span_logits


class QuestionAnsweringModel(SpanModel):
    """A Hugging Face question-answering model as it is (ModernBERT, BigBird, BART, T5).

    Args:
        model: what AutoModelForQuestionAnswering loads; its output has start_logits and end_logits,
            each (batch, length).
    """

    head_is_new = False

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        named = set(inspect.signature(model.forward).parameters)
        self.inputs = {"input_ids", "attention_mask", "token_type_ids"} & named
        if getattr(model.config, "type_vocab_size", 2) < 2:
            # The embedding has no row for a second type.
            self.inputs.discard("token_type_ids")
        self.takes_token_types = "token_type_ids" in self.inputs
        self.max_length, self.pad_token_id = position_limits(model)
        self.vocab_size = vocabulary_size(model)

    @property
    def transformers_class(self) -> type[PreTrainedModel]:
        """The Hugging Face class that loads what `save_pretrained` writes."""
        return type(self.model)

    @property
    def encoder(self) -> PreTrainedModel:
        """The whole model, for code that looks for an encoder's layers and configuration."""
        return self.model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Return start_logits and end_logits; everything is (batch, length)."""
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        given = {
            name: value
            for name, value in inputs.items()
            if name in self.inputs and value is not None
        }
        return span_logits(self.model(**given))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the folder as Hugging Face does."""
        self.model.config.architectures = [type(self.model).__name__]
        self.model.save_pretrained(folder)
