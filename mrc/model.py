"""The baseline reader: a pretrained encoder, dropout, and one linear layer that scores each token as start and end."""

import inspect
from pathlib import Path

import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, BertConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING

from mrc.config import InputError
from mrc.tokenization import loading_error, quiet_loading

# What configurations call the two dropouts. Only those that a configuration has are set.
HIDDEN_DROPOUT = ("hidden_dropout_prob", "hidden_dropout", "dropout", "dropout_rate", "mlp_dropout", "embedding_dropout")
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
WEIGHTS = "model.safetensors"


class BaselineModel(nn.Module):
    """Score every token of a batch as the start and as the end of the answer.

    encoder: a Hugging Face model whose output has `last_hidden_state`; dropout: probability before the head.

    Attributes: `head_is_new` (its weights are random), `takes_token_types`, `marks_exact_match` (it was made to be given the
    exact match feature of FeatureDataset), `max_length` (longest input in tokens, None for no limit).
    """

    def __init__(self, encoder, dropout=0.1):
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, 2)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.head_is_new = True
        # With one type the embedding has no row for a second; XLNet's config states no number, and takes them.
        token_types = getattr(encoder.config, "type_vocab_size", 2)
        self.takes_token_types = "token_type_ids" in inspect.signature(encoder.forward).parameters and token_types > 1
        self.marks_exact_match = self.takes_token_types and getattr(encoder.config, "marks_exact_match", False)
        self.max_length = _max_length(encoder)

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        """input_ids, attention_mask, token_type_ids: (batch, length) -> start_logits, end_logits: (batch, length).

        attention_mask: None where nothing is padding.
        """
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None and self.takes_token_types:
            inputs["token_type_ids"] = token_type_ids
        states = self.encoder(**inputs).last_hidden_state  # (batch, length, hidden)
        start_logits, end_logits = rearrange(self.head(self.dropout(states)), "batch length two -> two batch length")
        return start_logits, end_logits

    @classmethod
    def tiny(cls, vocab_size, dropout=0.0, attention_dropout=0.0, attention=None):
        """The built-in encoder from random weights: BERT of 3 layers and width 128, with a third token type for exact
        matches (see FeatureDataset), without which it would have to learn from scratch to compare words."""
        config = BertConfig(vocab_size=vocab_size, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
                            max_position_embeddings=512, type_vocab_size=3, pad_token_id=0, marks_exact_match=True)
        _set_dropout(config, dropout, attention_dropout)
        try:
            encoder = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation=attention)
        except (ImportError, ValueError) as error:
            raise InputError(f"--attn-implementation {attention}: {' '.join(str(error).split())}") from error
        with torch.no_grad():
            positions = encoder.embeddings.position_embeddings.weight
            positions.copy_(_sinusoids(*positions.shape) * 2 * config.initializer_range)  # twice the size of a word's
        return cls(encoder, dropout)

    @classmethod
    def from_pretrained(cls, name_or_path, dropout=0.1, attention_dropout=0.0, attention=None):
        """Load an encoder, or a question-answering checkpoint with its head, in float32.

        name_or_path: a hub id or a folder, of an encoder, of a Hugging Face question-answering model, or saved by
        `save_pretrained`. An encoder-decoder gives its encoder. attention: "sdpa", "eager" or "flash_attention_2"; None for
        the fastest that the encoder has without another package. Raises InputError if it cannot be had.
        """
        try:
            with quiet_loading():
                config = AutoConfig.from_pretrained(name_or_path)
                _set_dropout(config, dropout, attention_dropout)
                if config.architectures == [cls.__name__]:
                    return cls._load_own(Path(name_or_path), config, dropout, attention)
                config.num_labels = 2
                qa_class = _linear_qa_class(config)
                load = (qa_class or AutoModel).from_pretrained
                loaded, info = load(name_or_path, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True,
                                    attn_implementation=attention)
        except InputError:
            raise
        except Exception as error:  # the hub client, transformers and safetensors each raise their own kinds
            raise loading_error(name_or_path, "model", error) from error

        missing = sorted(key for key in info["missing_keys"] if not key.startswith("qa_outputs.") and "pooler" not in key)
        if missing:
            raise InputError(f"{name_or_path}: its weights lack {len(missing)} tensors of a {type(loaded).__name__}, first '{missing[0]}'; "
                             "the folder's config.json and weights do not belong together.")
        if qa_class is None:
            return cls(loaded.get_encoder() if config.is_encoder_decoder else loaded, dropout)
        model = cls(loaded.base_model, dropout)
        model.head.load_state_dict(loaded.qa_outputs.state_dict())
        model.head_is_new = "qa_outputs.weight" in info["missing_keys"]
        return model

    @classmethod
    def _load_own(cls, folder, config, dropout, attention):
        encoder = AutoModel.from_config(config, attn_implementation=attention)
        model = cls(encoder.get_encoder() if config.is_encoder_decoder else encoder, dropout)
        model.load_state_dict(load_file(folder / WEIGHTS))
        model.head_is_new = False
        return model

    def recompute_activations(self):
        """Keep only each layer's input for the backward pass, and compute the rest anew. Raises InputError if the encoder cannot."""
        if not getattr(self.encoder, "supports_gradient_checkpointing", False):
            raise InputError(f"--gradient-checkpointing: {type(self.encoder).__name__} does not support it.")
        enable = getattr(self.encoder, "activation_checkpointing_enable", self.encoder.gradient_checkpointing_enable)  # its new name
        enable({"use_reentrant": False})
        self.encoder.config.use_cache = False  # which would be warned of at the first step

    def save_pretrained(self, folder):
        """Write config.json and model.safetensors to an existing folder.

        Where the encoder's family has a Hugging Face model with the same linear head, the folder is a checkpoint of that
        model, for AutoModelForQuestionAnswering. The others (T5, ModernBERT) can be loaded by `from_pretrained` here.
        """
        config, qa_class = self.encoder.config, _linear_qa_class(self.encoder.config)
        state = self.state_dict()
        if qa_class is not None:
            names = {"encoder": qa_class.base_model_prefix, "head": "qa_outputs"}
            state = {".".join([names[key.split(".")[0]], *key.split(".")[1:]]): value for key, value in state.items()}
        config.architectures = [qa_class.__name__ if qa_class else type(self).__name__]
        config.save_pretrained(folder)
        # Tensors that share memory (tied embeddings) are cloned: safetensors holds each by itself.
        state = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}
        save_file(state, Path(folder) / WEIGHTS, metadata={"format": "pt"})

    def check_fits(self, tokenizer, max_length):
        """Raise InputError if the encoder has too few positions for the windows or too few rows for the vocabulary."""
        if self.max_length is not None and max_length > self.max_length:
            raise InputError(f"--max-length {max_length} is above the {self.max_length} positions that the model has; "
                             f"use --max-length {self.max_length} or less.")
        rows = self.encoder.get_input_embeddings().num_embeddings
        if len(tokenizer) > rows:
            raise InputError(f"the tokenizer has {len(tokenizer)} tokens and the model {rows} embeddings: they do not belong together.")


def _linear_qa_class(config):
    """The Hugging Face class that is this encoder plus a linear `qa_outputs` and nothing else; None where there is none."""
    qa_class = MODEL_FOR_QUESTION_ANSWERING_MAPPING.get(type(config), None)
    if qa_class is None or config.is_encoder_decoder:
        return None
    with torch.device("meta"):  # builds the modules without their memory
        children = dict(qa_class(config).named_children())
    others = set(children) - {"dropout", "qa_dropout"}
    return qa_class if others == {qa_class.base_model_prefix, "qa_outputs"} and isinstance(children["qa_outputs"], nn.Linear) else None


def _set_dropout(config, hidden, attention):
    for names, probability in ((HIDDEN_DROPOUT, hidden), (ATTENTION_DROPOUT, attention)):
        for name in names:
            if hasattr(config, name):
                setattr(config, name, probability)


def _sinusoids(length, width):
    """Sines and cosines of many wavelengths (Vaswani et al. 2017), (length, width): positions that begin in this form, and
    not at random, let attention find neighbours from the first steps on."""
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return rearrange([angle.sin(), angle.cos()], "two length half -> length (half two)") * 2**0.5


def _max_length(encoder):
    """The longest input that the encoder's positions allow, in tokens; None for no limit."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            # RoBERTa and its kin count positions from padding_idx + 1 on.
            return module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
    positions = getattr(encoder.config, "max_position_embeddings", None)
    return positions if positions and positions > 0 else None  # XLNet says -1
