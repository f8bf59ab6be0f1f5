"""The baseline reader: a pretrained encoder, dropout, and a head that scores every token."""

import copy
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import nn
from transformers import AutoModel, BertConfig, PretrainedConfig, PreTrainedModel

from mrc.errors import InputError, expect, import_optional
from mrc.model.heads import HEADS
from mrc.model.pretrained import (
    attention_error,
    encoder_of,
    linear_qa_class,
    load_config,
    load_module_state,
    load_weights,
    position_limits,
    save_module_state,
    save_remote_code,
    set_dropout,
    vocabulary_size,
)
from mrc.model.span_model import SpanModel

# Tokens of the longest input that the built-in encoder takes.
TINY_POSITIONS = 512


class BaselineModel(SpanModel):
    """An encoder, dropout, and a head.

    Args:
        encoder: a Hugging Face model whose output has `last_hidden_state`. To load one by name, use
            `BaselineModel.from_pretrained`.
        dropout: the probability of dropout before the head and inside it.
        head: a name in HEADS.

    Raises:
        InputError: the encoder is no model, or dropout and head are not given by keyword.
    """

    def __init__(
        self,
        encoder: PreTrainedModel,
        *unnamed: object,
        dropout: float = 0.1,
        head: str = "linear",
    ) -> None:
        _check_arguments(encoder, unnamed)
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = HEADS[head](encoder.config.hidden_size, dropout)
        self.head_name = head
        self.takes_start_positions = head == "conditional"

        # What the encoder takes is asked of its signature and configuration, never of its name.
        named = inspect.signature(encoder.forward).parameters
        # The embedding of a single type has no row for a second one. XLNet states no number, and
        # takes two.
        has_types = getattr(encoder.config, "type_vocab_size", 2) > 1
        marks_match = getattr(encoder.config, "marks_exact_match", False)
        self.takes_token_types = "token_type_ids" in named and has_types
        if self.takes_token_types:
            self.token_types = getattr(encoder.config, "type_vocab_size", None)
        self.takes_global_attention = "global_attention_mask" in named
        self.marks_exact_match = self.takes_token_types and marks_match
        self.vocab_size = vocabulary_size(encoder)
        self.max_length, self.pad_token_id = position_limits(encoder)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        start_positions: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Return start_logits and end_logits, each (batch, length).

        Args:
            input_ids: (batch, length).
            attention_mask: (batch, length), 0 for padding; None where nothing is padding.
            token_type_ids: (batch, length); not used if the encoder has no token types.
            start_positions: (batch,); used by the conditional head in training. Otherwise that head
                returns three tensors, see ConditionalHead.
        """
        if isinstance(input_ids, Mapping):
            raise InputError(
                "the model takes the tensors of a batch, and not the batch: "
                'model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"]).'
            )
        inputs = self._encoder_inputs(input_ids, attention_mask, token_type_ids)
        states = self.encoder(**inputs).last_hidden_state
        # (batch, length, hidden)
        states = self.dropout(states)

        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        if not self.takes_start_positions:
            return self.head(states, attention_mask)
        known_starts = start_positions if self.training else None
        return self.head(states, attention_mask, known_starts)

    def _encoder_inputs(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        token_type_ids: torch.Tensor | None,
    ) -> dict[str, torch.Tensor | None]:
        """Return what the encoder takes, by name."""
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if self.takes_token_types and token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        if self.takes_global_attention:
            inputs["global_attention_mask"] = self._question_mask(input_ids)
        return inputs

    def _question_mask(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return 1 for each token before the first separator, else 0: (batch, length).

        Longformer attends globally to the question (Beltagy et al. 2020, section 6).
        """
        config = self.encoder.config
        separator = config.eos_token_id if config.sep_token_id is None else config.sep_token_id
        separators_so_far = (input_ids == separator).cumsum(dim=1)
        return (separators_so_far == 0).long()

    @classmethod
    def tiny(
        cls,
        vocab_size: int,
        *,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        attention: str | None = None,
        head: str = "linear",
    ) -> "BaselineModel":
        """Return the built-in reader with random weights: a BERT of 3 layers and width 128.

        It has a third token type, which marks the context's words that occur in the question (see
        FeatureDataset). Without it, a model this small does not learn to compare words.
        """
        config = BertConfig(
            vocab_size=vocab_size,
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=TINY_POSITIONS,
            type_vocab_size=3,
            pad_token_id=0,
        )
        config.update({"marks_exact_match": True})
        set_dropout(config, dropout, attention_dropout)
        try:
            encoder = AutoModel.from_config(
                config, add_pooling_layer=False, attn_implementation=attention
            )
        except (ImportError, ValueError) as error:
            raise attention_error(attention, error) or error from error
        with torch.no_grad():
            weight = encoder.embeddings.position_embeddings.weight
            # Twice as large as the embedding of a word.
            weight.copy_(_sinusoids(*weight.shape) * 2 * config.initializer_range)
        return cls(encoder, dropout=dropout, head=head)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path,
        *,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        attention: str | None = None,
        head: str | None = None,
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
    ) -> "BaselineModel":
        """Load an encoder, or a question-answering checkpoint with its head, in float32.

        Args:
            name_or_path: a hub id or a folder: of an encoder, of an encoder-decoder (whose encoder
                is taken), of a Hugging Face question-answering model with a linear head, or one
                that `save_pretrained` wrote.
            dropout: the probability of dropout in the encoder's layers and in the head.
            attention_dropout: the probability of dropout of attention weights.
            attention: "sdpa", "eager", or "flash_attention_2"; None for the fastest that needs no
                other package.
            head: a name in HEADS; None for the checkpoint's own head, or a linear one if it has
                none.
            trust_remote_code: run the code that the checkpoint brings, if any.
            allow_pickle: read weights that are not in safetensors, which can run code.

        Raises:
            InputError: the model cannot be loaded.
        """
        config, options = load_config(
            name_or_path,
            dropout=dropout,
            attention_dropout=attention_dropout,
            attention=attention,
            trust_remote_code=trust_remote_code,
            allow_pickle=allow_pickle,
        )
        return cls.of_config(name_or_path, config, options, dropout=dropout, head=head)

    @classmethod
    def of_config(
        cls,
        name_or_path: str | Path,
        config: PretrainedConfig,
        options: dict[str, Any],
        *,
        dropout: float = 0.1,
        head: str | None = None,
    ) -> "BaselineModel":
        """Do the same with the configuration and the options that `load_config` returned."""
        if config.architectures == [cls.__name__]:
            encoder = encoder_of(
                config, options["attn_implementation"], options["trust_remote_code"]
            )
            saved_head = getattr(config, "mrc_head", "linear")
            model = cls(encoder, dropout=dropout, head=saved_head)
            load_module_state(model, name_or_path)
            if head in (None, saved_head):
                return model
            return cls(encoder, dropout=dropout, head=head)

        config.num_labels = 2
        qa_class = linear_qa_class(config)
        loaded, missing = load_weights(qa_class or AutoModel, name_or_path, config, options)
        if qa_class is None:
            encoder = loaded.get_encoder() if config.is_encoder_decoder else loaded
            return cls(encoder, dropout=dropout, head=head or "linear")
        model = cls(loaded.base_model, dropout=dropout, head=head or "linear")
        if model.head_name == "linear":
            model.head.load_state_dict(loaded.qa_outputs.state_dict())
            model.head_is_new = "qa_outputs.weight" in missing
        return model

    @property
    def transformers_class(self) -> type[PreTrainedModel] | None:
        """The Hugging Face class that loads what `save_pretrained` writes, if there is one."""
        return linear_qa_class(self.encoder.config) if self.head_name == "linear" else None

    def add_adapters(self, rank: int, dropout: float = 0.0) -> None:
        """Train low-rank adapters of the encoder's linear layers in place of the encoder.

        LoRA (Hu et al. 2022); the head is trained as before. Raises InputError without peft.
        """
        peft = import_optional("peft", extra="lora", purpose="--lora-rank")
        settings = peft.LoraConfig(
            r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear"
        )
        self.encoder = peft.get_peft_model(self.encoder, settings)
        self.has_adapters = True

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors to an existing folder.

        If Hugging Face has this encoder with the same linear head, AutoModelForQuestionAnswering
        loads the folder. Other models (T5, ModernBERT, other heads) are loaded by `from_pretrained`
        here.
        """
        encoder: Any = self.encoder
        if hasattr(encoder, "merge_and_unload"):
            # It has adapters, which training still needs: merge those of a copy.
            encoder = copy.deepcopy(encoder).merge_and_unload()
        config = encoder.config
        qa_class = self.transformers_class
        if qa_class is None:
            architecture = type(self).__name__
            encoder_name, head_name = "encoder", "head"
            config.mrc_head = self.head_name
        else:
            architecture = qa_class.__name__
            encoder_name, head_name = qa_class.base_model_prefix, "qa_outputs"
        state = _prefixed(encoder_name, encoder) | _prefixed(head_name, self.head)
        config.architectures = [architecture]
        self.encoder.config.architectures = [architecture]
        save_remote_code(encoder, folder)
        config.save_pretrained(folder)
        save_module_state(state, folder)


def _check_arguments(encoder: object, unnamed: tuple[object, ...]) -> None:
    """Raise InputError for what people try who know other libraries."""
    if isinstance(encoder, str | Path):
        raise InputError(
            "BaselineModel takes an encoder, not the name of one; to load one by name, use "
            f"BaselineModel.from_pretrained({str(encoder)!r})."
        )
    expect(encoder, nn.Module, "BaselineModel: encoder", "a Hugging Face model")
    if unnamed:
        raise InputError(
            "BaselineModel takes dropout and head by keyword, as in "
            "BaselineModel(encoder, dropout=0.1)."
        )


def _prefixed(prefix: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's state with a prefix before each name."""
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def _sinusoids(length: int, width: int) -> torch.Tensor:
    """Return sines and cosines of many wavelengths (Vaswani et al. 2017): (length, width).

    From positions of this form, unlike random ones, attention finds neighbors from the first steps.
    """
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    waves = rearrange([angle.sin(), angle.cos()], "two length half -> length (half two)")
    # The square root of two gives each wave a variance of one.
    return waves * 2**0.5
