"""The baseline reader: a pretrained encoder, dropout, and a head that scores each token as start and as end."""

import copy
import inspect
from pathlib import Path

import torch
from einops import rearrange
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel, BertConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING

from mrc.config import InputError, in_short
from mrc.heads import HEADS
from mrc.tokenization import loading_error, quiet_loading

WEIGHTS = "model.safetensors"
MOST_POSITIONS = 10**6  # what some configurations say for "no limit" is above this


class SpanModel(nn.Module):
    """What the loop, `Metrics` and checkpoints ask of a model: logits of spans, and some facts about itself.

    `forward(input_ids, attention_mask=None, token_type_ids=None)`, each (batch, length), returns start_logits and end_logits,
    each (batch, length), the mask being None where nothing is padding; `save_pretrained(folder)` writes config.json and
    model.safetensors.

    head_is_new: its weights are random. marks_exact_match: it was made to be given the exact match feature of FeatureDataset.
    takes_start_positions: `forward` takes them in training. max_length: longest input in tokens, None for no limit.
    vocab_size: rows of its embedding. pad_token_id: the one that it counts positions by, None if it counts all.
    """

    head_is_new, marks_exact_match, takes_start_positions = True, False, False
    max_length = vocab_size = pad_token_id = None

    def check_fits(self, tokenizer, max_length):
        """Raise InputError if the model has too few positions for the windows, or was made for another vocabulary."""
        if self.max_length is not None and max_length > self.max_length:
            raise InputError(f"--max-length {max_length} is above the {self.max_length} positions that the model has; "
                             f"use --max-length {self.max_length} or less.")
        if self.vocab_size is not None and len(tokenizer) > self.vocab_size:
            raise InputError(f"the tokenizer has {len(tokenizer)} tokens and the model {self.vocab_size} embeddings: they do not belong "
                             "together.")
        if self.pad_token_id not in (None, tokenizer.pad_token_id):
            raise InputError(f"the tokenizer pads with token {tokenizer.pad_token_id} and the model knows padding as token "
                             f"{self.pad_token_id}: they do not belong together.")

    def recompute_activations(self):
        """Keep only each layer's input for the backward pass, and compute the rest anew. Raises InputError if the encoder cannot."""
        encoder = getattr(self, "encoder", None)
        if not getattr(encoder, "supports_gradient_checkpointing", False):
            raise InputError(f"--gradient-checkpointing: {type(self if encoder is None else encoder).__name__} does not support it.")
        enable = getattr(encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable)  # its new name
        enable({"use_reentrant": False})
        encoder.config.use_cache = False  # which would be warned of at the first step


class BaselineModel(SpanModel):
    """An encoder, dropout and a head.

    encoder: a Hugging Face model whose output has `last_hidden_state`; dropout: probability before the head and in it;
    head: a name in HEADS. The attribute `takes_token_types` says whether the encoder does.
    """

    def __init__(self, encoder, dropout=0.1, head="linear"):
        super().__init__()
        self.encoder, self.head_name = encoder, head
        self.dropout = nn.Dropout(dropout)
        self.head = HEADS[head](encoder.config.hidden_size, dropout)
        self.takes_start_positions = head == "conditional"
        taken, config = inspect.signature(encoder.forward).parameters, encoder.config
        # With one type the embedding has no row for a second; XLNet's config states no number, and takes them.
        self.takes_token_types = "token_type_ids" in taken and getattr(config, "type_vocab_size", 2) > 1
        self.takes_global_attention = "global_attention_mask" in taken
        self.marks_exact_match = self.takes_token_types and getattr(config, "marks_exact_match", False)
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
    def tiny(cls, vocab_size, dropout=0.0, attention_dropout=0.0, attention=None, head="linear"):
        """The built-in encoder from random weights: BERT of 3 layers and width 128, with a third token type for exact
        matches (see FeatureDataset), without which it would have to learn from scratch to compare words."""
        config = BertConfig(vocab_size=vocab_size, hidden_size=128, num_hidden_layers=3, num_attention_heads=4, intermediate_size=256,
                            max_position_embeddings=512, type_vocab_size=3, pad_token_id=0, marks_exact_match=True)
        _set_dropout(config, dropout, attention_dropout)
        try:
            encoder = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation=attention)
        except (ImportError, ValueError) as error:
            raise attention_error(attention, error) or error from error
        with torch.no_grad():
            weight = encoder.embeddings.position_embeddings.weight
            weight.copy_(_sinusoids(*weight.shape) * 2 * config.initializer_range)  # twice the size of a word's
        return cls(encoder, dropout, head)

    @classmethod
    def from_pretrained(cls, name_or_path, dropout=0.1, attention_dropout=0.0, attention=None, head=None, **trust):
        """Load an encoder, or a question-answering checkpoint with its head, in float32.

        name_or_path: a hub id or a folder, of an encoder, of a Hugging Face question-answering model with a linear head, or
        saved by `save_pretrained`. An encoder-decoder gives its encoder. attention: "sdpa", "eager" or "flash_attention_2"; None
        for the fastest that the encoder has without another package. head: a name in HEADS; None for the checkpoint's own, or
        linear where it has none. trust: see `load_config`. Raises InputError if it cannot be had.
        """
        return cls.of_config(name_or_path, *load_config(name_or_path, dropout, attention_dropout, attention, **trust), dropout, head)

    @classmethod
    def of_config(cls, name_or_path, config, options, dropout=0.1, head=None):
        """The same, with what `load_config` gave."""
        if config.architectures == [cls.__name__]:
            model = cls(encoder_of(config, options["attn_implementation"]), dropout, getattr(config, "mrc_head", "linear"))
            load_state(model, name_or_path)
            return model if head in (None, model.head_name) else cls(model.encoder, dropout, head)
        config.num_labels = 2
        qa_class = linear_qa_class(config)
        loaded, missing = load_weights(qa_class or AutoModel, name_or_path, config, options)
        if qa_class is None:
            return cls(loaded.get_encoder() if config.is_encoder_decoder else loaded, dropout, head or "linear")
        model = cls(loaded.base_model, dropout, head or "linear")
        if head in (None, "linear"):
            model.head.load_state_dict(loaded.qa_outputs.state_dict())
            model.head_is_new = "qa_outputs.weight" in missing
        return model

    def add_adapters(self, rank, dropout=0.0):
        """Leave the encoder as it is and train low-rank adapters of its linear layers (Hu et al. 2022), and the head."""
        try:
            import peft
        except ImportError:
            raise InputError('--lora-rank needs the library peft: pip install -e ".[lora]".') from None
        settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=dropout, target_modules="all-linear")
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
        qa_class = linear_qa_class(config) if self.head_name == "linear" else None
        state = {f"{part}.{key}": value for part, module in (("encoder", encoder), ("head", self.head))
                 for key, value in module.state_dict().items()}
        if qa_class is not None:
            names = {"encoder": qa_class.base_model_prefix, "head": "qa_outputs"}
            state = {".".join([names[key.split(".")[0]], *key.split(".")[1:]]): value for key, value in state.items()}
        else:
            config.mrc_head = self.head_name
        config.architectures = self.encoder.config.architectures = [qa_class.__name__ if qa_class else type(self).__name__]
        config.save_pretrained(folder)
        save_state(state, folder)


def load_config(name_or_path, dropout, attention_dropout, attention=None, trust_remote_code=False, allow_pickle=False):
    """A Hugging Face configuration with its dropouts set, and the options to load its weights with.

    attention: as for `BaselineModel.from_pretrained`.
    trust_remote_code: run the code that the checkpoint brings, where it brings any; allow_pickle: read weights that are not
    safetensors. Raises InputError.
    """
    try:
        with quiet_loading():
            config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=trust_remote_code)
    except Exception as error:  # the hub client, transformers and safetensors each raise their own kinds
        raise loading_error(name_or_path, "model", error) from error
    _set_dropout(config, dropout, attention_dropout)
    options = {"trust_remote_code": trust_remote_code, "use_safetensors": None if allow_pickle else True, "attn_implementation": attention}
    return config, options


def load_weights(model_class, name_or_path, config, options):
    """-> the model in float32, and the names of the tensors that its file lacked: the head's only, or InputError is raised."""
    try:
        with quiet_loading():
            loaded, info = model_class.from_pretrained(name_or_path, config=config, dtype=torch.float32, output_loading_info=True, **options)
    except Exception as error:
        raise attention_error(options["attn_implementation"], error) or loading_error(name_or_path, "model", error) from error
    missing = sorted(key for key in info["missing_keys"] if not key.startswith("qa_outputs.") and "pooler" not in key)
    if missing:
        raise InputError(f"{name_or_path}: its weights lack {len(missing)} tensors of a {type(loaded).__name__}, first '{missing[0]}'; "
                         "the folder's config.json and weights do not belong together.")
    return loaded, info["missing_keys"]


def attention_error(attention, error):
    """The InputError for an attention that the encoder has not, or whose package is missing; None for an error of another kind.

    attention: what was asked for, or None.
    """
    if attention is None or not isinstance(error, (ImportError, ValueError)) or "ttention" not in str(error):
        return None
    return InputError(f"--attn-implementation {attention}: {' '.join(str(error).split())}")


def encoder_of(config, attention=None):
    """An encoder with random weights, of the same parts as `from_pretrained` takes: no pooler where there is a class without.

    attention: as for `BaselineModel.from_pretrained`. Raises InputError if the encoder cannot have it.
    """
    if attention:
        config._attn_implementation = attention
    try:
        qa_class = linear_qa_class(config)
        encoder = qa_class(config).base_model if qa_class else AutoModel.from_config(config)
    except (ImportError, ValueError) as error:
        raise attention_error(attention, error) or error from error
    return encoder.get_encoder() if config.is_encoder_decoder else encoder


def load_state(model, folder):
    """Set a model's weights to those in a folder of our own. Raises InputError if they are not this model's."""
    try:
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except Exception as error:  # safetensors and torch each raise their own kinds
        reason = in_short(error)
        raise InputError(f"{folder}: its weights are not those of the model that its config.json describes ({reason}).") from error
    model.head_is_new = False


def save_state(state, folder):
    """Write tensors to a folder's model.safetensors; those that share memory (tied embeddings) each by itself."""
    state = {key: value.detach().cpu().clone().contiguous() for key, value in state.items()}
    save_file(state, Path(folder) / WEIGHTS, metadata={"format": "pt"})


def linear_qa_class(config):
    """The Hugging Face class that is this encoder plus a linear `qa_outputs` and nothing else; None where there is none."""
    qa_class = MODEL_FOR_QUESTION_ANSWERING_MAPPING.get(type(config), None)
    if qa_class is None or config.is_encoder_decoder:
        return None
    with torch.device("meta"):  # builds the modules without their memory
        children = dict(qa_class(config).named_children())
    others = set(children) - {"dropout", "qa_dropout"}
    return qa_class if others == {qa_class.base_model_prefix, "qa_outputs"} and isinstance(children["qa_outputs"], nn.Linear) else None


def _set_dropout(config, hidden, attention):
    """Set a configuration's dropouts under whatever names it has them: those with "att" in them are of attention weights.

    Dropouts of heads that are not used here, of whole layers, and within the feed-forward layers stay as they are.
    """
    for name in dir(config):
        value = getattr(config, name) if "drop" in name else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if "att" in name:
            setattr(config, name, attention)
        elif not any(other in name for other in ("classif", "summary", "pooler", "qa_", "layerdrop", "activation")):
            setattr(config, name, hidden)


def _sinusoids(length, width):
    """Sines and cosines of many wavelengths (Vaswani et al. 2017), (length, width): positions that begin in this form, and
    not at random, let attention find neighbours from the first steps on."""
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
    return rearrange([angle.sin(), angle.cos()], "two length half -> length (half two)") * 2**0.5


def positions(encoder):
    """-> the longest input that the encoder's positions allow, in tokens (None for no limit), and the padding token by which
    it counts them, where it does: RoBERTa and its kin count from padding_idx + 1 on, and skip padding."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - skipped, module.padding_idx
    most = getattr(encoder.config, "max_position_embeddings", None)
    return most if most and 0 < most < MOST_POSITIONS else None, None  # XLNet says -1
