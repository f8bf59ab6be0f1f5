"""The folder of a run: made, found again, and what the run was made of."""

import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mrc import __version__
from mrc.checkpoint.store import BEST, LAST, RUN_FILE, resumable
from mrc.data.loading import data_hashes
from mrc.errors import InputError
from mrc.files import make_folder, make_numbered_folder


def check_not_a_run(model):
    """Raise InputError for a run's folder in the place of a model's."""
    if (Path(model) / RUN_FILE).exists():
        raise InputError(f"--model {model}: is a run's folder; its reader is {Path(model) / BEST}.")


def new_run_folder(output_dir, name, take_over=False):
    """Make the folder of a new run: `output_dir`, or checkpoints/NAME (NAME-2, ... where taken).

    Raises InputError if `output_dir` holds a run, or anything else, already; with `take_over`, a run that ended before it
    had saved anything makes room.
    """
    if output_dir is None:
        folder = make_numbered_folder(Path("checkpoints") / name)
    else:
        folder = Path(output_dir)
        if take_over and (folder / RUN_FILE).exists() and not resumable(folder):
            for name in (
                BEST,
                f".{BEST}.tmp",
                f".{LAST}.tmp",
            ):  # of a run that ended in the middle of its first save
                shutil.rmtree(folder / name, ignore_errors=True)
            os.truncate(folder / RUN_FILE, 0)
            return folder
        if folder.is_dir() and any(folder.iterdir()):
            what = "a run" if (folder / RUN_FILE).exists() else "files"
            raise InputError(
                f"--output-dir {folder}: holds {what} already; choose another folder{', or remove this one' if what == 'a run' else ''}."
            )
        make_folder(folder)
    (folder / RUN_FILE).touch()
    return folder


def remove_unstarted_run(folder):
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
    numbered = [
        path
        for path in Path("checkpoints").glob(f"{name}*")
        if re.fullmatch(r"(-\d+)?", path.name.removeprefix(name))
    ]
    return max(numbered, key=lambda path: int(path.name.removeprefix(name)[1:] or 1), default=None)


PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


def provenance(config):
    """What a run was made with and of: versions, the command line, and the SHA-256 of each data file that `config` names."""
    versions = {"mrc": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # installed without its metadata
            versions[package] = None
    return {"versions": versions, "command": sys.argv, "data_sha256": data_hashes(config)}


def run_folder(config, name, checkpoint):
    """The folder of the run that a checkpoint is of, or a new one, with the record of what the run is made of."""
    from mrc.files import read_json, write_json
    from mrc.training.runs import new_run_folder, provenance

    if checkpoint:
        path = checkpoint.parent / "config.json"
        if path.is_file():  # a run can go on without its record
            record = read_json(path)
            changed = {
                setting: value
                for setting, value in config.to_dict().items()
                if record.get(setting) != value
            }
            record["resumed"] = [
                *record.get("resumed", []),
                {"command": sys.argv, "changed": changed},
            ]
            write_json(path, record, indent=2)
        return checkpoint.parent
    folder = new_run_folder(config.output_dir, name, take_over=config.resume == "auto")
    write_json(folder / "config.json", {**config.to_dict(), **provenance(config)}, indent=2)
    return folder
