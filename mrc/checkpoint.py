"""Checkpoints: folders that Hugging Face can load, with our own settings in a file beside, whole or not there at all."""

import os
import re
import shutil
import sys
from itertools import count
from pathlib import Path

import huggingface_hub
import torch
from safetensors import SafetensorError

from mrc import __version__
from mrc.card import CARD, card_text
from mrc.config import InputError, TrainConfig
from mrc.features import Template
from mrc.files import read_json, sha256, write_json
from mrc.guests import load_model
from mrc.model import WEIGHTS
from mrc.tokenization import is_path, load_tokenizer

SETTINGS = "mrc.json"  # ours: how the model was trained and what it scored
STATE = "training_state.pt"  # what a run needs to go on
MANIFEST = "manifest.json"  # the size and the SHA-256 of each file
# What a checkpoint is made of: whatever else lies in its folder (optimiser states, logs, answers) is not pushed and not fetched.
WEIGHT_FILES = (WEIGHTS, "model-*-of-*.safetensors", "model.safetensors.index.json")
OWN_FILES = (*WEIGHT_FILES, "config.json", SETTINGS, CARD, "tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
             "vocab.txt", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
BEST, LAST = "best", "last"  # a run's checkpoints
RUN_FILE = "log.jsonl"  # what tells a run's folder from others


def save_checkpoint(folder, model, tokenizer, settings, state=None, keep=0):
    """Write model, tokenizer and settings (a dict) to `folder`: to a folder beside it, which is then renamed.

    state: what a run needs to go on from here, a dict that `load_state` can read, or None. keep: how many of the earlier
    checkpoints of that name stay, as step-N. Only they make room, and only once the new one is complete and on the disk.
    Raises InputError if it cannot be written.
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
        if state is not None:
            _save_state(aside / STATE, state)
        manifest = {path.relative_to(aside).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
                    for path in sorted(aside.rglob("*")) if path.is_file()}
        write_json(aside / MANIFEST, {"files": manifest}, indent=2)
        for path in (*aside.rglob("*"), aside):
            _sync(path)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(folder, old)
        os.rename(aside, folder)
        _sync(folder.parent)
        _keep_earlier(folder.parent, old, settings.get("step", 0), keep)
    except (OSError, SafetensorError, RuntimeError) as error:  # the last is what torch.save raises on a full disk
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
        raise InputError(f"{folder}: the checkpoint cannot be written ({error}).") from error


def _old(folder):
    """Where the earlier checkpoint of that name is for the moment between the two renames of `save_checkpoint`."""
    return folder.with_name(f".{folder.name}.old")


def _keep_earlier(run, old, step, keep):
    """Make a step-N of the checkpoint `old`, if there is one, and keep the latest of these, `keep` in all.

    What lies at or beyond `step`, which has just been saved, is of a course that a resumed run has left.
    """
    if keep and old.exists():
        old_step = _step_of(old)
        if old_step is not None and old_step < step:
            shutil.rmtree(run / f"step-{old_step}", ignore_errors=True)
            os.rename(old, run / f"step-{old_step}")
    shutil.rmtree(old, ignore_errors=True)
    if keep:
        earlier = [folder for n, folder in _steps(run) if n < step]
        for _, folder in _steps(run):
            if folder not in earlier[:keep]:
                shutil.rmtree(folder, ignore_errors=True)


def _steps(run):
    """The step-N of a run, the latest first: (N, folder) pairs."""
    numbered = ((path.name.removeprefix("step-"), path) for path in Path(run).glob("step-*"))
    return sorted(((int(number), path) for number, path in numbered if number.isdigit()), reverse=True)


def _step_of(checkpoint):
    """The step that a checkpoint was saved at; None where it does not say, or is damaged."""
    try:
        return load_settings(checkpoint).get("step")
    except InputError:
        return None


def _save_state(path, state):
    with path.open("wb") as file:
        torch.save(state, file)


def load_state(checkpoint):
    """What a run needs to go on from a checkpoint: the `state` that it was saved with. Only tensors and plain values are read.

    Raises InputError if the checkpoint is damaged or holds no state.
    """
    return torch.load(_state_file(checkpoint), map_location="cpu", weights_only=True)


def _state_file(checkpoint):
    verify(checkpoint)
    path = Path(checkpoint) / STATE
    if not path.is_file():
        raise InputError(f"{checkpoint}: holds a reader, but not the state of a run to go on with.")
    return path


def verify(checkpoint):
    """Raise InputError naming the file if a checkpoint is not what its manifest says; without a manifest all is believed."""
    checkpoint = Path(checkpoint)
    if not (checkpoint / MANIFEST).is_file():
        return
    manifest = read_json(checkpoint / MANIFEST)
    for name, file in manifest.get("files", {}).items() if isinstance(manifest, dict) else ():
        path = checkpoint / name
        if not path.is_file():
            raise InputError(f"{path}: is missing; the checkpoint is damaged.")
        if path.stat().st_size != file["bytes"]:
            raise InputError(f"{path}: has {path.stat().st_size} bytes in place of {file['bytes']}; the checkpoint is damaged.")
        if sha256(path) != file["sha256"]:
            raise InputError(f"{path}: is not what was saved; the checkpoint is damaged (or the file was changed on purpose: "
                             f"then delete {checkpoint / MANIFEST}).")


def find_resumable(path, fall_back=False):
    """The checkpoint that a run goes on from: the latest of a run's folder, or `path` itself. It has been verified.

    fall_back: where the latest is damaged, say so and take the one before. Raises InputError if there is none.
    """
    folder = Path(path)
    if (folder / SETTINGS).is_file():
        return _state_file(folder).parent
    if not folder.is_dir():
        raise InputError(f"--resume {path}: no such folder.")
    candidates = resumable(folder)
    for candidate, before in zip(candidates, [*candidates[1:], None]):
        try:
            return _state_file(candidate).parent
        except InputError as error:
            advice = f"; --resume {before} goes on from the one before" if before else ""
            if not fall_back:
                raise InputError(f"{str(error).rstrip('.')}{advice}.") from None
            print(f"{error}{' Going on from the one before.' if before else ''}")
    raise InputError(f"--resume {path}: holds no checkpoint of a run to go on with.")


def resumable(run):
    """The checkpoints in a run's folder that it can go on from, damaged ones included, the latest first."""
    run = Path(run)
    candidates = [run / LAST, _old(run / LAST), *(step for _, step in _steps(run))]
    return [candidate for candidate in candidates if candidate.is_dir()]


def _sync(path):
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folder
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find_checkpoint(path):
    """A run's folder means its best checkpoint; another folder, or a hub id, means itself.

    Raises InputError for a folder that is neither a run's nor a checkpoint's.
    """
    folder = Path(path)
    for best in (folder / BEST, _old(folder / BEST)):  # the second: a run that died between two renames
        if best.is_dir():
            return best
    if (folder / RUN_FILE).exists():
        saved = f"; what was saved last is {folder / LAST}" if (folder / LAST).is_dir() else ""
        raise InputError(f"{path}: this run has no best checkpoint yet{saved}.")
    if is_path(path):
        raise InputError(f"{path}: no such folder; train.py makes one and names it at its end.")
    if folder.exists() and not (folder / "config.json").is_file():
        raise InputError(f"{path}: neither a run's folder nor a checkpoint's: it holds no config.json.")
    return folder if folder.exists() else path


def refuse_run(model):
    """Raise InputError for a run's folder in the place of a model's."""
    if (Path(model) / RUN_FILE).exists():
        raise InputError(f"--model {model}: is a run's folder; its reader is {Path(model) / BEST}.")


def load_settings(checkpoint):
    """What `save_checkpoint` was given, or an empty dict for a checkpoint that was made elsewhere. Raises InputError."""
    path = Path(checkpoint) / SETTINGS
    return read_json(path) if path.is_file() else {}


def as_trained(settings, model, tokenizer):
    """The config of the run that a checkpoint's settings are of, as a dict. For one that was made elsewhere: the defaults for a
    pretrained model, with windows that its positions allow."""
    config = TrainConfig(model="pretrained").to_dict()
    length = min(config["max_length"], model.max_length or sys.maxsize, tokenizer.model_max_length)
    question, specials = config["max_question_length"], len(Template.of(tokenizer))
    if specials + question >= length:
        question = max(1, length // 4)
    stride = max(0, min(config["stride"], length // 2, (length - specials - question) // 2))
    return {**config, "max_length": length, "max_question_length": question, "stride": stride, **(settings.get("config") or {})}


def load_checkpoint(checkpoint, model_class=None, trust_remote_code=False, allow_pickle=False):
    """-> model, tokenizer, settings. Raises InputError if the checkpoint cannot be had, is damaged or has no trained head.

    model_class: "package.module:Class", for a checkpoint of one's own class; trust_remote_code, allow_pickle: see `load_config`.
    """
    checkpoint = _fetched(checkpoint)
    verify(checkpoint)
    model = load_model(checkpoint, model_class=model_class, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
    tokenizer = load_tokenizer(checkpoint, trust_remote_code)
    if model.head_is_new:
        raise InputError(f"{checkpoint}: an encoder without a question-answering head; train one with train.py --model {checkpoint}.")
    return model, tokenizer, load_settings(checkpoint)


def _fetched(checkpoint):
    """A hub id of a reader that was made here as a local folder, with all that belongs to it; anything else as it is."""
    if Path(checkpoint).exists():
        return checkpoint
    try:
        huggingface_hub.hf_hub_download(str(checkpoint), SETTINGS)
        return Path(huggingface_hub.snapshot_download(str(checkpoint), allow_patterns=list(OWN_FILES)))
    except Exception:  # not made here, or not to be had: what loads it says which
        return checkpoint


def new_run_folder(output_dir, name, take_over=False):
    """Make the folder of a new run: `output_dir`, or checkpoints/NAME (NAME-2, ... where taken).

    Raises InputError if `output_dir` holds a run, or anything else, already; with `take_over`, a run that ended before it
    had saved anything makes room.
    """
    if output_dir is None:
        folder = _make_numbered(Path("checkpoints") / name)
    else:
        folder = Path(output_dir)
        if take_over and (folder / RUN_FILE).exists() and not resumable(folder):
            for name in (BEST, f".{BEST}.tmp", f".{LAST}.tmp"):  # of a run that ended in the middle of its first save
                shutil.rmtree(folder / name, ignore_errors=True)
            os.truncate(folder / RUN_FILE, 0)
            return folder
        if folder.is_dir() and any(folder.iterdir()):
            what = "a run" if (folder / RUN_FILE).exists() else "files"
            raise InputError(f"--output-dir {folder}: holds {what} already; choose another folder{', or remove this one' if what == 'a run' else ''}.")
        _make(folder)
    (folder / RUN_FILE).touch()
    return folder


def discard_unborn(folder):
    """Remove what a new run that was refused has made, and its folder if nothing else is in it."""
    for path in (Path(folder) / name for name in (RUN_FILE, "config.json", "bad_answers.json")):
        path.unlink(missing_ok=True)
    for path in Path(folder).glob("events.out.tfevents.*"):
        path.unlink()
    if any(Path(folder).iterdir()):
        return
    Path(folder).rmdir()
    if Path(folder).parent == Path("checkpoints") and not any(Path("checkpoints").iterdir()):
        Path("checkpoints").rmdir()


def latest_run_folder(name):
    """The folder that `new_run_folder` made last for this name; None if there is none."""
    numbered = [path for path in Path("checkpoints").glob(f"{name}*") if re.fullmatch(r"(-\d+)?", path.name.removeprefix(name))]
    return max(numbered, key=lambda path: int(path.name.removeprefix(name)[1:] or 1), default=None)


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
