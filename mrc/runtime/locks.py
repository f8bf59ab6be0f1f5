"""One process at a time in a folder: a lock that ends with the process that holds it."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mrc.errors import InputError

# The operating system's lock is on this file, and ends with the process.
LOCK = ".lock"
# Who has the lock. On a shared disk whose locks do not reach other machines, this file counts.
OWNER = ".owner.json"
# Seconds from one sign of life of the owner to the next, and after how many it has died.
SIGN_OF_LIFE = 30.0
LEASE = 300.0


@contextmanager
def folder_lock(folder: str | Path, use: str) -> Iterator[None]:
    """Keep other processes out of a folder for the length of the block.

    A process may lock a folder again while it has it. A killed process has it no longer. On a
    shared disk, a process on another machine that has shown no sign of life for five minutes loses
    it, and a printed line says so.

    Args:
        folder: exists.
        use: what is done in it, for the error: "is being trained in".

    Raises:
        InputError: another process has the folder, or it cannot be written.
    """
    folder = Path(folder)
    # One lock for the whole process, which counts how often it was taken.
    lock = FileLock(folder.resolve() / LOCK, timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout:
        raise _is_taken(folder, use, _owner(folder)) from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be locked ({error.strerror}).") from None
    try:
        if lock.lock_counter > 1:
            # This process has said so already.
            yield
        else:
            with _ownership(folder, use):
                yield
    finally:
        lock.release()


def check_unlocked(folder: Path, use: str) -> None:
    """Raise InputError if another process has a folder; arguments are those of `folder_lock`."""
    # A folder that was never locked stays as it is.
    if (folder / LOCK).exists():
        with folder_lock(folder, use):
            pass


@contextmanager
def _ownership(folder: Path, use: str) -> Iterator[None]:
    """Say in the folder who has it, with a sign of life now and then."""
    _check_other_machines(folder, use)
    path = folder / OWNER
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": time.time()}
    try:
        path.write_text(json.dumps(owner), "utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}).") from None
    has_ended = threading.Event()
    thread = threading.Thread(target=_show_life, args=(path, has_ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _show_life(path: Path, has_ended: threading.Event) -> None:
    while not has_ended.wait(SIGN_OF_LIFE):
        with contextlib.suppress(OSError):
            os.utime(path)


def _check_other_machines(folder: Path, use: str) -> None:
    """Raise InputError if a process of another machine has the folder, and is alive."""
    owner = _owner(folder)
    # For a process on this machine, the operating system's lock has answered already.
    if not owner or owner.get("host") == socket.gethostname():
        return
    silent = _seconds_since_change(folder / OWNER)
    if silent < LEASE:
        raise _is_taken(folder, use, owner)
    print(
        f"{folder}: process {owner.get('pid')} on {owner.get('host')} had it, and has shown no "
        f"sign of life for {silent / 60:.0f} minutes; it is taken over."
    )


def _owner(folder: Path) -> dict[str, Any]:
    """Return what the owner has said of itself; {} if there is none, or it cannot be read."""
    try:
        owner = json.loads((folder / OWNER).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _seconds_since_change(path: Path) -> float:
    """Return how long ago a file was changed, by the clock of the disk that it is on."""
    probe = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        # It was given up a moment ago.
        return LEASE
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written ({error.strerror}).") from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _is_taken(folder: Path, use: str, owner: dict[str, Any]) -> InputError:
    by = "another process"
    if owner:
        by = f"process {owner.get('pid')} on {owner.get('host')}"
    return InputError(f"{folder}: {use} by {by}; wait until it has ended, or stop it.")
