"""The server's application: which path answers what.

    POST /answer    {"question", "context", "top_k", "explain", ...} -> {"answers", ...}
    GET  /health    state, queue and counts
    GET  /examples  questions to try
    GET  /          the page to ask in
    GET  /docs      the API described

Every error is {"error": "one sentence"}: 400 malformed, 408 sent too slowly, 413 too large,
415 not JSON, 422 not as described, 429 too many requests are waiting, 503 not answered in time
or too many connections, and 500 anything else, whose cause is only logged.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from mrc.commands.batcher import Batcher
from mrc.commands.server_limits import RequestLimits, error_response, host_names
from mrc.commands.server_pages import load_page, sample_questions
from mrc.commands.server_schemas import Answers, Error, Question
from mrc.config.serve import ServeConfig
from mrc.reader.reader import AskSettings, Reader
from mrc.version import __version__

# Seconds between looks at whether a waiting client is still there.
CLIENT_POLL = 0.5

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": description}
    for status, description in (
        (400, "malformed"),
        (408, "sent too slowly"),
        (413, "too large"),
        (415, "not JSON"),
        (422, "not as described"),
        (429, "too many requests are waiting"),
        (503, "not answered in time"),
    )
}


def make_app(reader: Reader, settings: AskSettings, config: ServeConfig) -> FastAPI:
    """Make the application.

    Args:
        reader: what answers.
        settings: how it is asked, where a request does not say.
        config: limits and host names.
    """
    batcher = Batcher(reader, config.max_queue, config.batch_requests)
    # The folder that it lies in is nobody's business.
    name = Path(config.checkpoint).name

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
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
    _add_api(app, batcher, settings, config)
    _add_state(app, batcher, name)
    _add_pages(app, settings, name)
    app.add_exception_handler(RequestValidationError, _not_as_described)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)
    app.add_middleware(
        RequestLimits,
        hosts=host_names(config),
        max_bytes=config.max_body_kb * 1024,
        body_timeout=config.body_timeout,
    )
    return app


def _add_api(app: FastAPI, batcher: Batcher, settings: AskSettings, config: ServeConfig) -> None:
    @app.post("/answer", responses=ERRORS, response_model_exclude_none=True)
    async def answer(asked: Question, request: Request) -> Answers:
        """Answer a question on a context."""
        length = len(asked.context)
        if length > config.max_context_chars:
            raise HTTPException(
                413,
                f"the context has {length} characters; {config.max_context_chars} are allowed.",
            )
        asked_settings = _settings_of(asked, settings)
        future = batcher.submit(asked.question, asked.context, asked.explain, asked_settings)
        if future is None:
            message = "too many requests are waiting; try again in a moment."
            raise HTTPException(429, message, {"retry-after": "1"})
        return await _wait(future, request, config.timeout)


def _add_state(app: FastAPI, batcher: Batcher, name: str) -> None:
    started = time.monotonic()

    @app.get("/health")
    async def health() -> dict:
        """State of the server: requests that wait, and what has been done."""
        return {
            "status": "ok",
            "checkpoint": name,
            "device": str(batcher.reader.device),
            "waiting": len(batcher.waiting),
            "answered": batcher.answered,
            "batches": batcher.batches,
            "seconds": round(time.monotonic() - started, 1),
        }


def _add_pages(app: FastAPI, settings: AskSettings, name: str) -> None:
    pages = {file: load_page(file) for file in ("index.html", "docs.html")}
    questions = sample_questions()

    @app.get("/examples")
    async def examples() -> list[dict]:
        """Questions to try in four languages, with their right answers, "" for none."""
        return questions

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return pages["index.html"]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return pages["docs.html"]

    @app.get("/defaults", include_in_schema=False)
    async def defaults() -> dict:
        return {"handle_impossible_answer": settings.handle_impossible_answer, "checkpoint": name}


def _settings_of(asked: Question, settings: AskSettings) -> AskSettings:
    """The server's settings, with those of a request in their place."""
    changed: dict[str, Any] = {"top_k": asked.top_k}
    if asked.max_answer_len is not None:
        changed["max_answer_len"] = asked.max_answer_len
    if asked.handle_impossible_answer is not None:
        changed["handle_impossible_answer"] = asked.handle_impossible_answer
    return replace(settings, **changed)


async def _wait(future: asyncio.Future, request: Request, timeout: float) -> Any:
    """The result of a future.

    Raises HTTPException if it takes longer than `timeout` seconds, and stops waiting when the
    client has gone.
    """
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


async def _not_as_described(request: Request, error: Any) -> Response:
    problem = error.errors()[0]
    if problem["type"] == "json_invalid":
        reason, place = problem["ctx"]["error"], problem["loc"][-1]
        return error_response(400, f"the request is not valid JSON: {reason} at character {place}.")
    where = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
    return error_response(422, f"{where}: {problem['msg'].removeprefix('Value error, ')}.")


async def _http_error(request: Request, error: Any) -> Response:
    return error_response(error.status_code, str(error.detail), error.headers)


async def _unexpected_error(request: Request, error: Exception) -> Response:
    return error_response(500, "something went wrong inside the server.")
