"""Files: read with an error that says what is wrong, written whole or not at all."""

import gzip
import hashlib
import json
import os
import re
import sys
import zlib
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from mrc.errors import InputError

STDIN = "-"


GZIP = b"\x1f\x8b"  # how every gzipped file begins, whatever it is called


def read_bytes(path):
    """The content of a file, or of standard input for "-"; unpacked where it is gzipped. Raises InputError naming the file."""
    try:
        content = sys.stdin.buffer.read() if str(path) == STDIN else Path(path).read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: the gzipped content is damaged or incomplete.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


def sha256(path):
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def read_text(path):
    """`read_bytes` as UTF-8, with or without a byte-order mark; every other character stays, carriage returns too."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8; convert the file to UTF-8."
        ) from None


def read_json(path):
    """Parse a JSON file. Raises InputError naming the file and the place."""
    return parse_json(read_text(path), path)


def parse_json(text, where, first_line=1):
    """Parse JSON that was found at `where`, from its line `first_line` on. Raises InputError."""
    if not text.strip():
        raise InputError(f"{where}: is empty.")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise InputError(
            f"{where}: broken JSON at line {line}, column {error.colno}: {error.msg}."
        ) from None
    except RecursionError:
        raise InputError(f"{where}: broken JSON: nested too deeply.") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise InputError(f"{where}: broken JSON: {error}.") from None


@contextmanager
def written_whole(path, newline=None):
    """A text file that is at `path` whole once the block ends, or not at all: it is written beside and then renamed."""
    path = Path(path)
    aside = path.with_name(path.name + ".tmp")
    try:
        # A lone surrogate has no UTF-8 form; backslashreplace writes it as the JSON escape that it came from.
        with open(aside, "w", encoding="utf-8", errors="backslashreplace", newline=newline) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def write_json(path, value, indent=None):
    """Write JSON to `path`, whole or not at all. Raises InputError if it cannot."""
    try:
        with written_whole(path) as file:
            json.dump(value, file, ensure_ascii=False, indent=indent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None


def data_name(data):
    """A name for a model or for data (a file, a glob, a hub id, "-" for standard input) that can be part of a folder's."""
    stem = re.sub(
        r"\.(json|jsonl|ndjson|csv|tsv|parquet)$", "", Path(data).name.removesuffix(".gz")
    )
    return re.sub(r"[^\w.]+", "-", stem).strip("-") or "stdin"


def make_numbered_folder(folder):
    """Make a folder that was not there: FOLDER, or FOLDER-2, ... where taken."""
    candidates = (folder if n == 1 else folder.with_name(f"{folder.name}-{n}") for n in count(1))
    return next(candidate for candidate in candidates if make_folder(candidate, if_new=True))


def make_folder(folder, if_new=False):
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
