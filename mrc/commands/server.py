"""The HTTP server: what comes in is bounded, requests that wait are read together, and every answer is JSON or one page.

    POST /answer   {"question", "context", "top_k", "explain", ...} -> {"answers", "no_answer", "tokens"}
    GET  /health   state, queue and counts        GET /       the page
    GET  /examples questions to try               GET /docs   the API

Errors are {"error": "one sentence"}: 400 malformed, 408 sent too slowly, 413 too large, 415 no JSON, 422 not as described,
429 too many requests wait, 503 not answered in time or too many connections, 500 anything else, whose cause is only logged.
"""

import asyncio
import base64
import hashlib
import logging
import re
import socket
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from starlette.exceptions import HTTPException as StarletteHTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from mrc import __version__
from mrc.commands.batcher import Batcher
from mrc.data.sample import LANGUAGES, sample_examples
from mrc.errors import InputError

WEB = Path(__file__).with_name("web")


LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


CLIENT_POLL = 0.5  # seconds between looks at whether a waiting client is still there


logger = logging.getLogger("uvicorn.error")


class Question(BaseModel):
    """A question on a context."""

    model_config = ConfigDict(extra="forbid")
    question: str = Field(
        max_length=10_000, description="the question", examples=["When was the mill built?"]
    )
    context: str = Field(
        description="the text that holds the answer",
        examples=["The old mill at Harrow Bend was built in 1784."],
    )
    top_k: int = Field(1, ge=1, le=50, description="answers to return at most")
    max_answer_len: int | None = Field(
        None,
        ge=1,
        le=200,
        description="tokens of the longest answer; left out: as the server was started",
    )
    handle_impossible_answer: bool | None = Field(
        None,
        description="whether there may be no answer, the answer then being empty; left "
        "out: as the server was started",
    )
    explain: bool = Field(
        False, description="return the tokens with their probabilities, and the score of no answer"
    )

    @field_validator("question", "context")
    @classmethod
    def not_blank(cls, text):
        if not text.strip():
            raise ValueError("is empty")
        return text


class Answer(BaseModel):
    score: float = Field(description="0 to 1")
    start: int = Field(
        description="first character in the context, counted in Unicode code points from 0"
    )
    end: int = Field(description="the character after the last")
    answer: str = Field(description="the characters of the context; empty for no answer")


class Token(BaseModel):
    start: int
    end: int
    start_probability: float
    end_probability: float


class Answers(BaseModel):
    answers: list[Answer] = Field(description="best first")
    no_answer: float | None = Field(
        None, description="the score of there being no answer; with explain only"
    )
    tokens: list[Token] | None = Field(None, description="the context's tokens; with explain only")


class Error(BaseModel):
    error: str


class Guard:
    """ASGI middleware: refuse foreign host names, and take in no more of a body, for no longer, than is allowed."""

    def __init__(self, app, hosts, max_bytes, body_timeout):
        self.app, self.hosts, self.max_bytes, self.body_timeout = (
            app,
            hosts,
            max_bytes,
            body_timeout,
        )

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            replay = await self._check(scope, receive)
        except HTTPException as error:
            await _error(error.status_code, error.detail, {"connection": "close"})(
                scope, receive, send
            )
            return
        if replay:
            await self.app(scope, replay, send)

    async def _check(self, scope, receive):
        """A `receive` that gives the whole body in one message; None if the client has gone."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if (
            self.hosts is not None
            and re.sub(r":\d+$", "", headers.get("host", "")).lower() not in self.hosts
        ):
            raise HTTPException(
                400,
                "this server does not go by that name; start it with --allowed-hosts to let it.",
            )
        if (
            scope["method"] == "POST"
            and headers.get("content-type", "").split(";")[0].strip().lower() != "application/json"
        ):
            raise HTTPException(
                415, "the request must be JSON, with Content-Type: application/json."
            )
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self.max_bytes:
            raise HTTPException(
                413, f"the request is larger than the {self.max_bytes} bytes that are allowed."
            )
        try:
            body = await asyncio.wait_for(self._body(receive), self.body_timeout)
        except asyncio.TimeoutError:
            raise HTTPException(
                408, f"the request did not arrive within {self.body_timeout:g} seconds."
            ) from None
        if body is None:
            return None
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay():
            return messages.pop() if messages else await receive()

        return replay

    async def _body(self, receive):
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.max_bytes:
                raise HTTPException(
                    413, f"the request is larger than the {self.max_bytes} bytes that are allowed."
                )
            if not message.get("more_body"):
                return b"".join(parts)


class Protocol(H11Protocol):
    """HTTP that gives a client only so long to say what it wants. uvicorn's own limit is on silence between two requests: it
    leaves out the first, and ends with a request's first byte."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def data_received(self, data):
        timer, self.timeout_keep_alive_task, request = (
            self.timeout_keep_alive_task,
            None,
            self.cycle,
        )
        super().data_received(data)
        if timer and self.cycle is request and not self.transport.is_closing():
            self.timeout_keep_alive_task = timer  # the head of a request is still not all there
        elif timer:
            timer.cancel()


class Server(uvicorn.Server):
    """A uvicorn server on a socket that is open already, so that its port is known and taken."""

    def __init__(self, config, listener):
        super().__init__(config)
        self.listener, self.port = listener, listener.getsockname()[1]

    def run(self):
        super().run(sockets=[self.listener])


def make_server(app, config):
    """A Server for the app. Raises InputError if the address cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
    except OSError as error:
        raise InputError(
            f"--host {config.host} --port {config.port}: cannot be listened on ({error.strerror}); "
            "choose another, or --port 0 for a free one."
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


def make_app(reader, settings, config):
    """The FastAPI application. settings: AskSettings that requests start from; config: ServeConfig."""
    batcher, started = Batcher(reader, config.max_queue, config.batch_requests), time.monotonic()
    name = Path(config.checkpoint).name  # where it lies is nobody's business

    @asynccontextmanager
    async def lifespan(app):
        task = asyncio.create_task(batcher.run())
        yield
        task.cancel()
        batcher.thread.shutdown(wait=True, cancel_futures=True)

    app = FastAPI(
        title="mrc",
        version=__version__,
        description=f"Answers to questions on texts, by {name}.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    pages = {file: _page(file) for file in ("index.html", "docs.html")}
    examples = _examples()
    errors = {
        status: {"model": Error, "description": what}
        for status, what in (
            (400, "malformed"),
            (408, "sent too slowly"),
            (413, "too large"),
            (415, "not JSON"),
            (422, "not as described"),
            (429, "too many requests wait"),
            (503, "not answered in time"),
        )
    }

    @app.post("/answer", responses=errors, response_model_exclude_none=True)
    async def answer(asked: Question, request: Request) -> Answers:
        """Answer a question on a context."""
        if len(asked.context) > config.max_context_chars:
            raise HTTPException(
                413,
                f"the context has {len(asked.context)} characters; {config.max_context_chars} are allowed.",
            )
        allows_no_answer, longest = asked.handle_impossible_answer, asked.max_answer_len
        mine = replace(
            settings,
            top_k=asked.top_k,
            max_answer_len=longest or settings.max_answer_len,
            handle_impossible_answer=settings.handle_impossible_answer
            if allows_no_answer is None
            else allows_no_answer,
        )
        future = batcher.submit(asked.question, asked.context, asked.explain, mine)
        if future is None:
            raise HTTPException(
                429, "too many requests are waiting; try again in a moment.", {"retry-after": "1"}
            )
        return await _wait(future, request, config.timeout)

    @app.get("/health")
    async def health() -> dict:
        """State of the server: how many requests wait, and what has been done."""
        return {
            "status": "ok",
            "checkpoint": name,
            "device": str(reader.device),
            "waiting": len(batcher.waiting),
            "answered": batcher.answered,
            "batches": batcher.batches,
            "seconds": round(time.monotonic() - started, 1),
        }

    @app.get("/examples")
    async def list_examples() -> list[dict]:
        """Questions of the built-in corpus in four languages, with their right answers, "" for none."""
        return examples

    @app.get("/", include_in_schema=False)
    async def page():
        return pages["index.html"]

    @app.get("/docs", include_in_schema=False)
    async def docs():
        return pages["docs.html"]

    @app.get("/defaults", include_in_schema=False)
    async def defaults() -> dict:
        return {"handle_impossible_answer": settings.handle_impossible_answer, "checkpoint": name}

    app.add_exception_handler(RequestValidationError, _not_as_described)
    app.add_exception_handler(
        StarletteHTTPException,
        lambda request, error: _error(error.status_code, str(error.detail), error.headers),
    )
    app.add_exception_handler(
        Exception, lambda request, error: _error(500, "something went wrong inside the server.")
    )
    app.add_middleware(
        Guard,
        hosts=_hosts(config),
        max_bytes=config.max_body_kb * 1024,
        body_timeout=config.body_timeout,
    )
    return app


async def _wait(future, request, timeout):
    """What a future comes to. Raises HTTPException if that takes too long; gives up early if the client has gone."""
    deadline = time.monotonic() + timeout
    while not future.done():
        left = deadline - time.monotonic()
        if left <= 0:
            future.cancel()
            message = (
                f"no answer within {timeout:g} seconds; try again later, or with a shorter context."
            )
            raise HTTPException(503, message, {"retry-after": "5"})
        await asyncio.wait({future}, timeout=min(left, CLIENT_POLL))
        if not future.done() and await request.is_disconnected():
            future.cancel()
            raise HTTPException(503, "the client has gone.")
    try:
        return future.result()
    except ValueError as error:
        raise HTTPException(422, str(error)) from None


async def _not_as_described(request, error):
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        return _error(
            400,
            f"the request is not valid JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}.",
        )
    where = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
    return _error(422, f"{where}: {problem['msg'].removeprefix('Value error, ')}.")


def _error(status, message, headers=None):
    return JSONResponse({"error": message}, status, headers)


def _hosts(config):
    """The host names that requests may be for; None for any."""
    if config.allowed_hosts:
        names = [name.strip().lower() for name in config.allowed_hosts.split(",")]
        return None if "*" in names else {*names}
    if config.host in ("0.0.0.0", "::"):
        return None
    return {*LOCAL_NAMES, f"[{config.host}]" if ":" in config.host else config.host.lower()}


def _page(name):
    """A page as a response that lets it run its own script and style, and nothing from anywhere else."""
    text = (WEB / name).read_text("utf-8")
    allowed = {
        kind: " ".join(
            f"'sha256-{_sha256(code)}'"
            for code in re.findall(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        )
        for kind in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(text, headers=headers)


def _sha256(text):
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _examples():
    """Of each language one text of the built-in corpus, with questions of which one has no answer there."""
    chosen = []
    for language in LANGUAGES:
        texts = {}
        for example in sample_examples("validation", (language,), unanswerable=True):
            texts.setdefault(example.context, []).append(example)
        mixed = next(
            group
            for group in texts.values()
            if len({example.is_impossible for example in group}) == 2
        )
        group = sorted(mixed, key=lambda example: example.is_impossible)
        chosen.append(
            {
                "language": language,
                "context": group[0].context,
                "questions": [example.question for example in group],
                "answers": [
                    str(example.answers[0].text) if example.answers else "" for example in group
                ],
            }
        )
    return chosen
