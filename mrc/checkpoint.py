"""Checkpoints: folders that Hugging Face can load, with our own settings in a file beside, whole or not there at all."""

import os
import re
import shutil
from pathlib import Path

from mrc import __version__
from mrc.config import InputError
from mrc.examples import read_json, write_json
from mrc.model import BaselineModel
from mrc.tokenization import load_tokenizer

SETTINGS = "mrc.json"  # ours: how the model was trained and what it scored
BEST, LAST = "best", "last"  # a run's checkpoints
RUN_FILE = "log.jsonl"  # what tells a run's folder from others


def save_checkpoint(folder, model, tokenizer, settings):
    """Write model, tokenizer and settings (a dict) to `folder`: to a folder beside it, which is then renamed."""
    folder = Path(folder)
    aside, old = folder.with_name(f".{folder.name}.tmp"), folder.with_name(f".{folder.name}.old")
    try:
        for leftover in (aside, old):
            shutil.rmtree(leftover, ignore_errors=True)
        aside.mkdir(parents=True)
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        write_json(aside / SETTINGS, {"mrc_version": __version__, **settings}, indent=2)
        if folder.exists():
            os.rename(folder, old)
        os.rename(aside, folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise InputError(f"{folder}: the checkpoint cannot be written ({error}).") from error


def find_checkpoint(path):
    """A run's folder means its best checkpoint; another folder, or a hub id, means itself. Raises InputError."""
    folder = Path(path)
    if (folder / BEST).is_dir():
        return folder / BEST
    if (folder / RUN_FILE).exists():
        raise InputError(f"{path}: this run has no checkpoint yet.")
    if folder.exists() and not (folder / "config.json").is_file():
        raise InputError(f"{path}: neither a run's folder nor a checkpoint's: it holds no config.json.")
    return folder if folder.exists() else path


def load_settings(checkpoint):
    """What `save_checkpoint` was given, or an empty dict for a checkpoint that was made elsewhere."""
    path = Path(checkpoint) / SETTINGS
    return read_json(path) if path.is_file() else {}


def load_checkpoint(checkpoint):
    """-> model, tokenizer, settings. Raises InputError if the checkpoint cannot be had or has no trained head."""
    model, tokenizer = BaselineModel.from_pretrained(checkpoint), load_tokenizer(checkpoint)
    if model.head_is_new:
        raise InputError(f"{checkpoint}: an encoder without a question-answering head; train one with train.py --model {checkpoint}.")
    return model, tokenizer, load_settings(checkpoint)


def new_run_folder(output_dir, name):
    """Make the folder of a new run: `output_dir`, or checkpoints/NAME (NAME-2, ... where taken).

    Raises InputError if `output_dir` holds a run, or anything else, already.
    """
    if output_dir is None:
        folder, number = Path("checkpoints") / name, 2
        while folder.exists():
            folder, number = Path("checkpoints") / f"{name}-{number}", number + 1
    else:
        folder = Path(output_dir)
        if folder.is_dir() and any(folder.iterdir()):
            what = "a run" if (folder / RUN_FILE).exists() else "files"
            raise InputError(f"--output-dir {folder}: holds {what} already; choose another folder, or remove this one.")
    return _make(folder)


def results_folder(output_dir, checkpoint, data):
    """Make the folder of an evaluation: `output_dir`, or one beside the checkpoint named after it and the data."""
    if output_dir is None:
        checkpoint = Path(checkpoint)
        beside = checkpoint.parent if checkpoint.is_dir() else Path("checkpoints")  # nothing local lies beside a hub id
        output_dir = beside / f"{checkpoint.name}-on-{data_name(data)}"
    return _make(Path(output_dir))


def data_name(data):
    """A name for a data file, or for a choice of the built-in corpus, that can be part of a folder's."""
    return re.sub(r"[^\w.-]+", "-", Path(data).name.removesuffix(".json"))


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output-dir {folder}: cannot be made ({error.strerror}).") from error
    return folder
