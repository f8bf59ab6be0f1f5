"""`mrc serve`: a reader as a web page and a JSON API."""

from dataclasses import dataclass

from mrc.config.flags import flag, parse_args
from mrc.config.reader import ReaderConfig
from mrc.errors import InputError


@dataclass
class ServeConfig(ReaderConfig):
    """Serve a reader over HTTP: a page to ask in at /, a JSON API at /answer, described at /docs.

    There is no password and no encryption: whoever reaches the port can ask. So the server listens on this machine alone
    unless told otherwise; put a reverse proxy with both in front of it before letting others in.
    """

    host: str = flag(
        "127.0.0.1",
        "address to listen on; 0.0.0.0 is every network that this machine is on, open to anyone there",
        group="server",
    )
    port: int = flag(
        8000, "port to listen on; 0 takes a free one", group="server", at_least=0, below=65536
    )
    allowed_hosts: str | None = flag(
        None,
        "names, divided by commas, under which the server may be called (* for any); others are "
        "refused, so that no web page can reach it by a name of its own; default: this machine's own names "
        "and --host",
        group="server",
    )
    max_body_kb: int = flag(
        1024, "largest request, in KiB; beyond it: status 413", group="limits", at_least=1
    )
    max_context_chars: int = flag(
        100_000, "longest context, in characters; beyond it: status 413", group="limits", at_least=1
    )
    max_queue: int = flag(
        256,
        "requests that may wait for an answer; beyond them: status 429",
        group="limits",
        at_least=1,
    )
    max_connections: int = flag(
        1024, "open connections; beyond them: status 503", group="limits", at_least=1
    )
    timeout: float = flag(
        30.0,
        "seconds until a request that is not answered gets status 503",
        group="limits",
        above=0,
    )
    body_timeout: float = flag(
        10.0,
        "seconds that a client may take to send its request; then: status 408",
        group="limits",
        above=0,
    )
    batch_requests: int = flag(
        32, "requests that are read together at most", group="limits", at_least=1
    )


def main(argv=None):
    config = parse_args(ServeConfig, argv, "serve")
    try:
        from mrc.commands.server import make_app, make_server
    except ImportError as error:
        if error.name not in ("fastapi", "uvicorn", "h11"):
            raise
        raise InputError(
            f'serve needs {error.name}: in a copy of the repository, pip install -e ".[serve]".'
        ) from None
    from mrc.reader.reader import Reader

    reader, settings = Reader.of(config)
    server = make_server(make_app(reader, settings, config), config)
    address = f"http://{shown_host(config.host)}:{server.port}"
    print(
        f"{config.checkpoint} on {reader.device}: {address}  (the API is described at /docs; Ctrl-C ends)",
        flush=True,
    )
    if config.host in ("0.0.0.0", "::"):
        print("note: everyone on this machine's networks can reach it.", flush=True)
    server.run()


def shown_host(host):
    return f"[{host}]" if ":" in host else host
