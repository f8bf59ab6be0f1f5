"""Files and folders: read with errors that name the place, written whole or not at all."""

import gzip
import hashlib
import json
import os
import re
import shutil
import sys
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from mrc.errors import InputError

# A path that stands for standard input.
STDIN = "-"

# The first bytes of every gzipped file, whatever its name.
GZIP_MAGIC = b"\x1f\x8b"

NOT_SPACE = re.compile(r"\S")

DATA_SUFFIX = re.compile(r"\.(json|jsonl|ndjson|csv|tsv|parquet)$")


def shown_path(path: str | Path) -> str:
    """A path as messages name it: "standard input" for "-"."""
    return "standard input" if str(path) == STDIN else str(path)


def read_bytes(path: str | Path) -> bytes:
    """Read a file, or standard input for "-", and decompress it if it is gzipped.

    Raises:
        InputError: naming the file, if it cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == STDIN else Path(path).read_bytes()
        if content.startswith(GZIP_MAGIC):
            content = gzip.decompress(content)
        return content
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: the gzipped content is damaged or incomplete.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


def read_text(path: str | Path) -> str:
    """Read a UTF-8 file as `read_bytes` does, without its byte-order mark if it has one.

    All other characters stay as they are, carriage returns included, so that character offsets
    into the text hold.

    Raises:
        InputError: naming the file, if it cannot be read or is not UTF-8.
    """
    return decode_text(read_bytes(path), path)


def decode_text(content: bytes, path: str | Path) -> str:
    """Decode what was read of a file, as `read_text` does. Raises InputError naming the file."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        advice = "convert the file to UTF-8"
        if _is_cp949(content):
            advice = "it reads as CP949 (Korean); convert it by iconv -f cp949 -t utf-8"
        raise InputError(f"{path}: byte {error.start} is not UTF-8; {advice}.") from None


def _is_cp949(content: bytes) -> bool:
    """Whether bytes can be Korean text as Windows and older spreadsheets write it."""
    try:
        text = content.decode("cp949")
    except UnicodeDecodeError:
        return False
    # Accented letters of other encodings are taken for a syllable at times, but rarely all of them.
    foreign = [letter for letter in text if not letter.isascii()]
    hangul = [letter for letter in foreign if "\uac00" <= letter <= "\ud7a3"]
    return 2 * len(hangul) > len(foreign)


def read_json(path: str | Path) -> Any:
    """Read and parse a JSON file.

    Raises:
        InputError: naming the file and the place.
    """
    return parse_json(read_text(path), path)


def read_json_object(path: str | Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        InputError: naming the file, if it cannot be read or holds anything else.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds {type(value).__name__} instead of a JSON object.")
    return value


def parse_json(text: str, where: str | Path, first_line: int = 1) -> Any:
    """Parse JSON.

    Args:
        text: the JSON text.
        where: the file it was read from, for errors.
        first_line: number of the file's line at which the text begins.

    Raises:
        InputError: naming the file and the place.
    """
    if not text or text.isspace():
        raise InputError(f"{where}: is empty.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        place = f"line {line}, column {error.colno}"
        raise InputError(f"{where}: broken JSON at {place}: {error.msg}.") from None
    except RecursionError:
        raise InputError(f"{where}: broken JSON: nested too deeply.") from None
    except ValueError as error:
        # A number with more digits than Python converts.
        raise InputError(f"{where}: broken JSON: {error}.") from None


def is_json_lines(text: str) -> bool:
    """Whether a text is one JSON object a line, which some tools write under the name of .json."""
    begin = NOT_SPACE.search(text)
    if begin is None:
        return False
    end = text.find("\n", begin.start())
    has_more_lines = end >= 0 and NOT_SPACE.search(text, end) is not None
    try:
        return has_more_lines and isinstance(json.loads(text[:end]), dict)
    except (ValueError, RecursionError):
        return False


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def written_whole(path: str | Path, newline: str | None = None) -> Iterator[TextIO]:
    """Yield a text file that is at `path` once the block ends, complete or not at all.

    It is written under another name, flushed to the disk and then renamed.

    Args:
        path: where the file will be.
        newline: as for `open`.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        # A lone surrogate has no UTF-8 form: backslashreplace writes it as its JSON escape.
        with open(
            temporary, "w", encoding="utf-8", errors="backslashreplace", newline=newline
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        # Once it is renamed, there is nothing of this name.
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write JSON to `path`, complete or not at all.

    Raises:
        InputError: if it cannot be written.
    """
    try:
        with written_whole(path) as file:
            json.dump(value, file, ensure_ascii=False, indent=indent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from error


@contextmanager
def written_folder(
    path: str | Path, *, displaced: str | Path | None = None, shared: bool = False
) -> Iterator[Path]:
    """Yield a folder to fill, which is at `path` once the block ends, complete or not at all.

    It is filled beside `path` under a hidden name, flushed to the disk and then renamed. If
    anything fails it is removed, and what was at `path` before is still there.

    Args:
        path: where the folder will be; its parents are made.
        displaced: where a folder that is at `path` already is moved to, replacing what is there.
            Without it, `path` must not exist or must be empty.
        shared: whether other processes may write the same folder at the same time.

    Raises:
        OSError: if it cannot be written, and whatever the block raises.
    """
    path = Path(path)
    # A fixed name, so that what a killed process left behind is cleared by the next one.
    own_name = f".{path.name}.{uuid.uuid4().hex}.tmp" if shared else f".{path.name}.tmp"
    temporary = path.with_name(own_name)
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        flush_folder(temporary)
        _put_in_place(temporary, path, displaced)
        flush(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path, displaced: str | Path | None) -> None:
    """Rename a finished folder to its final name."""
    if not path.exists():
        os.rename(temporary, path)
    elif displaced is None:
        # Fails unless it is empty. Windows renames no folder over another one.
        path.rmdir()
        os.rename(temporary, path)
    else:
        shutil.rmtree(displaced, ignore_errors=True)
        os.rename(path, displaced)
        try:
            os.rename(temporary, path)
        except OSError:
            os.rename(displaced, path)
            raise


def flush_folder(folder: Path) -> None:
    """Wait until everything in a folder is on the disk."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    # Windows cannot open a folder.
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def data_name(data: str | Path) -> str:
    """A name for a model or for data that can be part of a folder's name.

    Args:
        data: a path, a glob, a hub id, or "-" for standard input.
    """
    file_name = Path(data).name.removesuffix(".gz")
    stem = DATA_SUFFIX.sub("", file_name)
    return re.sub(r"[^\w.]+", "-", stem).strip("-") or "stdin"


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents, if it is not there yet, and return it.

    Raises:
        InputError: if it is a file or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(f"--output-dir {folder}: is a file.") from error
    except OSError as error:
        raise _cannot_be_made(folder, error) from error
    return folder


def make_numbered_folder(folder: Path) -> Path:
    """Make a new folder and return it: FOLDER, or FOLDER-2, FOLDER-3, ... if that is taken.

    Raises:
        InputError: if it cannot be made.
    """
    candidate = folder
    number = 1
    while True:
        # To make it is to claim it: two runs that start together never share a folder.
        try:
            candidate.mkdir(parents=True)
            return candidate
        except FileExistsError:
            number += 1
            candidate = folder.with_name(f"{folder.name}-{number}")
        except OSError as error:
            raise _cannot_be_made(candidate, error) from error


def _cannot_be_made(folder: Path, error: OSError) -> InputError:
    return InputError(f"--output-dir {folder}: cannot be made ({error.strerror}).")
