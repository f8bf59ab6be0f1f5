"""Checkpoints: folders that Hugging Face can load, with our own settings in a file beside, whole or not there at all."""

import os
import re
import shutil
from itertools import count
from pathlib import Path

from safetensors import SafetensorError

from mrc import __version__
from mrc.card import CARD, card_text
from mrc.config import InputError
from mrc.files import read_json, write_json
from mrc.model import WEIGHTS, BaselineModel
from mrc.tokenization import is_path, load_tokenizer

SETTINGS = "mrc.json"  # ours: how the model was trained and what it scored
BEST, LAST = "best", "last"  # a run's checkpoints
RUN_FILE = "log.jsonl"  # what tells a run's folder from others


def save_checkpoint(folder, model, tokenizer, settings):
    """Write model, tokenizer and settings (a dict) to `folder`: to a folder beside it, which is then renamed.

    An earlier checkpoint of that name stays whole until the new one is complete. Raises InputError if it cannot be written.
    """
    folder = Path(folder)
    aside, old = folder.with_name(f".{folder.name}.tmp"), _old(folder)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        write_json(aside / SETTINGS, {"mrc_version": __version__, **settings}, indent=2)
        (aside / CARD).write_text(card_text(model, tokenizer, settings), "utf-8", "replace")
        for path in aside.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(folder, old)
        os.rename(aside, folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
        raise InputError(f"{folder}: the checkpoint cannot be written ({error}).") from error


def _old(folder):
    """Where the earlier checkpoint of that name is for the moment between the two renames of `save_checkpoint`."""
    return folder.with_name(f".{folder.name}.old")


def find_checkpoint(path):
    """A run's folder means its best checkpoint; another folder, or a hub id, means itself.

    Raises InputError for a folder that is neither a run's nor a checkpoint's.
    """
    folder = Path(path)
    for best in (folder / BEST, _old(folder / BEST)):  # the second: a run that died between two renames
        if best.is_dir():
            return best
    if (folder / RUN_FILE).exists():
        raise InputError(f"{path}: this run has no checkpoint yet.")
    if is_path(path):
        raise InputError(f"{path}: no such folder; train.py makes one and names it at its end.")
    if folder.exists() and not (folder / "config.json").is_file():
        raise InputError(f"{path}: neither a run's folder nor a checkpoint's: it holds no config.json.")
    return folder if folder.exists() else path


def load_settings(checkpoint):
    """What `save_checkpoint` was given, or an empty dict for a checkpoint that was made elsewhere. Raises InputError."""
    path = Path(checkpoint) / SETTINGS
    return read_json(path) if path.is_file() else {}


def load_checkpoint(checkpoint):
    """-> model, tokenizer, settings. Raises InputError if the checkpoint cannot be had or has no trained head."""
    model, tokenizer = BaselineModel.from_pretrained(checkpoint), load_tokenizer(checkpoint)
    if model.head_is_new:
        architecture = (model.encoder.config.architectures or [""])[0]
        if "QuestionAnswering" in architecture:
            raise InputError(f"{checkpoint}: {architecture} has a head other than one linear layer on an encoder, which is not supported.")
        raise InputError(f"{checkpoint}: an encoder without a question-answering head; train one with train.py --model {checkpoint}.")
    return model, tokenizer, load_settings(checkpoint)


def new_run_folder(output_dir, name):
    """Make the folder of a new run: `output_dir`, or checkpoints/NAME (NAME-2, ... where taken).

    Raises InputError if `output_dir` holds a run, or anything else, already.
    """
    if output_dir is None:
        folder = _make_numbered(Path("checkpoints") / name)
    else:
        folder = Path(output_dir)
        if folder.is_dir() and any(folder.iterdir()):
            what = "a run" if (folder / RUN_FILE).exists() else "files"
            raise InputError(f"--output-dir {folder}: holds {what} already; choose another folder, or remove this one.")
        _make(folder)
    (folder / RUN_FILE).touch()
    return folder


def results_folder(output_dir, checkpoint, data):
    """Make the folder of an evaluation: `output_dir`, or a new one beside the checkpoint, named after it and the data."""
    if output_dir is None:
        checkpoint = Path(checkpoint)
        beside = checkpoint.parent if checkpoint.is_dir() else Path("checkpoints")  # nothing local lies beside a hub id
        return _make_numbered(beside / f"{checkpoint.name}-on-{data_name(data)}")
    if (Path(output_dir) / WEIGHTS).exists():
        raise InputError(f"--output-dir {output_dir}: is a checkpoint; choose another folder.")
    return _make(Path(output_dir))


def data_name(data):
    """A name for a model or for data (a file, a glob, a hub id, "-" for standard input) that can be part of a folder's."""
    stem = re.sub(r"\.(json|jsonl|ndjson|csv|tsv|parquet)$", "", Path(data).name.removesuffix(".gz"))
    return re.sub(r"[^\w.]+", "-", stem).strip("-") or "stdin"


def _make_numbered(folder):
    """Make a folder that was not there: FOLDER, or FOLDER-2, ... where taken."""
    candidates = (folder if n == 1 else folder.with_name(f"{folder.name}-{n}") for n in count(1))
    return next(candidate for candidate in candidates if _make(candidate, if_new=True))


def _make(folder, if_new=False):
    """Make a folder and return it; with `if_new`, return None if it was there, so that two runs never share one."""
    try:
        folder.mkdir(parents=True, exist_ok=not if_new)
    except FileExistsError as error:
        if if_new:
            return None
        raise InputError(f"--output-dir {folder}: is a file.") from error
    except OSError as error:
        raise InputError(f"--output-dir {folder}: cannot be made ({error.strerror}).") from error
    return folder
