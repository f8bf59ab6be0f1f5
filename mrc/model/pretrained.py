"""Pretrained weights: Hugging Face configurations, encoders, and files of weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    MODEL_FOR_QUESTION_ANSWERING_MAPPING,
    AutoConfig,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.dynamic_module_utils import custom_object_save

from mrc.errors import InputError, in_short
from mrc.model.tokenizer import loading_error, quiet_loading

WEIGHTS = "model.safetensors"

# More than any encoder has.
MOST_LAYERS = 1000

# The implementations of attention that a folder may ask for.
ATTENTION = ("eager", "sdpa", "flash_attention_2")

# Some configurations state a huge number of positions where there is no limit.
MOST_POSITIONS = 10**6

# Dropouts of unused heads, of whole layers, and inside feed-forward layers.
OTHER_DROPOUTS = ("classif", "summary", "pooler", "qa_", "layerdrop", "activation")


def load_config(
    name_or_path: str | Path,
    *,
    dropout: float,
    attention_dropout: float,
    attention: str | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> tuple[PretrainedConfig, dict[str, Any]]:
    """Load a Hugging Face configuration and set its dropouts.

    The arguments are those of `BaselineModel.from_pretrained`.

    Returns:
        The configuration, and the options to load the weights with: see `load_weights`.

    Raises:
        InputError: there is no configuration that can be loaded.
    """
    try:
        with quiet_loading():
            config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=trust_remote_code)
    except Exception as error:
        # The hub client and transformers each raise their own kinds.
        raise loading_error(name_or_path, "model", error) from error
    check_config(config)
    check_attention(config, trust_remote_code)
    set_dropout(config, dropout, attention_dropout)
    options = {
        "trust_remote_code": trust_remote_code,
        "use_safetensors": None if allow_pickle else True,
        "attn_implementation": attention,
    }
    return config, options


def check_config(config: PretrainedConfig) -> None:
    """Raise InputError if a configuration's architectures are no names, or its layers too many.

    Making them would take hours, although no file has weights for them.
    """
    architectures = config.architectures
    names = architectures if isinstance(architectures, list) else [architectures]
    if architectures is not None and not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{config.name_or_path}: its config.json gives the architectures "
            f"{in_short(architectures)}, which are no names."
        )
    layers = getattr(config, "num_hidden_layers", 0)
    if isinstance(layers, int) and layers > MOST_LAYERS:
        raise InputError(
            f"{config.name_or_path}: its config.json asks for {layers} layers; {MOST_LAYERS} are "
            "the most that are made."
        )


def check_attention(config: PretrainedConfig, trust_remote_code: bool) -> None:
    """Raise InputError if a configuration asks for an implementation of attention from elsewhere.

    Transformers takes the name of a repository for one, downloads what is there, and runs it.
    """
    parts = [getattr(config, name, None) for name in config.sub_configs]
    for part in (config, *parts):
        attention = getattr(part, "_attn_implementation", None)
        if attention not in (None, *ATTENTION) and not trust_remote_code:
            raise InputError(
                f"{config.name_or_path or 'the model'}: its config.json asks for the attention "
                f"'{in_short(attention)}', which may be code to download; give "
                "--trust-remote-code if you trust it, or remove attn_implementation there."
            )


def load_weights(
    model_class: Any,
    name_or_path: str | Path,
    config: PretrainedConfig,
    options: Mapping[str, Any],
) -> tuple[Any, set[str]]:
    """Load a model in float32.

    Args:
        model_class: a Hugging Face class, or an Auto class.
        name_or_path: a hub id or a folder.
        config: the configuration that `load_config` returned.
        options: what it returned with it.

    Returns:
        The model, and the names of the parameters that were missing from its file.

    Raises:
        InputError: the weights cannot be loaded, or more than a head and a pooler is missing.
    """
    try:
        with quiet_loading():
            model, info = model_class.from_pretrained(
                name_or_path,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
    except Exception as error:
        # The hub client, transformers, and safetensors each raise their own kinds.
        wrong_attention = attention_error(options["attn_implementation"], error)
        raise wrong_attention or loading_error(name_or_path, "model", error) from error
    missing = set(info["missing_keys"])
    needed = sorted(
        name for name in missing if not name.startswith("qa_outputs.") and "pooler" not in name
    )
    if needed:
        raise InputError(
            f"{name_or_path}: its weights lack {len(needed)} tensors of a {type(model).__name__}, "
            f"first '{needed[0]}'; the folder's config.json and weights do not belong together."
        )
    return model, missing


def attention_error(attention: str | None, error: Exception) -> InputError | None:
    """Return the InputError for an attention implementation that an encoder cannot use.

    Args:
        attention: the one that was asked for; None for the default.
        error: what loading raised. The result is None if it has another cause.
    """
    if attention is None or not isinstance(error, ImportError | ValueError):
        return None
    if "ttention" not in str(error):
        return None
    return InputError(f"--attn-implementation {attention}: {' '.join(str(error).split())}")


def encoder_of(
    config: PretrainedConfig, attention: str | None = None, trust_remote_code: bool = False
) -> PreTrainedModel:
    """Return an encoder with random weights and the parts that `load_weights` gives it.

    It has no pooler where Hugging Face has a class without one.

    Raises:
        InputError: the encoder cannot use this implementation of attention.
    """
    check_attention(config, trust_remote_code)
    if attention:
        config._attn_implementation = attention
    try:
        qa_class: Any = linear_qa_class(config)
        if qa_class is not None:
            return qa_class(config).base_model
        model = AutoModel.from_config(config, trust_remote_code=trust_remote_code)
    except (ImportError, ValueError) as error:
        raise attention_error(attention, error) or error from error
    return model.get_encoder() if config.is_encoder_decoder else model


def save_remote_code(encoder: PreTrainedModel, folder: str | Path) -> None:
    """Copy the code of an encoder that brought its own, so that the folder can be loaded.

    The encoder's configuration then names the copies, and is still to be saved.
    """
    config: Any = encoder.config
    for part, auto_class in ((config, "AutoConfig"), (encoder, "AutoModel")):
        # Where Transformers puts the code of a checkpoint.
        if type(part).__module__.startswith("transformers_modules."):
            type(part).register_for_auto_class(auto_class)
            custom_object_save(part, folder, config=config)


def load_module_state(model: Any, folder: str | Path) -> None:
    """Set a SpanModel's weights to those in a folder that was saved here.

    Raises InputError if they are not this model's.
    """
    try:
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except Exception as error:
        # safetensors and torch each raise their own kinds.
        raise InputError(
            f"{folder}: its weights are not those of the model that its config.json describes "
            f"({in_short(error)})."
        ) from error
    model.head_is_new = False


def save_module_state(state: Mapping[str, torch.Tensor], folder: str | Path) -> None:
    """Write tensors to a folder's model.safetensors."""
    # Clones, since safetensors refuses tensors that share memory, such as tied embeddings.
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    save_file(tensors, Path(folder) / WEIGHTS, metadata={"format": "pt"})


def linear_qa_class(config: PretrainedConfig) -> type[PreTrainedModel] | None:
    """Return the Hugging Face class that is this encoder plus a linear `qa_outputs`.

    It is None where there is no such class, or where it has more parts than these.
    """
    qa_class: Any = MODEL_FOR_QUESTION_ANSWERING_MAPPING.get(type(config), None)
    if qa_class is None or config.is_encoder_decoder:
        return None
    # On this device the modules take no memory.
    with torch.device("meta"):
        parts = dict(_made(qa_class, config).named_children())
    names = set(parts) - {"dropout", "qa_dropout"}
    if names != {qa_class.base_model_prefix, "qa_outputs"}:
        return None
    return qa_class if isinstance(parts["qa_outputs"], nn.Linear) else None


def _made(model_class: Any, config: PretrainedConfig) -> PreTrainedModel:
    """Make a model. Raises InputError if its configuration cannot be that of a model."""
    try:
        return model_class(config)
    except ImportError:
        # Of attention whose package is missing: see `attention_error`.
        raise
    # Sizes of 0, unknown activations and the like raise whatever they run into.
    except Exception as error:
        raise InputError(
            f"{config.name_or_path or model_class.__name__}: no model can be made from its "
            f"config.json ({type(error).__name__}: {in_short(error)})."
        ) from error


def set_dropout(config: PretrainedConfig, hidden: float, attention: float) -> None:
    """Set a configuration's dropout probabilities, whatever their names are.

    Args:
        config: changed in place; OTHER_DROPOUTS stay as they are.
        hidden: for the dropouts of hidden states and embeddings.
        attention: for those of attention weights, which have "att" in their names.
    """
    for name in dir(config):
        if "drop" not in name:
            continue
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if "att" in name:
            setattr(config, name, attention)
        elif not any(other in name for other in OTHER_DROPOUTS):
            setattr(config, name, hidden)


def vocabulary_size(encoder: PreTrainedModel) -> int:
    """Return the number of rows of an encoder's token embedding."""
    embedding: Any = encoder.get_input_embeddings()
    return embedding.num_embeddings


def longest_input(name_or_path: str | Path, trust_remote_code: bool = False) -> int | None:
    """Return the longest input, in tokens, of an encoder that is not loaded; None for no limit.

    It is None, too, where there is a tokenizer and no configuration that Transformers knows, as in
    the checkpoint of a model of one's own.
    """
    try:
        with quiet_loading():
            config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=trust_remote_code)
    except Exception:
        # The hub client and transformers each raise their own kinds.
        return None
    # On this device the weights take neither memory nor time.
    with torch.device("meta"):
        encoder = encoder_of(config, trust_remote_code=trust_remote_code)
    return position_limits(encoder)[0]


def position_limits(encoder: PreTrainedModel) -> tuple[int | None, int | None]:
    """Return an encoder's longest input, and the padding token by which it counts positions.

    The longest input is in tokens, None for no limit. RoBERTa and its kin skip padding and count
    from padding_idx + 1 on; for all others the padding token is None.
    """
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            if module.padding_idx is None:
                return module.num_embeddings, None
            return module.num_embeddings - module.padding_idx - 1, module.padding_idx
    limit = getattr(encoder.config, "max_position_embeddings", None)
    # XLNet states -1.
    has_limit = limit is not None and 0 < limit < MOST_POSITIONS
    return (limit if has_limit else None), None
