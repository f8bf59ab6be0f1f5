"""From a checkpoint to its model, its tokenizer and the settings that it was trained with."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import huggingface_hub

from mrc.checkpoint.store import (
    BEST,
    LAST,
    OWN_FILES,
    RUN_FILE,
    SETTINGS,
    load_settings,
    old_name,
    verify,
)
from mrc.config.train import DataSettings, TrainConfig
from mrc.errors import InputError, in_short
from mrc.features.template import Template
from mrc.model.loading import load_model
from mrc.model.span_model import SpanModel
from mrc.model.tokenizer import is_path, load_tokenizer, quiet_loading

# The settings of a run that its reader is used with. The others, which may have been those of a
# model or a loop of one's own, are not checked again.
SETTINGS_OF_A_READER = {
    *(field.name for field in dataclasses.fields(DataSettings)),
    "max_length",
    "stride",
    "max_question_length",
    "mask_question",
    "precision",
    "seed",
    "scorer",
    "search",
    "eval_batch_size",
    "n_best",
    "max_answer_length",
}


def load_checkpoint(
    checkpoint: str | Path,
    *,
    model_class: Any = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> tuple[SpanModel, Any, dict[str, Any]]:
    """Load a trained reader: its model, in evaluation mode, its tokenizer and its settings.

    Args:
        checkpoint: a run's folder (its best checkpoint), a checkpoint's folder, or a hub id.
        model_class: for a checkpoint of a model of your own: the class, an instance of it, or
            its name, "package.module:Class".
        trust_remote_code: run the code in the model's repository.
        allow_pickle: load weights that are not safetensors.

    Raises:
        InputError: there is no such checkpoint, it is damaged, or it has no trained head.
    """
    checkpoint = fetch(find_checkpoint(checkpoint))
    verify(checkpoint)
    model = load_model(
        checkpoint,
        model_class=model_class,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    tokenizer = load_tokenizer(checkpoint, trust_remote_code)
    if model.head_is_new:
        raise InputError(
            f"{checkpoint}: an encoder without a question-answering head; train one with "
            f"train.py --model {checkpoint}."
        )
    return model.eval(), tokenizer, load_settings(checkpoint)


def find_checkpoint(path: str | Path) -> Path | str:
    """Return the checkpoint that a path means: of a run's folder the best, else itself.

    A hub id is returned as it is. Raises InputError for a folder that is neither a run's nor a
    checkpoint's.
    """
    folder = Path(path)
    # A run that died while its best was being replaced has it under the second name.
    for best in (folder / BEST, old_name(folder / BEST)):
        if best.is_dir():
            return best
    if (folder / RUN_FILE).exists():
        last = folder / LAST
        hint = f"; the last one is {last}" if last.is_dir() else ""
        raise InputError(f"{path}: this run has no best checkpoint yet{hint}.")
    if is_path(path):
        raise InputError(f"{path}: no such folder; train.py makes one and names it at its end.")
    if not folder.exists():
        return str(path)
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{path}: neither a run's folder nor a checkpoint's: it holds no config.json."
        )
    return folder


def fetch(checkpoint: str | Path) -> str | Path:
    """Download a reader that was made here and pushed to the hub; return its local folder.

    Anything else is returned as it is.
    """
    if Path(checkpoint).exists():
        return checkpoint
    try:
        with quiet_loading():
            huggingface_hub.hf_hub_download(str(checkpoint), SETTINGS)
            folder = huggingface_hub.snapshot_download(
                str(checkpoint), allow_patterns=list(OWN_FILES)
            )
    # Not made here, or not on the hub: whoever loads it says which.
    except Exception:
        return checkpoint
    return Path(folder)


def as_trained(settings: dict[str, Any], model: SpanModel, tokenizer: Any) -> TrainConfig:
    """Return the config of the run that a checkpoint is of.

    For a checkpoint made elsewhere: the defaults, with windows that its positions allow.

    Args:
        settings: as `load_settings` returns them.
        model: the checkpoint's.
        tokenizer: the checkpoint's.
    """
    defaults = TrainConfig(model="pretrained")
    positions = model.max_length or sys.maxsize
    max_length = min(defaults.max_length, positions, tokenizer.model_max_length)
    special_tokens = len(Template.of(tokenizer))
    max_question_length = defaults.max_question_length
    if special_tokens + max_question_length >= max_length:
        max_question_length = max(1, max_length // 4)
    room_for_context = max_length - special_tokens - max_question_length
    stride = max(0, min(defaults.stride, max_length // 2, room_for_context // 2))
    config = settings.get("config") or {}
    if not isinstance(config, dict):
        raise InputError(f"mrc.json: its config is {in_short(config)}, and no JSON object.")
    saved = {name: value for name, value in config.items() if name in SETTINGS_OF_A_READER}
    return TrainConfig.from_dict(
        {
            **defaults.to_dict(),
            "max_length": max_length,
            "max_question_length": max_question_length,
            "stride": stride,
            **saved,
        }
    )
