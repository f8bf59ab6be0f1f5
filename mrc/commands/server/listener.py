"""The server itself: a socket, and how long clients may take to say what they want."""

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mrc.config.serve import ServeConfig
from mrc.errors import InputError


class Protocol(H11Protocol):
    """HTTP with a limit on how long the head of a request may take to arrive.

    uvicorn's own limit is on the silence between two requests: it does not cover the first one,
    and ends with the first byte of a request.
    """

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data: bytes) -> None:
        """Stop the clock once a request's head is complete."""
        timer = self.timeout_keep_alive_task
        request = self.cycle
        # uvicorn would cancel the timer at the first byte.
        self.timeout_keep_alive_task = None
        super().data_received(data)
        if timer is None:
            return
        is_head_incomplete = self.cycle is request
        if is_head_incomplete and not self.transport.is_closing():
            self.timeout_keep_alive_task = timer
        else:
            timer.cancel()


class Server(uvicorn.Server):
    """A uvicorn server on a socket that is already open, so that its port is known.

    Attributes:
        port: where it listens.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        super().__init__(config)
        self.listener = listener
        self.port = listener.getsockname()[1]

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal arrives or `should_exit` is set."""
        super().run(sockets=sockets or [self.listener])


def make_server(app: ASGIApp, config: ServeConfig) -> Server:
    """Open the socket. Raises InputError if the server cannot listen on its address."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
    except OSError as error:
        raise InputError(
            f"--host {config.host} --port {config.port}: the server cannot listen there "
            f"({error.strerror}); choose another address, or --port 0 for a free port."
        ) from None
    settings = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=config.max_connections,
        timeout_keep_alive=max(1, round(config.body_timeout)),
        timeout_graceful_shutdown=max(1, round(config.timeout)),
    )
    return Server(settings, listener)
