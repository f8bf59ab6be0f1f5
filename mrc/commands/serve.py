"""`mrc serve`: a reader as a web page and a JSON API."""

from collections.abc import Sequence

from mrc.config.command_line import parse_args
from mrc.config.serve import ANY_ADDRESS, ServeConfig
from mrc.errors import import_optional
from mrc.runtime.terminal import IMPORTING, phase


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    config = parse_args(ServeConfig, argv, "serve")
    with phase(IMPORTING):
        for module in ("fastapi", "uvicorn", "prometheus_client"):
            import_optional(module, extra="serve", purpose="Serving")
        from mrc.commands.server.access_log import open_access_log
        from mrc.commands.server.app import make_app
        from mrc.commands.server.keys import read_key
        from mrc.commands.server.listener import make_server
        from mrc.reader.reader import Reader

    key = read_key(config)
    log = open_access_log(config)
    with phase(f"loading {config.checkpoint}"):
        reader, settings = Reader.of(config)
    app = make_app(reader, settings, config, key=key, log=log)
    server = make_server(app, config)
    print(
        f"{config.checkpoint} on {reader.device}: http://{config.url_host}:{server.port}\n"
        "The API is described at /docs. Press Ctrl-C to quit.",
        flush=True,
    )
    if config.host in ANY_ADDRESS:
        who = "everyone" if key is None else "everyone who has the key"
        print(f"note: {who} can use it from this machine's networks.", flush=True)
    server.run()
