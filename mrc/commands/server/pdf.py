"""PDF files sent to the server: their text, read in a process of its own with limits."""

import asyncio
import importlib.util
import json
import sys
from typing import Any

from mrc.commands.server.errors import ApiError

# The extra of mrc-reader that installs pypdf.
EXTRA = "pdf"
# Files that may wait while another is read.
MAX_WAITING = 4
COMMAND = (sys.executable, "-m", "mrc.commands.server.pdf_text")


def can_read_pdf() -> bool:
    """Whether the package that reads PDF files is installed."""
    return importlib.util.find_spec("pypdf") is not None


class PdfReader:
    """Read one PDF file after the other.

    A file comes from anyone, and small ones can unfold to gigabytes or take hours. So each is
    read in a process that may be killed, whose memory is limited, and which holds no secrets.

    Args:
        timeout: seconds until a file is given up.
        max_characters: of the longest text.
    """

    def __init__(self, timeout: float, max_characters: int) -> None:
        self.timeout = timeout
        self.max_characters = max_characters
        self.lock = asyncio.Lock()
        self.waiting = 0

    async def read(self, file: bytes) -> dict[str, Any]:
        """The "text" and the number of "pages" of a file. Raises ApiError."""
        if not can_read_pdf():
            raise ApiError("pdf_needs_extra", extra=EXTRA)
        if self.waiting >= MAX_WAITING:
            raise ApiError("queue_full")
        self.waiting += 1
        try:
            async with self.lock:
                found = await self._read(file)
        finally:
            self.waiting -= 1
        if "code" in found:
            raise ApiError(found["code"])
        length = len(found["text"])
        if length > self.max_characters:
            raise ApiError("context_too_long", length=length, limit=self.max_characters)
        return found

    async def _read(self, file: bytes) -> dict[str, Any]:
        """What the process says of a file."""
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(file), self.timeout)
        except asyncio.TimeoutError:
            return {"code": "pdf_too_slow"}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        # A process that ran out of its memory says nothing.
        return json.loads(output) if output else {"code": "pdf_too_slow"}
