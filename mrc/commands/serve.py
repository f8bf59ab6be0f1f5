"""`mrc serve`: a reader as a web page and a JSON API."""

from collections.abc import Sequence

from mrc.config.command_line import parse_args
from mrc.config.serve import ServeConfig
from mrc.errors import import_optional


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(ServeConfig, argv, "serve")
    for module in ("fastapi", "uvicorn"):
        import_optional(module, extra="serve", purpose="Serving")
    # Imported once the flags are known to be right: torch takes seconds to load.
    from mrc.commands.server import make_server
    from mrc.commands.server_app import make_app
    from mrc.reader.reader import Reader

    reader, settings = Reader.of(config)
    server = make_server(make_app(reader, settings, config), config)
    host = f"[{config.host}]" if ":" in config.host else config.host
    print(
        f"{config.checkpoint} on {reader.device}: http://{host}:{server.port}\n"
        "The API is described at /docs. Press Ctrl-C to quit.",
        flush=True,
    )
    if config.host in ("0.0.0.0", "::"):
        print("note: everyone on this machine's networks can reach it.", flush=True)
    server.run()
