"""From a checkpoint to its model, its tokenizer and the settings that it was trained with."""

import sys
from pathlib import Path

import huggingface_hub

from mrc.checkpoint.store import (
    BEST,
    LAST,
    OWN_FILES,
    RUN_FILE,
    SETTINGS,
    displaced,
    load_settings,
    verify,
)
from mrc.config.train import TrainConfig
from mrc.errors import InputError
from mrc.features.template import Template
from mrc.model.loading import load_model
from mrc.model.tokenizer import is_path, load_tokenizer


def find_checkpoint(path):
    """A run's folder means its best checkpoint; another folder, or a hub id, means itself.

    Raises InputError for a folder that is neither a run's nor a checkpoint's.
    """
    folder = Path(path)
    for best in (
        folder / BEST,
        displaced(folder / BEST),
    ):  # the second: a run that died between two renames
        if best.is_dir():
            return best
    if (folder / RUN_FILE).exists():
        saved = f"; what was saved last is {folder / LAST}" if (folder / LAST).is_dir() else ""
        raise InputError(f"{path}: this run has no best checkpoint yet{saved}.")
    if is_path(path):
        raise InputError(f"{path}: no such folder; train.py makes one and names it at its end.")
    if folder.exists() and not (folder / "config.json").is_file():
        raise InputError(
            f"{path}: neither a run's folder nor a checkpoint's: it holds no config.json."
        )
    return folder if folder.exists() else path


def as_trained(settings, model, tokenizer):
    """The config of the run that a checkpoint's settings are of, as a dict. For one that was made elsewhere: the defaults for a
    pretrained model, with windows that its positions allow."""
    config = TrainConfig(model="pretrained").to_dict()
    length = min(config["max_length"], model.max_length or sys.maxsize, tokenizer.model_max_length)
    question, specials = config["max_question_length"], len(Template.of(tokenizer))
    if specials + question >= length:
        question = max(1, length // 4)
    stride = max(0, min(config["stride"], length // 2, (length - specials - question) // 2))
    return {
        **config,
        "max_length": length,
        "max_question_length": question,
        "stride": stride,
        **(settings.get("config") or {}),
    }


def load_checkpoint(checkpoint, model_class=None, trust_remote_code=False, allow_pickle=False):
    """-> model, tokenizer, settings. Raises InputError if the checkpoint cannot be had, is damaged or has no trained head.

    model_class: "package.module:Class", for a checkpoint of one's own class; trust_remote_code, allow_pickle: see `load_config`.
    """
    checkpoint = _fetched(checkpoint)
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
            f"{checkpoint}: an encoder without a question-answering head; train one with train.py --model {checkpoint}."
        )
    return model, tokenizer, load_settings(checkpoint)


def _fetched(checkpoint):
    """A hub id of a reader that was made here as a local folder, with all that belongs to it; anything else as it is."""
    if Path(checkpoint).exists():
        return checkpoint
    try:
        huggingface_hub.hf_hub_download(str(checkpoint), SETTINGS)
        return Path(
            huggingface_hub.snapshot_download(str(checkpoint), allow_patterns=list(OWN_FILES))
        )
    except Exception:  # not made here, or not to be had: what loads it says which
        return checkpoint


AS_TRAINED = {  # settings that default to the training run's: name here -> name there
    "max_length": "max_length",
    "stride": "stride",
    "max_question_length": "max_question_length",
    "precision": "precision",
    "scorer": "scorer",
    "batch_size": "eval_batch_size",
    "search": "search",
    "n_best": "n_best",
    "max_answer_length": "max_answer_length",
}


def fill_in(config, settings, model, tokenizer):
    """Set what the command line left open to what the run was trained with, or to the defaults for any model; return these."""
    if config.data is None:
        if not settings.get("config"):
            raise InputError(
                f"--data is needed: {config.checkpoint} does not say what it was validated on."
            )
        config.max_eval_examples = (
            config.max_eval_examples or settings["config"]["max_eval_examples"]
        )
    if config.null_threshold is None:
        config.null_threshold = settings.get("null_threshold", 0.0)
    trained = as_trained(settings, model, tokenizer)
    for name, name_there in AS_TRAINED.items():
        if getattr(config, name) is None:
            setattr(config, name, trained[name_there])
    return trained
