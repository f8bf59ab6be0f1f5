"""The settings of the server."""

import re
from dataclasses import dataclass

from mrc.config.flags import flag
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError

# The environment variable that may hold the key that clients have to send.
KEY_VARIABLE = "MRC_API_KEY"

# Addresses that stand for all networks of this machine.
ANY_ADDRESS = ("0.0.0.0", "::")

ORIGIN = re.compile(r"https?://[\w.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?", re.IGNORECASE)


@dataclass
class ServeConfig(ReaderConfig):
    """Serve a reader over HTTP: a page to ask in at /, and a JSON API that /docs describes.

    There is no encryption, and without --api-key-file no password: whoever reaches the port can
    ask. By default the server therefore listens on this machine only. Before letting others in,
    set a key, and put a reverse proxy with TLS in front of it.
    """

    host: str = flag(
        "127.0.0.1",
        "address to listen on; 0.0.0.0 opens it to every network that this machine is on",
        group="server",
        metavar="ADDRESS",
    )
    port: int = flag(
        8000, "port to listen on; 0 takes a free one", group="server", at_least=0, below=65536
    )
    allowed_hosts: str | None = flag(
        None,
        "host names to answer to, separated by commas, or * for any; all others are refused, so "
        "that no web page can reach the server under its own name (default: the names of this "
        "machine, and --host)",
        group="server",
        metavar="NAMES",
    )
    api_key_file: str | None = flag(
        None,
        "file with a key that requests have to send, as Authorization: Bearer KEY or X-API-Key: "
        f"KEY (default: the environment variable {KEY_VARIABLE}, if it is set)",
        group="server",
        metavar="FILE",
    )
    cors_origins: str | None = flag(
        None,
        "origins of web pages elsewhere that may call the API, separated by commas, such as "
        "https://app.example.org; * for any (default: none)",
        group="server",
        metavar="ORIGINS",
    )
    access_log: str | None = flag(
        None,
        "file to add a line of JSON to for each request; - for standard error (default: no log)",
        group="server",
        metavar="FILE",
    )
    log_questions: bool = flag(False, "with --access-log: write the questions too", group="server")
    max_body_kb: int = flag(
        1024,
        "largest request in KiB; a larger one gets status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_context_chars: int = flag(
        100_000,
        "characters of the contexts of a request, together; more get status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_passages: int = flag(
        200,
        "contexts in a request to /read; more get status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_questions: int = flag(
        64,
        "questions in a request to /batch; more get status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_pdf_kb: int = flag(
        10_240,
        "largest PDF file in KiB; a larger one gets status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_queue: int = flag(
        256,
        "questions that may wait for an answer; any more get status 429",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_connections: int = flag(
        1024, "open connections; any more get status 503", group="limits", at_least=1, rare=True
    )
    timeout: float = flag(
        30.0,
        "seconds until an unanswered request gets status 503",
        group="limits",
        above=0,
        rare=True,
    )
    body_timeout: float = flag(
        10.0,
        "seconds that a client may take to send its request; a slower one gets status 408",
        group="limits",
        above=0,
        rare=True,
    )
    batch_requests: int = flag(
        32, "the most questions to answer in one batch", group="limits", at_least=1, rare=True
    )

    @property
    def url_host(self) -> str:
        """The address as URLs write it: one of IPv6 stands in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for settings that do not go together."""
        super().__post_init__()
        if self.log_questions and self.access_log is None:
            raise InputError("--log-questions needs --access-log FILE.")
        for origin in (self.cors_origins or "*").split(","):
            if origin != "*" and not ORIGIN.fullmatch(origin):
                raise InputError(
                    f"--cors-origins {origin}: an origin is a scheme, a host and perhaps a port, "
                    "such as https://app.example.org:8443, without a path."
                )
