"""Requests to the server that wait: one thread answers in batches what came while it was busy."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, NamedTuple

from mrc.reader.reader import AskSettings, Reader

# Characters of the contexts in a batch, so that a long context holds up few others.
BATCH_CHARS = 50_000


class Waiting(NamedTuple):
    """A request, and the future of its answer."""

    question: str
    context: str
    explain: bool
    settings: AskSettings
    future: asyncio.Future


class Batcher:
    """Let one thread ask the reader, about all requests at once that came while it was busy.

    Args:
        reader: what answers.
        max_queue: requests that may wait.
        max_batch: the most requests in a batch.

    Attributes:
        waiting: the requests that wait.
        answered: how many were answered.
        batches: in how many batches.
        thread: the thread, as an executor.
    """

    def __init__(self, reader: Reader, max_queue: int, max_batch: int) -> None:
        self.reader = reader
        self.max_queue = max_queue
        self.max_batch = max_batch
        self.waiting: deque[Waiting] = deque()
        self.arrived = asyncio.Event()
        self.thread = ThreadPoolExecutor(1, "reader")
        self.answered = 0
        self.batches = 0

    def submit(
        self, question: str, context: str, explain: bool, settings: AskSettings
    ) -> asyncio.Future | None:
        """Return the future of an answer, or None if too many requests wait."""
        if len(self.waiting) >= self.max_queue:
            return None
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(Waiting(question, context, explain, settings, future))
        self.arrived.set()
        return future

    async def run(self) -> None:
        """Answer requests until the task is canceled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.arrived.wait()
            batch = self._take()
            if batch:
                results = await loop.run_in_executor(self.thread, self._ask, batch)
                self.batches += 1
                self._deliver(batch, results)
            elif not self.waiting:
                self.arrived.clear()

    def _take(self) -> list[Waiting]:
        """As many requests as fit into a batch, leaving out those whose clients have gone."""
        batch: list[Waiting] = []
        characters = 0
        while self.waiting and len(batch) < self.max_batch:
            request = self.waiting[0]
            if request.future.done():
                self.waiting.popleft()
                continue
            characters += len(request.context)
            if batch and characters > BATCH_CHARS:
                break
            batch.append(self.waiting.popleft())
        return batch

    def _deliver(self, batch: Sequence[Waiting], results: Sequence[Any]) -> None:
        """Set each future to its result, or to the exception that it is."""
        for request, result in zip(batch, results, strict=True):
            if request.future.done():
                continue
            self.answered += 1
            if isinstance(result, Exception):
                request.future.set_exception(result)
            else:
                request.future.set_result(result)

    def _ask(self, batch: Sequence[Waiting]) -> list[Any]:
        """The answer to each request, or the exception that it raised."""
        groups: dict[tuple[bool, AskSettings], list[int]] = {}
        for n, request in enumerate(batch):
            groups.setdefault((request.explain, request.settings), []).append(n)
        results: list[Any] = [None] * len(batch)
        for members in groups.values():
            requests = [batch[n] for n in members]
            try:
                found = self._ask_alike(requests)
            except Exception:
                # One of them is at fault: the others shall have their answers.
                found = [self._ask_alone(request) for request in requests]
            for n, result in zip(members, found, strict=True):
                results[n] = result
        return results

    def _ask_alike(self, requests: Sequence[Waiting]) -> list[Any]:
        """The answers to requests that have the same settings."""
        inputs = [
            {"question": request.question, "context": request.context} for request in requests
        ]
        settings = asdict(requests[0].settings)
        if requests[0].explain:
            return self.reader.explain(inputs, **settings)
        answers = self.reader(inputs, **settings)
        return [{"answers": found if isinstance(found, list) else [found]} for found in answers]

    def _ask_alone(self, request: Waiting) -> Any:
        try:
            return self._ask_alike([request])[0]
        except Exception as error:
            return error
