"""Checkpoints on disk: folders that Hugging Face can load, complete or not there at all."""

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from mrc.errors import InputError, in_short
from mrc.files import flush, read_json_object, sha256, write_json
from mrc.model.pretrained import WEIGHTS
from mrc.version import __version__

# Ours: how the model was trained, and what it scored.
SETTINGS = "mrc.json"
# The model card, for people and for the Hugging Face hub.
CARD = "README.md"
# What a run needs to go on.
STATE = "training_state.pt"
# The size and the SHA-256 of each file.
MANIFEST = "manifest.json"
# The files of a checkpoint. What else lies in its folder (optimizer states, logs, answers) is
# neither pushed to the hub nor fetched from it.
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
# The checkpoints in a run's folder, and the file by which such a folder is known.
BEST = "best"
LAST = "last"
RUN_FILE = "log.jsonl"


def save_checkpoint(
    folder: str | Path,
    model: Any,
    tokenizer: Any,
    settings: dict[str, Any],
    *,
    card: str | None = None,
    state: dict[str, Any] | None = None,
    keep: int = 0,
) -> None:
    """Write a model, its tokenizer and its settings to a folder.

    They are written to a folder beside it, which then takes its place. A process that dies at any
    moment leaves a complete checkpoint, the new one or the one before.

    Args:
        folder: may hold an earlier checkpoint.
        model: has `save_pretrained`.
        tokenizer: has `save_pretrained`.
        settings: how it was made; written to mrc.json.
        card: text of the model card.
        state: what a run needs to go on, for `load_state`: tensors and plain values.
        keep: how many earlier checkpoints of this name to keep, as step-N beside it.

    Raises:
        InputError: it cannot be written; an earlier checkpoint is still there.
    """
    folder = Path(folder)
    new, old = new_name(folder), old_name(folder)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        model.save_pretrained(new)
        save_tokenizer(tokenizer, new)
        write_json(new / SETTINGS, {"mrc_version": __version__, **settings}, indent=2)
        if card is not None:
            (new / CARD).write_text(card, "utf-8", "replace")
        if state is not None:
            write_state(new / STATE, state)
        write_manifest(new)
        for path in (*new.rglob("*"), new):
            flush(path)
        move_away(folder, old)
        move_into_place(new, folder)
        keep_earlier(folder.parent, old, settings.get("step", 0), keep)
    # torch.save raises the last of these on a full disk.
    except (OSError, SafetensorError, RuntimeError) as error:
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        shutil.rmtree(new, ignore_errors=True)
        raise InputError(f"{folder}: the checkpoint cannot be written ({error}).") from error


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write the files of a tokenizer. Raises OSError if the disk does not take them."""
    try:
        tokenizer.save_pretrained(folder)
    except OSError:
        raise
    # The tokenizers package passes on what the disk says as a bare Exception.
    except Exception as error:
        raise OSError(in_short(error)) from error


def new_name(folder: Path) -> Path:
    """Where a checkpoint is while it is being written."""
    return folder.with_name(f".{folder.name}.tmp")


def old_name(folder: Path) -> Path:
    """Where the earlier checkpoint of this name is while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def write_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a run."""
    with path.open("wb") as file:
        torch.save(state, file)


def write_manifest(folder: Path) -> None:
    """Write down the size and the SHA-256 of each file in a folder."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_json(folder / MANIFEST, {"files": files}, indent=2)


def move_away(folder: Path, old: Path) -> None:
    """Make room for a new checkpoint."""
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)


def move_into_place(new: Path, folder: Path) -> None:
    """Give a complete checkpoint its name, and wait until the name is on the disk."""
    os.rename(new, folder)
    flush(folder.parent)


def keep_earlier(run: Path, old: Path, step: int, keep: int) -> None:
    """Rename the checkpoint `old`, if there is one, to step-N; keep the latest `keep` of these.

    step: of the checkpoint that was just saved. Those at or after it were left by steps that a
    resumed run repeats, and are removed.
    """
    if keep and old.exists():
        old_step = _step_of(old)
        if old_step is not None and old_step < step:
            shutil.rmtree(run / f"step-{old_step}", ignore_errors=True)
            os.rename(old, run / f"step-{old_step}")
    shutil.rmtree(old, ignore_errors=True)
    if not keep:
        return
    numbered = numbered_checkpoints(run)
    earlier = [folder for number, folder in numbered if number < step]
    for _, folder in numbered:
        if folder not in earlier[:keep]:
            shutil.rmtree(folder, ignore_errors=True)


def numbered_checkpoints(run: Path) -> list[tuple[int, Path]]:
    """Return the step-N of a run as (N, folder), the latest first."""
    found = []
    for path in run.glob("step-*"):
        number = path.name.removeprefix("step-")
        if number.isdigit():
            found.append((int(number), path))
    return sorted(found, reverse=True)


def _step_of(checkpoint: Path) -> int | None:
    """Return the step that a checkpoint was saved at, None if it does not say or is damaged."""
    try:
        return load_settings(checkpoint).get("step")
    except InputError:
        return None


def load_settings(checkpoint: str | Path) -> dict[str, Any]:
    """Return the settings that `save_checkpoint` was given; {} for a checkpoint made elsewhere.

    Raises InputError if they cannot be read.
    """
    path = Path(checkpoint) / SETTINGS
    return read_json_object(path) if path.is_file() else {}


def load_state(checkpoint: str | Path) -> dict[str, Any]:
    """Return the state that a checkpoint was saved with. Only tensors and plain values are read.

    Raises InputError if the file is not such a state. `find_resumable` has verified it before.
    """
    path = Path(checkpoint) / STATE
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    # PyTorch's reader raises EOFError, RuntimeError, UnpicklingError and others on a damaged file.
    except Exception as error:
        raise InputError(
            f"{path}: is damaged, or not the state of a run ({in_short(error)})."
        ) from None
    if not isinstance(state, dict):
        raise InputError(f"{path}: is not the state of a run: it holds {type(state).__name__}.")
    return state


def check_resumable(checkpoint: str | Path, *, unverified: bool = False) -> Path:
    """Return the checkpoint, once it is verified.

    unverified: take a checkpoint without a manifest too, if its state can be read.

    Raises InputError if it is damaged, lacks its manifest, or holds no state of a run.
    """
    checkpoint = Path(checkpoint)
    if not (checkpoint / STATE).is_file():
        raise InputError(
            f"{checkpoint}: holds a reader, but not the state of a run, which is needed to resume."
        )
    if not (checkpoint / MANIFEST).is_file():
        if not unverified:
            raise InputError(
                f"{checkpoint}: has no {MANIFEST}, so nothing shows that it is complete; to resume "
                "from it all the same, give --resume-unverified."
            )
        load_state(checkpoint)
    verify(checkpoint)
    return checkpoint


def verify(checkpoint: str | Path) -> None:
    """Raise InputError naming the file if a checkpoint is not what its manifest says.

    A checkpoint without a manifest was made elsewhere, and is not checked.
    """
    checkpoint = Path(checkpoint)
    if not (checkpoint / MANIFEST).is_file():
        return
    for name, expected in read_manifest(checkpoint).items():
        path = checkpoint / name
        if not path.is_file():
            raise InputError(f"{path}: is missing; the checkpoint is damaged.")
        size = path.stat().st_size
        if size != expected["bytes"]:
            raise InputError(
                f"{path}: has {size} bytes instead of {expected['bytes']}; the checkpoint is "
                "damaged."
            )
        if sha256(path) != expected["sha256"]:
            raise InputError(
                f"{path}: is not what was saved; the checkpoint is damaged. If the file was "
                f"changed on purpose, delete {checkpoint / MANIFEST}."
            )


def read_manifest(checkpoint: Path) -> dict[str, Any]:
    """Return the size and the SHA-256 of each file of a checkpoint, by its name.

    Raises InputError if the manifest is damaged.
    """
    path = checkpoint / MANIFEST
    files = read_json_object(path).get("files")
    entries = files.values() if isinstance(files, dict) else [None]
    if not all(
        isinstance(entry, dict) and {"bytes", "sha256"} <= entry.keys() for entry in entries
    ):
        raise InputError(f"{path}: is damaged; the checkpoint cannot be verified.")
    return dict(files or {})


def resumable(run: str | Path) -> list[Path]:
    """Return the checkpoints from which a run can be resumed, damaged ones too, latest first."""
    run = Path(run)
    numbered = [folder for _, folder in numbered_checkpoints(run)]
    candidates = [run / LAST, old_name(run / LAST), *numbered]
    return [candidate for candidate in candidates if candidate.is_dir()]


def find_resumable(path: str | Path, *, fall_back: bool = False, unverified: bool = False) -> Path:
    """Return the checkpoint to resume from: the latest in a run's folder, or `path` itself.

    It has been verified.

    Args:
        path: a run's folder, or a checkpoint's.
        fall_back: take the checkpoint before a damaged one, and say so.
        unverified: take a checkpoint without a manifest too, if its state can be read.

    Raises:
        InputError: there is none.
    """
    folder = Path(path)
    if (folder / SETTINGS).is_file():
        return check_resumable(folder, unverified=unverified)
    if not folder.is_dir():
        raise InputError(f"--resume {path}: no such folder.")
    candidates = resumable(folder)
    for number, candidate in enumerate(candidates, start=1):
        try:
            return check_resumable(candidate, unverified=unverified)
        except InputError as error:
            before = candidates[number] if number < len(candidates) else None
            if not fall_back:
                advice = f" --resume {before} resumes from the one before." if before else ""
                raise InputError(f"{error}{advice}") from None
            print(f"{error}{' Resuming from the one before.' if before else ''}")
    raise InputError(f"--resume {path}: holds no checkpoint of a run.")
