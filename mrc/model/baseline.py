"""The baseline reader: a pretrained encoder, dropout, and a head that scores each token as start and as end."""

import copy
import inspect
from pathlib import Path

import torch
from einops import rearrange
from torch import nn
from transformers import AutoModel, BertConfig

from mrc.errors import InputError
from mrc.model.heads import HEADS
from mrc.model.pretrained import (
    attention_error,
    encoder_of,
    linear_qa_class,
    load_config,
    load_module_state,
    load_weights,
    positions,
    save_module_state,
    set_dropout,
)
from mrc.model.span_model import SpanModel


class BaselineModel(SpanModel):
    """An encoder, dropout and a head.

    encoder: a Hugging Face model whose output has `last_hidden_state`; dropout: probability before the head and in it;
    head: a name in HEADS. The attribute `takes_token_types` says whether the encoder does.
    """

    def __init__(self, encoder, *positional, dropout=0.1, head="linear"):
        if isinstance(encoder, (str, Path)):
            raise InputError(
                f"BaselineModel takes an encoder that is loaded already; to load one by name, use "
                f"BaselineModel.from_pretrained({str(encoder)!r})."
            )
        if positional:
            raise TypeError(
                "BaselineModel(encoder, dropout=0.1, head='linear'): name dropout and head."
            )
        super().__init__()
        self.encoder, self.head_name = encoder, head
        self.dropout = nn.Dropout(dropout)
        self.head = HEADS[head](encoder.config.hidden_size, dropout)
        self.takes_start_positions = head == "conditional"
        taken, config = inspect.signature(encoder.forward).parameters, encoder.config
        # With one type the embedding has no row for a second; XLNet's config states no number, and takes them.
        self.takes_token_types = (
            "token_type_ids" in taken and getattr(config, "type_vocab_size", 2) > 1
        )
        self.takes_global_attention = "global_attention_mask" in taken
        self.marks_exact_match = self.takes_token_types and getattr(
            config, "marks_exact_match", False
        )
        self.vocab_size = encoder.get_input_embeddings().num_embeddings
        self.max_length, self.pad_token_id = positions(encoder)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None, start_positions=None):
        """input_ids, attention_mask, token_type_ids: (batch, length) -> start_logits, end_logits: (batch, length).

        attention_mask: None where nothing is padding.
        The conditional head takes start_positions (batch,) in training, and returns more without them: see heads.py.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None and self.takes_token_types:
            inputs["token_type_ids"] = token_type_ids
        if self.takes_global_attention:
            inputs["global_attention_mask"] = self._question_mask(input_ids)
        states = self.dropout(self.encoder(**inputs).last_hidden_state)  # (batch, length, hidden)
        attention_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        if self.takes_start_positions:
            return self.head(states, attention_mask, start_positions if self.training else None)
        return self.head(states, attention_mask)

    def _question_mask(self, input_ids):
        """(batch, length): 1 up to the first separator, where Longformer attends globally (Beltagy et al. 2020, section 6)."""
        config = self.encoder.config
        separator = config.sep_token_id if config.sep_token_id is not None else config.eos_token_id
        return ((input_ids == separator).cumsum(dim=1) == 0).long()

    @classmethod
    def tiny(cls, vocab_size, *, dropout=0.0, attention_dropout=0.0, attention=None, head="linear"):
        """The built-in encoder from random weights: BERT of 3 layers and width 128, with a third token type for exact
        matches (see FeatureDataset), without which it would have to learn from scratch to compare words."""
        config = BertConfig(
            vocab_size=vocab_size,
            hidden_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=512,
            type_vocab_size=3,
            pad_token_id=0,
            marks_exact_match=True,
        )
        set_dropout(config, dropout, attention_dropout)
        try:
            encoder = AutoModel.from_config(
                config, add_pooling_layer=False, attn_implementation=attention
            )
        except (ImportError, ValueError) as error:
            raise attention_error(attention, error) or error from error
        with torch.no_grad():
            weight = encoder.embeddings.position_embeddings.weight
            weight.copy_(
                _sinusoids(*weight.shape) * 2 * config.initializer_range
            )  # twice the size of a word's
        return cls(encoder, dropout=dropout, head=head)

    @classmethod
    def from_pretrained(
        cls, name_or_path, *, dropout=0.1, attention_dropout=0.0, attention=None, head=None, **trust
    ):
        """Load an encoder, or a question-answering checkpoint with its head, in float32.

        name_or_path: a hub id or a folder, of an encoder, of a Hugging Face question-answering model with a linear head, or
        saved by `save_pretrained`. An encoder-decoder gives its encoder. attention: "sdpa", "eager" or "flash_attention_2"; None
        for the fastest that the encoder has without another package. head: a name in HEADS; None for the checkpoint's own, or
        linear where it has none. trust: see `load_config`. Raises InputError if it cannot be had.
        """
        return cls.of_config(
            name_or_path,
            *load_config(
                name_or_path,
                dropout=dropout,
                attention_dropout=attention_dropout,
                attention=attention,
                **trust,
            ),
            dropout=dropout,
            head=head,
        )

    @classmethod
    def of_config(cls, name_or_path, config, options, *, dropout=0.1, head=None):
        """The same, with what `load_config` gave."""
        if config.architectures == [cls.__name__]:
            model = cls(
                encoder_of(config, options["attn_implementation"]),
                dropout=dropout,
                head=getattr(config, "mrc_head", "linear"),
            )
            load_module_state(model, name_or_path)
            return (
                model
                if head in (None, model.head_name)
                else cls(model.encoder, dropout=dropout, head=head)
            )
        config.num_labels = 2
        qa_class = linear_qa_class(config)
        loaded, missing = load_weights(qa_class or AutoModel, name_or_path, config, options)
        if qa_class is None:
            return cls(
                loaded.get_encoder() if config.is_encoder_decoder else loaded,
                dropout=dropout,
                head=head or "linear",
            )
        model = cls(loaded.base_model, dropout=dropout, head=head or "linear")
        if head in (None, "linear"):
            model.head.load_state_dict(loaded.qa_outputs.state_dict())
            model.head_is_new = "qa_outputs.weight" in missing
        return model

    @property
    def transformers_class(self):
        """The Hugging Face class that loads what `save_pretrained` writes; None where there is none."""
        return linear_qa_class(self.encoder.config) if self.head_name == "linear" else None

    def add_adapters(self, rank, dropout=0.0):
        """Leave the encoder as it is and train low-rank adapters of its linear layers (Hu et al. 2022), and the head."""
        try:
            import peft
        except ImportError:
            raise InputError(
                '--lora-rank needs the library peft: pip install -e ".[lora]".'
            ) from None
        settings = peft.LoraConfig(
            r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear"
        )
        self.encoder = peft.get_peft_model(self.encoder, settings)

    def save_pretrained(self, folder):
        """Write config.json and model.safetensors to an existing folder.

        Where the encoder's family has a Hugging Face model with the same linear head, the folder is a checkpoint of that
        model, for AutoModelForQuestionAnswering. The others (T5, ModernBERT; other heads) are loaded by `from_pretrained` here.
        """
        encoder = self.encoder
        if hasattr(encoder, "merge_and_unload"):  # has adapters
            encoder = copy.deepcopy(encoder).merge_and_unload()
        config = encoder.config
        qa_class = self.transformers_class
        state = {
            f"{part}.{key}": value
            for part, module in (("encoder", encoder), ("head", self.head))
            for key, value in module.state_dict().items()
        }
        if qa_class is not None:
            names = {"encoder": qa_class.base_model_prefix, "head": "qa_outputs"}
            state = {
                ".".join([names[key.split(".")[0]], *key.split(".")[1:]]): value
                for key, value in state.items()
            }
        else:
            config.mrc_head = self.head_name
        config.architectures = self.encoder.config.architectures = [
            qa_class.__name__ if qa_class else type(self).__name__
        ]
        config.save_pretrained(folder)
        save_module_state(state, folder)


def _sinusoids(length, width):
    """Sines and cosines of many wavelengths (Vaswani et al. 2017), (length, width): positions that begin in this form, and
    not at random, let attention find neighbours from the first steps on."""
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return rearrange([angle.sin(), angle.cos()], "two length half -> length (half two)") * 2**0.5
