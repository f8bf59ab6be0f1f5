"""The requests that ask: a question, a question on many texts, many questions, a PDF's text."""

from dataclasses import fields, replace
from typing import Any

from fastapi import FastAPI, Request

from mrc.commands.server.asking import Asker
from mrc.commands.server.batcher import Asked, Batcher, Method
from mrc.commands.server.errors import ApiError
from mrc.commands.server.pdf import PdfReader
from mrc.commands.server.schemas import (
    Answers,
    Batch,
    BatchAnswers,
    DocumentText,
    Error,
    PassageAnswers,
    Passages,
    Question,
    Settings,
)
from mrc.config.serve import ServeConfig
from mrc.reader.reader import AskSettings

READ_TOP_K = 5

DESCRIPTIONS = {
    400: "malformed",
    401: "a key is missing or wrong",
    408: "sent too slowly",
    413: "too large",
    415: "another content type than expected",
    422: "not as described",
    429: "too many requests are waiting",
    501: "needs a package that is not installed",
    503: "not answered in time",
}
PDF_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def add_api(app: FastAPI, batcher: Batcher, settings: AskSettings, config: ServeConfig) -> None:
    """Add the paths that answer questions.

    Args:
        app: the application.
        batcher: what answers.
        settings: how it is asked, where a request does not say.
        config: limits.
    """
    ask = Asker(batcher, settings, config)
    responses = error_responses(but=501)

    @app.post("/answer", responses=responses, response_model_exclude_none=True)
    async def answer(asked: Question, request: Request) -> Answers:
        """Answer a question on a text."""
        method: Method = "explain" if asked.explain else "answer"
        contexts = (asked.context,)
        question = Asked(method, asked.question, contexts, _merged(settings, asked))
        (result,) = await ask(request, [question])
        return result

    @app.post("/read", responses=responses)
    async def read(asked: Passages, request: Request) -> PassageAnswers:
        """Look for the answer in several texts, and return the best of all.

        The scores compare texts: an answer's share of the odds of all answers and of none.
        """
        _check_count("contexts", len(asked.contexts), config.max_passages)
        chosen = replace(settings, top_k=READ_TOP_K, scoring="pipeline")
        question = Asked("read", asked.question, tuple(asked.contexts), _merged(chosen, asked))
        (result,) = await ask(request, [question])
        return result

    @app.post("/batch", responses=responses, response_model_exclude_none=True)
    async def batch(asked: Batch, request: Request) -> BatchAnswers:
        """Answer several questions, each on a text of its own."""
        limit = min(config.max_questions, config.max_queue)
        _check_count("questions", len(asked.questions), limit)
        merged = _merged(settings, asked)
        questions = [
            Asked("answer", pair.question, (pair.context,), merged) for pair in asked.questions
        ]
        return BatchAnswers(results=await ask(request, questions))


def add_pdf(app: FastAPI, config: ServeConfig) -> None:
    """Add the path that returns the text of a PDF file."""
    reader = PdfReader(config.timeout, config.max_context_chars)

    @app.post("/pdf", responses=error_responses(), openapi_extra=PDF_BODY)
    async def pdf(request: Request) -> DocumentText:
        """The text of a PDF file, to ask about; the file itself is the request's body."""
        return DocumentText(**await reader.read(await request.body()))


def error_responses(but: int | None = None) -> dict[int | str, dict[str, Any]]:
    """The statuses of errors, as /openapi.json describes them."""
    return {
        status: {"model": Error, "description": description}
        for status, description in DESCRIPTIONS.items()
        if status != but
    }


def _merged(settings: AskSettings, asked: Settings) -> AskSettings:
    """The server's settings, with those of a request in their place."""
    given = asked.model_dump(exclude_none=True)
    names = {setting.name for setting in fields(AskSettings)}
    return replace(settings, **{name: given[name] for name in names & given.keys()})


def _check_count(field: str, count: int, limit: int) -> None:
    if count > limit:
        raise ApiError("too_many", field=field, count=count, limit=limit)
