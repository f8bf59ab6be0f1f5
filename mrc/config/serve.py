"""The settings of the server."""

from dataclasses import dataclass

from mrc.config.flags import flag
from mrc.config.reader import ReaderConfig


@dataclass
class ServeConfig(ReaderConfig):
    """Serve a reader over HTTP: a page to ask in at /, a JSON API at /answer, described at /docs.

    There is no password and no encryption: whoever reaches the port can ask. By default the
    server therefore listens on this machine only. Put a reverse proxy that has both in front of
    it before letting others in.
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
    max_body_kb: int = flag(
        1024,
        "largest request in KiB; a larger one gets status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_context_chars: int = flag(
        100_000,
        "longest context in characters; a longer one gets status 413",
        group="limits",
        at_least=1,
        rare=True,
    )
    max_queue: int = flag(
        256,
        "requests that may wait for an answer; any more get status 429",
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
        32, "the most requests to answer in one batch", group="limits", at_least=1, rare=True
    )
