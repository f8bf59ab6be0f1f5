"""Pretrained weights: Hugging Face configurations, encoders and state files."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING

from mrc.errors import InputError, in_short
from mrc.model.tokenizer import loading_error, quiet_loading

WEIGHTS = "model.safetensors"


MOST_POSITIONS = 10**6  # what some configurations say for "no limit" is above this


def load_config(
    name_or_path,
    *,
    dropout,
    attention_dropout,
    attention=None,
    trust_remote_code=False,
    allow_pickle=False,
):
    """A Hugging Face configuration with its dropouts set, and the options to load its weights with.

    attention: as for `BaselineModel.from_pretrained`.
    trust_remote_code: run the code that the checkpoint brings, where it brings any; allow_pickle: read weights that are not
    safetensors. Raises InputError.
    """
    try:
        with quiet_loading():
            config = AutoConfig.from_pretrained(name_or_path, trust_remote_code=trust_remote_code)
    except (
        Exception
    ) as error:  # the hub client, transformers and safetensors each raise their own kinds
        raise loading_error(name_or_path, "model", error) from error
    set_dropout(config, dropout, attention_dropout)
    options = {
        "trust_remote_code": trust_remote_code,
        "use_safetensors": None if allow_pickle else True,
        "attn_implementation": attention,
    }
    return config, options


def load_weights(model_class, name_or_path, config, options):
    """-> the model in float32, and the names of the tensors that its file lacked: the head's only, or InputError is raised."""
    try:
        with quiet_loading():
            loaded, info = model_class.from_pretrained(
                name_or_path,
                config=config,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
    except Exception as error:
        raise attention_error(options["attn_implementation"], error) or loading_error(
            name_or_path, "model", error
        ) from error
    missing = sorted(
        key
        for key in info["missing_keys"]
        if not key.startswith("qa_outputs.") and "pooler" not in key
    )
    if missing:
        raise InputError(
            f"{name_or_path}: its weights lack {len(missing)} tensors of a {type(loaded).__name__}, first '{missing[0]}'; "
            "the folder's config.json and weights do not belong together."
        )
    return loaded, info["missing_keys"]


def attention_error(attention, error):
    """The InputError for an attention that the encoder has not, or whose package is missing; None for an error of another kind.

    attention: what was asked for, or None.
    """
    if (
        attention is None
        or not isinstance(error, (ImportError, ValueError))
        or "ttention" not in str(error)
    ):
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


def load_module_state(model, folder):
    """Set a model's weights to those in a folder of our own. Raises InputError if they are not this model's."""
    try:
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
    except Exception as error:  # safetensors and torch each raise their own kinds
        reason = in_short(error)
        raise InputError(
            f"{folder}: its weights are not those of the model that its config.json describes ({reason})."
        ) from error
    model.head_is_new = False


def save_module_state(state, folder):
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
    return (
        qa_class
        if others == {qa_class.base_model_prefix, "qa_outputs"}
        and isinstance(children["qa_outputs"], nn.Linear)
        else None
    )


def set_dropout(config, hidden, attention):
    """Set a configuration's dropouts under whatever names it has them: those with "att" in them are of attention weights.

    Dropouts of heads that are not used here, of whole layers, and within the feed-forward layers stay as they are.
    """
    for name in dir(config):
        value = getattr(config, name) if "drop" in name else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if "att" in name:
            setattr(config, name, attention)
        elif not any(
            other in name
            for other in ("classif", "summary", "pooler", "qa_", "layerdrop", "activation")
        ):
            setattr(config, name, hidden)


def positions(encoder):
    """-> the longest input that the encoder's positions allow, in tokens (None for no limit), and the padding token by which
    it counts them, where it does: RoBERTa and its kin count from padding_idx + 1 on, and skip padding."""
    for name, module in encoder.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - skipped, module.padding_idx
    most = getattr(encoder.config, "max_position_embeddings", None)
    return most if most and 0 < most < MOST_POSITIONS else None, None  # XLNet says -1
