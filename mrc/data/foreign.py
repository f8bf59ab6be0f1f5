"""Foreign files: what a file without questions is instead, by its first characters."""

import re

from mrc.data.fields import shorten
from mrc.errors import InputError
from mrc.files import decode_text

# How files begin that cannot hold questions, and what they are.
BINARY_KINDS = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive, as .xlsx and .docx are; unpack it, or save the sheet as CSV",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip",
    b"\xfd7zXZ": "packed by xz; unpack it, or pack it by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it by gzip",
    b"PAR1": "Parquet; give it a name that ends in .parquet",
    b"ARROW1": "an Arrow file; give the folder that datasets.save_to_disk has written",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
TEXT_KINDS = {
    re.compile(r"<(!doctype\s+html|html|head|body)\b", re.IGNORECASE): (
        "an HTML page; was a web page saved in place of the data that it links to?"
    ),
    re.compile(r"<\?xml\b", re.IGNORECASE): "XML",
    re.compile(r"version https://git-lfs"): (
        "a Git LFS pointer, and not the file that it stands for; run git lfs pull"
    ),
}

FORMS = (
    "Data is JSON, JSON Lines, CSV or TSV with the columns 'question' and 'context', or Parquet."
)


def data_text(content: bytes, name: str) -> str:
    """Decode a file of questions.

    Args:
        content: the whole file.
        name: the file, for errors.

    Raises:
        InputError: if it is no text, or the text of something else.
    """
    for magic, kind in BINARY_KINDS.items():
        if content.startswith(magic):
            raise InputError(f"{name}: is {kind}.")
    text = decode_text(content, name)
    if not text or text.isspace():
        raise InputError(f"{name}: is empty.")
    beginning = text[:1000].lstrip()
    for pattern, kind in TEXT_KINDS.items():
        if pattern.match(beginning):
            raise InputError(f"{name}: is {kind}.")
    return text


def not_questions(text: str, name: str) -> InputError:
    """The error for a text that is none of the forms that questions come in."""
    line = next(line for line in text.split("\n", 100) if line.strip()).strip()
    return InputError(f"{name}: is not a data file: it begins with {shorten(line)}. {FORMS}")
