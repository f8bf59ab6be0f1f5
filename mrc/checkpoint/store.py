"""Checkpoints on disk: folders that Hugging Face can load, whole or not there at all."""

import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError

from mrc import __version__
from mrc.errors import InputError
from mrc.files import read_json, sha256, write_json
from mrc.model.pretrained import WEIGHTS

SETTINGS = "mrc.json"  # ours: how the model was trained and what it scored


CARD = "README.md"  # for people, and for the Hugging Face hub
STATE = "training_state.pt"  # what a run needs to go on


MANIFEST = "manifest.json"  # the size and the SHA-256 of each file


# What a checkpoint is made of: whatever else lies in its folder (optimiser states, logs, answers) is not pushed and not fetched.
WEIGHT_FILES = (WEIGHTS, "model-*-of-*.safetensors", "model.safetensors.index.json")


OWN_FILES = (
    *WEIGHT_FILES,
    "config.json",
    SETTINGS,
    CARD,
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


BEST, LAST = "best", "last"  # a run's checkpoints


RUN_FILE = "log.jsonl"  # what tells a run's folder from others


def save_checkpoint(folder, model, tokenizer, settings, state=None, keep=0, card=None):
    """Write model, tokenizer and settings (a dict) to `folder`: to a folder beside it, which is then renamed.

    state: what a run needs to go on from here, a dict that `load_state` can read, or None. keep: how many of the earlier
    checkpoints of that name stay, as step-N. Only they make room, and only once the new one is complete and on the disk.
    Raises InputError if it cannot be written.
    """
    folder = Path(folder)
    aside, old = folder.with_name(f".{folder.name}.tmp"), displaced(folder)
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        write_json(aside / SETTINGS, {"mrc_version": __version__, **settings}, indent=2)
        if card is not None:
            (aside / CARD).write_text(card, "utf-8", "replace")
        if state is not None:
            _save_state(aside / STATE, state)
        manifest = {
            path.relative_to(aside).as_posix(): {
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for path in sorted(aside.rglob("*"))
            if path.is_file()
        }
        write_json(aside / MANIFEST, {"files": manifest}, indent=2)
        for path in (*aside.rglob("*"), aside):
            _sync(path)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(folder, old)
        os.rename(aside, folder)
        _sync(folder.parent)
        _keep_earlier(folder.parent, old, settings.get("step", 0), keep)
    except (
        OSError,
        SafetensorError,
        RuntimeError,
    ) as error:  # the last is what torch.save raises on a full disk
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(aside, ignore_errors=True)
        raise InputError(f"{folder}: the checkpoint cannot be written ({error}).") from error


def displaced(folder):
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
    return sorted(
        ((int(number), path) for number, path in numbered if number.isdigit()), reverse=True
    )


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
            raise InputError(
                f"{path}: has {path.stat().st_size} bytes in place of {file['bytes']}; the checkpoint is damaged."
            )
        if sha256(path) != file["sha256"]:
            raise InputError(
                f"{path}: is not what was saved; the checkpoint is damaged (or the file was changed on purpose: "
                f"then delete {checkpoint / MANIFEST})."
            )


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
    candidates = [run / LAST, displaced(run / LAST), *(step for _, step in _steps(run))]
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


def load_settings(checkpoint):
    """What `save_checkpoint` was given, or an empty dict for a checkpoint that was made elsewhere. Raises InputError."""
    path = Path(checkpoint) / SETTINGS
    return read_json(path) if path.is_file() else {}
