"""What the server refuses before reading it: foreign host names, large and slow requests."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mrc.commands.server.errors import ApiError
from mrc.config.serve import ANY_ADDRESS, ServeConfig

LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")

# Bytes of a refused body that are read and thrown away before the connection is closed.
MAX_DISCARDED = 2**24


class BodyLimit(NamedTuple):
    """What the body of a request may be: its content type, and its size in bytes.

    Neither type is one that a web page can send to another server without asking it (CORS).
    """

    content_type: str
    max_bytes: int


class RequestLimits:
    """ASGI middleware that reads a request's body, within limits, before anything else does.

    Args:
        app: the application that gets the requests that are not refused.
        hosts: the host names that requests may be for, in lower case; None for any. Otherwise a
            web page could reach a server on this machine under a name of its own (DNS
            rebinding).
        bodies: what the body of a request may be, by path; "" for all other paths.
        body_timeout: seconds that a body may take to arrive.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: set[str] | None,
        bodies: Mapping[str, BodyLimit],
        body_timeout: float,
    ) -> None:
        self.app = app
        self.hosts = hosts
        self.bodies = bodies
        self.body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer with an error and close the connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.bodies.get(scope["path"], self.bodies[""])
        try:
            self._check_head(scope["method"], Headers(scope=scope), limit)
        except ApiError as error:
            await refuse(error, scope, receive, send, seconds=self.body_timeout)
            return
        try:
            body = await self._timely_body(receive, limit.max_bytes)
        except ApiError as error:
            await error.response({"connection": "close"})(scope, receive, send)
            return
        if body is not None:
            await self.app(scope, _replay(body, receive), send)

    def _check_head(self, method: str, headers: Headers, limit: BodyLimit) -> None:
        """Raise ApiError for what the head of a request gives away."""
        host = re.sub(r":\d+$", "", headers.get("host", "")).lower()
        if self.hosts is not None and host not in self.hosts:
            raise ApiError("unknown_host")
        content_type = headers.get("content-type", "").split(";")[0].strip().lower()
        if method == "POST" and content_type != limit.content_type:
            raise ApiError("wrong_content_type", expected=limit.content_type)
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit.max_bytes:
            raise ApiError("request_too_large", limit=limit.max_bytes)

    async def _timely_body(self, receive: Receive, max_bytes: int) -> bytes | None:
        """The whole body; None if the client has gone. Raises ApiError."""
        try:
            return await asyncio.wait_for(_body(receive, max_bytes), self.body_timeout)
        except asyncio.TimeoutError:
            raise ApiError("request_too_slow", seconds=self.body_timeout) from None


def body_limits(config: ServeConfig) -> dict[str, BodyLimit]:
    """What the body of a request may be, by path; "" for all other paths."""
    return {
        "": BodyLimit("application/json", config.max_body_kb * 1024),
        "/pdf": BodyLimit("application/pdf", config.max_pdf_kb * 1024),
    }


def host_names(config: ServeConfig) -> set[str] | None:
    """The host names that requests may be for; None for any."""
    if config.allowed_hosts:
        names = {name.strip().lower() for name in config.allowed_hosts.split(",")}
        return None if "*" in names else names
    if config.host in ANY_ADDRESS:
        return None
    return {*LOCAL_NAMES, config.url_host.lower()}


async def refuse(
    error: ApiError, scope: Scope, receive: Receive, send: Send, *, seconds: float
) -> None:
    """Answer a request with an error, without its body, and close the connection.

    The body is read and thrown away before that, within limits: a client that still sends when
    the connection is closed would not see the answer.
    """
    with suppress(ApiError, asyncio.TimeoutError):
        await asyncio.wait_for(_body(receive, 0), seconds)
    await error.response({"connection": "close"})(scope, receive, send)


async def _body(receive: Receive, max_bytes: int) -> bytes | None:
    """The whole body; None if the client has gone. Raises ApiError if it is too large."""
    parts = []
    size = 0
    while size <= max_bytes + MAX_DISCARDED:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        # A chunked body has not declared its length.
        if size <= max_bytes:
            parts.append(part)
        if not message.get("more_body"):
            break
    if size > max_bytes:
        raise ApiError("request_too_large", limit=max_bytes)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body in one message."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
