"""What is noted of each request, for the metrics and the access log."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Seen(NamedTuple):
    """A request that has been answered.

    Attributes:
        client: the address that it came from.
        method: of HTTP.
        path: without a query.
        status: of the response.
        seconds: from its head to the last byte of the response.
        sent: bytes of the response's body.
        questions: what was asked.
    """

    client: str
    method: str
    path: str
    status: int
    seconds: float
    sent: int
    questions: list[str]


class Observer:
    """ASGI middleware that tells of every request once it is answered.

    Args:
        app: the application that answers.
        listeners: called with each request.
    """

    def __init__(self, app: ASGIApp, listeners: Sequence[Callable[[Seen], Any]]) -> None:
        self.app = app
        self.listeners = listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note what becomes of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        # A request that gets no response ends as an error of the server's.
        status = 500
        sent = 0

        async def count(message: Message) -> None:
            nonlocal status, sent
            status = message.get("status", status)
            sent += len(message.get("body", b""))
            await send(message)

        # The application leaves the questions here.
        state = scope.setdefault("state", {})
        try:
            await self.app(scope, receive, count)
        finally:
            seen = Seen(
                client=(scope.get("client") or ("",))[0],
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=time.perf_counter() - started,
                sent=sent,
                questions=state.get("questions", []),
            )
            for listener in self.listeners:
                listener(seen)
