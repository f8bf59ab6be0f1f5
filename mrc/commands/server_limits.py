"""What the server refuses before reading it: foreign host names, large and slow requests."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrc.config.serve import ServeConfig

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")
ANY_ADDRESS = ("0.0.0.0", "::")


class RequestLimits:
    """ASGI middleware that reads a request's body, within limits, before anything else does.

    Args:
        app: the application that gets the requests that are not refused.
        hosts: the host names that requests may be for, in lower case; None for any. Otherwise a
            web page could reach a server on this machine under a name of its own (DNS
            rebinding).
        max_bytes: size of the largest body.
        body_timeout: seconds that a body may take to arrive.
    """

    def __init__(
        self, app: ASGIApp, hosts: set[str] | None, max_bytes: int, body_timeout: float
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.max_bytes = max_bytes
        self.body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer with an error and close the connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check_head(scope["method"], Headers(scope=scope))
            body = await asyncio.wait_for(self._body(receive), self.body_timeout)
        except asyncio.TimeoutError:
            message = f"the request did not arrive within {self.body_timeout:g} seconds."
            await _refusal(408, message)(scope, receive, send)
        except HTTPException as error:
            await _refusal(error.status_code, error.detail)(scope, receive, send)
        else:
            if body is not None:
                await self.app(scope, _replay(body, receive), send)

    def _check_head(self, method: str, headers: Headers) -> None:
        """Raise HTTPException for what the head of a request gives away."""
        host = re.sub(r":\d+$", "", headers.get("host", "")).lower()
        if self.hosts is not None and host not in self.hosts:
            raise HTTPException(
                400, "this server does not go by that name; allow it with --allowed-hosts."
            )
        content_type = headers.get("content-type", "").split(";")[0].strip().lower()
        if method == "POST" and content_type != "application/json":
            raise HTTPException(
                415, "the request must be JSON, with Content-Type: application/json."
            )
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            raise self._too_large()

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None if the client has gone."""
        parts = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            # A chunked body has not declared its length.
            if size > self.max_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)

    def _too_large(self) -> HTTPException:
        return HTTPException(413, f"the request is larger than the {self.max_bytes} bytes allowed.")


def host_names(config: ServeConfig) -> set[str] | None:
    """The host names that requests may be for; None for any."""
    if config.allowed_hosts:
        names = {name.strip().lower() for name in config.allowed_hosts.split(",")}
        return None if "*" in names else names
    if config.host in ANY_ADDRESS:
        return None
    own_name = f"[{config.host}]" if ":" in config.host else config.host.lower()
    return {*LOCAL_NAMES, own_name}


def error_response(
    status: int, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error as all of them look: {"error": one sentence}."""
    return JSONResponse({"error": message}, status, headers)


def _refusal(status: int, message: Any) -> JSONResponse:
    """An error after which the connection is closed, as its body has not been read."""
    return error_response(status, str(message), {"connection": "close"})


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body in one message."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
