"""The folder of a run: created, found again, and with a record of what the run was made from."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mrc.checkpoint.store import BEST, LAST, RUN_FILE, new_name, resumable
from mrc.config.train import TrainConfig
from mrc.data.loading import data_hashes, describe_source
from mrc.errors import InputError
from mrc.files import data_name, make_folder, make_numbered_folder, read_json_object, write_json
from mrc.model.custom import class_name
from mrc.runtime.locks import check_unlocked, folder_lock
from mrc.runtime.processes import World
from mrc.version import __version__

# Where the folders of runs are if --output-dir does not say.
RUNS = Path("checkpoints")
# What a run was made from: every setting, the versions, the command line, hashes of the data.
RECORD = "config.json"
# What a run does in its folder, for the error that another run meets.
IN_TRAINING = "is being trained in"
PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def run_name(config: TrainConfig) -> str:
    """Return the name of a run's folder, MODEL-DATA."""
    source = config.data if config.train_file is None else describe_source(config.train_file)
    return f"{data_name(config.model)}-{data_name(source or 'data')}"


def new_run_folder(output_dir: str | Path | None, name: str, *, take_over: bool = False) -> Path:
    """Create the folder of a new run: `output_dir`, or checkpoints/NAME, numbered if it exists.

    take_over: a run that ended before it had saved anything makes room. Raises InputError if
    `output_dir` holds a run, or anything else.
    """
    if output_dir is None:
        folder = make_numbered_folder(RUNS / name)
        (folder / RUN_FILE).touch()
        return folder
    folder = Path(output_dir)
    is_run = (folder / RUN_FILE).exists()
    if take_over and is_run and not resumable(folder):
        # It may have ended in the middle of its first save.
        for path in (folder / BEST, new_name(folder / BEST), new_name(folder / LAST)):
            shutil.rmtree(path, ignore_errors=True)
        os.truncate(folder / RUN_FILE, 0)
        return folder
    check_is_free(folder)
    make_folder(folder)
    try:
        # To make it is to claim the folder: of two runs that start together, one gets it.
        (folder / RUN_FILE).touch(exist_ok=False)
    except FileExistsError:
        raise InputError(
            f"--output-dir {folder}: another run has just started there; choose another folder."
        ) from None
    return folder


def check_is_free(folder: Path) -> None:
    """Raise InputError if a folder for a new run holds a run, or anything else."""
    if (folder / RUN_FILE).exists():
        check_unlocked(folder, use=IN_TRAINING)
        how = f"--resume {folder}" if resumable(folder) else "--resume auto"
        raise InputError(
            f"--output-dir {folder}: holds a run already; continue it with {how}, or choose "
            "another folder."
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"--output-dir {folder}: holds files already; choose another folder.")


@contextmanager
def run_lock(folder: Path | None, world: World) -> Iterator[None]:
    """Keep other runs from training in a folder for the length of the block.

    The main process locks it, for all processes of its run. Raises InputError if another run has
    the folder. None locks nothing.
    """
    if folder is None or not world.is_main:
        yield
        return
    with folder_lock(folder, use=IN_TRAINING):
        yield


def check_holds_no_run(folder: Path) -> None:
    """Raise InputError if a run has left its log or its checkpoints in a folder."""
    log = folder / RUN_FILE
    has_log = log.exists() and log.stat().st_size > 0
    if has_log or (folder / BEST).exists() or (folder / LAST).exists():
        raise InputError(
            f"{folder}: holds a run already; choose another folder, delete this one, or continue "
            f'an unfinished run with trainer.resume("{folder}").'
        )


def check_not_a_run(model: str) -> None:
    """Raise InputError if a run's folder is given as a model."""
    if (Path(model) / RUN_FILE).exists():
        best = Path(model) / BEST
        raise InputError(f"--model {model}: is a run's folder; its reader is {best}.")


def remove_unstarted_run(folder: Path) -> None:
    """Remove what a new run has created that was refused, and its folder if it is then empty."""
    for name in (RUN_FILE, RECORD, "bad_answers.json"):
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("events.out.tfevents.*"):
        path.unlink()
    if any(folder.iterdir()):
        return
    folder.rmdir()
    if folder.parent == RUNS and not any(RUNS.iterdir()):
        RUNS.rmdir()


def latest_run_folder(name: str) -> Path | None:
    """Return the folder that `new_run_folder` created last for this name, None if there is none."""
    numbers = {}
    for path in RUNS.glob(f"{name}*"):
        ending = path.name.removeprefix(name)
        if not ending:
            numbers[path] = 1
        elif re.fullmatch(r"-\d+", ending):
            numbers[path] = int(ending[1:])
    return max(numbers, key=lambda path: numbers[path], default=None)


def as_recorded(config: TrainConfig) -> TrainConfig:
    """Return a config in which text stands for data and classes given from Python."""
    given_as_class = config.model_class is not None and not isinstance(config.model_class, str)
    return config.changed(
        train_file=describe_source(config.train_file),
        validation_file=describe_source(config.validation_file),
        model_class=class_name(config.model_class) if given_as_class else config.model_class,
    )


def start_run(config: TrainConfig, recorded: TrainConfig, name: str) -> Path:
    """Create the folder of a new run, with the record of what it is made from."""
    folder = new_run_folder(config.output_dir, name, take_over=config.resume == "auto")
    record = {**recorded.to_dict(), **provenance(config)}
    write_json(folder / RECORD, record, indent=2)
    return folder


def record_resumption(recorded: TrainConfig, folder: Path) -> None:
    """Note in a run's record that it was resumed, and with which other settings."""
    path = folder / RECORD
    # A run can be resumed without its record.
    if not path.is_file():
        return
    record = read_json_object(path)
    settings = recorded.to_dict()
    changed = {name: value for name, value in settings.items() if record.get(name) != value}
    resumption = {"command": sys.argv, "changed": changed}
    record["resumed"] = [*record.get("resumed", []), resumption]
    write_json(path, record, indent=2)


def provenance(config: TrainConfig) -> dict[str, Any]:
    """Return versions, the command line, and the SHA-256 of each data file of a run."""
    versions: dict[str, str | None] = {"mrc": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            # Installed without its metadata.
            versions[package] = None
    return {"versions": versions, "command": sys.argv, "data_sha256": data_hashes(config)}
