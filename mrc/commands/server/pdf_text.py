"""The text of the PDF file on standard input, as JSON: a process of its own, see pdf.py."""

import json
import logging
import sys
from io import BytesIO
from typing import Any

import pypdf

# Address space of this process, in bytes.
MAX_MEMORY = 2**30


def text_of(file: bytes) -> dict[str, Any]:
    """The "text" of a file and its number of "pages", or the "code" of what is wrong with it."""
    try:
        reader = pypdf.PdfReader(BytesIO(file))
        # Many files have an empty password: they may be read, but not changed.
        if reader.is_encrypted and not reader.decrypt(""):
            return {"code": "pdf_encrypted"}
        pages = [page.extract_text().strip() for page in reader.pages]
    except MemoryError:
        return {"code": "pdf_too_slow"}
    except Exception:
        # A damaged file raises whatever it happens to run into.
        return {"code": "pdf_unreadable"}
    text = "\n\n".join(page for page in pages if page)
    if not text:
        return {"code": "pdf_without_text"}
    # A damaged font can give halves of characters, which no other program takes.
    text = text.encode("utf-8", "replace").decode()
    return {"text": text, "pages": len(pages)}


def limit_memory() -> None:
    """Limit what this process may allocate, where the system can."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


if __name__ == "__main__":
    limit_memory()
    # It warns of each oddity of a file.
    logging.disable(logging.CRITICAL)
    print(json.dumps(text_of(sys.stdin.buffer.read())))
