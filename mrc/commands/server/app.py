"""The server's application: which path answers what.

    POST /answer    {"question", "context", "top_k", "explain", ...} -> {"answers", ...}
    POST /read      {"question", "contexts", ...} -> the best answers of several texts
    POST /batch     {"questions": [{"question", "context"}, ...], ...} -> {"results": [...]}
    POST /pdf       a PDF file -> its text
    GET  /health    state, queue and counts
    GET  /metrics   the same and more for Prometheus
    GET  /examples  questions to try
    GET  /          the page to ask in
    GET  /docs      the API described

Every error is {"error": one sentence, "code", "parameters"}; errors.py lists them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from mrc.commands.server.access_log import AccessLog
from mrc.commands.server.api import add_api, add_pdf
from mrc.commands.server.batcher import Batcher
from mrc.commands.server.errors import add_error_handlers
from mrc.commands.server.keys import KeyCheck
from mrc.commands.server.limits import RequestLimits, body_limits, host_names
from mrc.commands.server.metrics import add_metrics
from mrc.commands.server.observer import Observer, Seen
from mrc.commands.server.pages import add_pages, sample_questions
from mrc.commands.server.schemas import Health, Sample
from mrc.config.serve import ServeConfig
from mrc.reader.reader import AskSettings, Reader
from mrc.version import __version__


def make_app(
    reader: Reader,
    settings: AskSettings,
    config: ServeConfig,
    *,
    key: str | None = None,
    log: AccessLog | None = None,
) -> ASGIApp:
    """Make the application.

    Args:
        reader: what answers.
        settings: how it is asked, where a request does not say.
        config: limits, and names of hosts and origins.
        key: what requests have to send; None for nothing.
        log: where requests are noted.
    """
    batcher = Batcher(reader, config.max_queue, config.batch_requests)

    # Clients need not know which folder it is in.
    name = Path(config.checkpoint).name
    app = _empty_app(batcher, name)
    add_api(app, batcher, settings, config)
    add_pdf(app, config)
    _add_state(app, batcher, name)
    _add_settings(app, reader, settings, config, has_key=key is not None)
    add_pages(app)
    add_error_handlers(app)
    listeners: list[Callable[[Seen], None]] = [add_metrics(app, batcher)]
    if log:
        listeners.append(log)
    return Observer(_guarded(app, config, key), listeners)


def _empty_app(batcher: Batcher, name: str) -> FastAPI:
    """An application without a path, which runs the batcher for as long as it lives."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(batcher.run())
        yield
        task.cancel()
        batcher.thread.shutdown(wait=True, cancel_futures=True)

    return FastAPI(
        title="mrc",
        version=__version__,
        description=f"Answers to questions on texts, by {name}.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )


def _guarded(app: ASGIApp, config: ServeConfig, key: str | None) -> ASGIApp:
    """The application behind its guards, of which the last is met first.

    They stand around all of it, so that the errors of the inside pass through them too.
    """
    app = RequestLimits(
        app,
        hosts=host_names(config),
        bodies=body_limits(config),
        body_timeout=config.body_timeout,
    )
    if key is not None:
        app = KeyCheck(app, key, config.body_timeout)
    if config.cors_origins is not None:
        # A browser asks without a key whether it may send one, so this stands before the key.
        app = CORSMiddleware(
            app,
            allow_origins=config.cors_origins.split(","),
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type", "x-api-key"],
            expose_headers=["retry-after"],
        )
    return app


def _add_state(app: FastAPI, batcher: Batcher, name: str) -> None:
    """Add what the server says of itself, and questions to try."""
    started = time.monotonic()
    questions = [Sample(**sample) for sample in sample_questions()]

    @app.get("/health")
    async def health() -> Health:
        """State of the server: questions that wait, and what has been done."""
        return Health(
            status="ok",
            checkpoint=name,
            device=str(batcher.reader.device),
            waiting=len(batcher.waiting),
            answered=batcher.answered,
            batches=batcher.batches,
            seconds=round(time.monotonic() - started, 1),
        )

    @app.get("/examples")
    async def examples() -> list[Sample]:
        """Questions to try in four languages, with their right answers, "" for none."""
        return questions


def _add_settings(
    app: FastAPI, reader: Reader, settings: AskSettings, config: ServeConfig, has_key: bool
) -> None:
    """Add what the page has to know of this server."""
    known = {
        "checkpoint": Path(config.checkpoint).name,
        "trained_for_no_answer": reader.allows_no_answer,
        "handle_impossible_answer": settings.handle_impossible_answer,
        "max_context_chars": config.max_context_chars,
        "max_passages": config.max_passages,
        "max_body_kb": config.max_body_kb,
        "max_pdf_kb": config.max_pdf_kb,
        "needs_key": has_key,
    }

    @app.get("/settings", include_in_schema=False)
    async def page_settings() -> dict:
        return known
