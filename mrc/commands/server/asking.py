"""Asking: questions of a request go into the queue, within limits, and wait for their answers."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fastapi import Request

from mrc.commands.server.batcher import Asked, Batcher
from mrc.commands.server.errors import ApiError
from mrc.config.serve import ServeConfig
from mrc.reader.reader import AskSettings, Reader

# Seconds between looks at whether a waiting client is still there.
CLIENT_POLL = 0.5

# How often a request's windows may read each token, where the server's own settings do not read
# it more often: windows that hardly advance would keep the reader busy for minutes.
MAX_OVERLAP = 4.0
# [CLS], and up to three separators.
SPECIAL_TOKENS = 4


class Asker:
    """Ask the reader what a request asks.

    Args:
        batcher: what answers.
        settings: how the server asks by itself.
        config: limits.
    """

    def __init__(self, batcher: Batcher, settings: AskSettings, config: ServeConfig) -> None:
        self.batcher = batcher
        self.settings = settings
        self.config = config

    async def __call__(self, request: Request, questions: Sequence[Asked]) -> list[Any]:
        """The answers to the questions of a request, in their order. Raises ApiError."""
        # For the access log.
        request.state.questions = [asked.question for asked in questions]
        _check_characters(questions, self.config.max_context_chars)
        for settings in {asked.settings for asked in questions}:
            _check_overlap(self.batcher.reader, settings, self.settings)
        futures = self.batcher.submit(questions)
        if futures is None:
            raise ApiError("queue_full")
        return await _results(futures, request, self.config.timeout)


def _check_characters(questions: Sequence[Asked], limit: int) -> None:
    """Refuse more text than one request may bring."""
    length = sum(asked.characters for asked in questions)
    if length > limit:
        is_one = len(questions) == 1 and len(questions[0].contexts) == 1
        code = "context_too_long" if is_one else "contexts_too_long"
        raise ApiError(code, length=length, limit=limit)


def _check_overlap(reader: Reader, settings: AskSettings, own: AskSettings) -> None:
    """Refuse windows that would read each token many times."""
    limit = max(MAX_OVERLAP, _overlap(reader, own))
    if _overlap(reader, settings) > limit:
        length, question, stride = _window(reader, settings)
        raise ApiError(
            "overlap_too_large", length=length, question=question, stride=stride, limit=limit
        )


def _overlap(reader: Reader, settings: AskSettings) -> float:
    """How often windows read each token, at most: a window's length over how far it advances."""
    length, question, stride = _window(reader, settings)
    return length / max(1, length - question - SPECIAL_TOKENS - stride)


def _window(reader: Reader, settings: AskSettings) -> tuple[int, int, int]:
    """Length, longest question and stride of the windows, in tokens."""
    stride = reader.doc_stride if settings.doc_stride is None else settings.doc_stride
    return (
        settings.max_seq_len or reader.max_seq_len,
        settings.max_question_len or reader.max_question_len,
        stride,
    )


async def _results(
    futures: Sequence[asyncio.Future], request: Request, timeout: float
) -> list[Any]:
    """The results of some futures.

    Raises ApiError if they take longer than `timeout` seconds, and stops waiting when the client
    has gone.
    """
    deadline = time.monotonic() + timeout
    pending: set[asyncio.Future] = set(futures)
    try:
        while pending:
            left = deadline - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                raise ApiError("timeout", seconds=timeout)
            _, pending = await asyncio.wait(pending, timeout=min(left, CLIENT_POLL))
        return [future.result() for future in futures]
    except ValueError as error:
        raise ApiError("cannot_be_asked", reason=str(error)) from None
    finally:
        for future in pending:
            future.cancel()
