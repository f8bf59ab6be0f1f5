"""`python -m mrc serve`: a reader as a web page and a JSON API."""

from mrc.config import InputError, ServeConfig, parse_args


def main(argv=None):
    config = parse_args(ServeConfig, argv, "python -m mrc serve")
    try:
        from mrc.server import make_app, make_server
    except ImportError as error:
        if error.name not in ("fastapi", "uvicorn", "h11"):
            raise
        raise InputError(f'serve needs {error.name}: in a copy of the repository, pip install -e ".[serve]".') from None
    from mrc.reader import Reader

    reader, settings = Reader.of(config)
    server = make_server(make_app(reader, settings, config), config)
    address = f"http://{shown_host(config.host)}:{server.port}"
    print(f"{config.checkpoint} on {reader.device}: {address}  (the API is described at /docs; Ctrl-C ends)", flush=True)
    if config.host in ("0.0.0.0", "::"):
        print("note: everyone on this machine's networks can reach it.", flush=True)
    server.run()


def shown_host(host):
    return f"[{host}]" if ":" in host else host
