"""Questions to the server that wait: one thread answers in batches what came while it was busy."""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Literal, NamedTuple

from mrc.reader.reader import AskSettings, Reader

# Characters of the contexts in a batch, so that a long context holds up few others.
BATCH_CHARS = 50_000

Method = Literal["answer", "explain", "read"]


class Asked(NamedTuple):
    """A question, and how it is asked: which method of the reader, and with which settings.

    "answer" and "explain" are asked of one context, "read" of several.
    """

    method: Method
    question: str
    contexts: tuple[str, ...]
    settings: AskSettings

    @property
    def characters(self) -> int:
        """How much there is to read."""
        return sum(len(context) for context in self.contexts)


class Waiting(NamedTuple):
    """A question that waits, and the future of its answer."""

    asked: Asked
    future: asyncio.Future


class Batcher:
    """Let one thread ask the reader, about all questions at once that came while it was busy.

    Args:
        reader: what answers.
        max_queue: questions that may wait.
        max_batch: the most questions in a batch.

    Attributes:
        waiting: the questions that wait.
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

    def submit(self, questions: Sequence[Asked]) -> list[asyncio.Future] | None:
        """Return the futures of the answers, or None if too many questions would wait."""
        if len(self.waiting) + len(questions) > self.max_queue:
            return None
        loop = asyncio.get_running_loop()
        entries = [Waiting(asked, loop.create_future()) for asked in questions]
        self.waiting.extend(entries)
        self.arrived.set()
        return [entry.future for entry in entries]

    async def run(self) -> None:
        """Answer questions until the task is canceled."""
        loop = asyncio.get_running_loop()
        while True:
            await self.arrived.wait()
            batch = self._take()
            if batch:
                questions = [entry.asked for entry in batch]
                results = await loop.run_in_executor(self.thread, self._ask, questions)
                self.batches += 1
                self._deliver(batch, results)
            elif not self.waiting:
                self.arrived.clear()

    def _take(self) -> list[Waiting]:
        """As many questions as fit into a batch, leaving out those whose clients have gone."""
        batch: list[Waiting] = []
        characters = 0
        while self.waiting and len(batch) < self.max_batch:
            entry = self.waiting[0]
            if entry.future.done():
                self.waiting.popleft()
                continue
            characters += entry.asked.characters
            if batch and characters > BATCH_CHARS:
                break
            batch.append(self.waiting.popleft())
        return batch

    def _deliver(self, batch: Sequence[Waiting], results: Sequence[Any]) -> None:
        """Set each future to its result, or to the exception that it is."""
        for entry, result in zip(batch, results, strict=True):
            if entry.future.done():
                continue
            self.answered += 1
            if isinstance(result, Exception):
                entry.future.set_exception(result)
            else:
                entry.future.set_result(result)

    def _ask(self, batch: Sequence[Asked]) -> list[Any]:
        """The answer to each question, or the exception that it raised."""
        groups: dict[tuple[str, AskSettings], list[int]] = {}
        for n, asked in enumerate(batch):
            groups.setdefault((asked.method, asked.settings), []).append(n)
        results: list[Any] = [None] * len(batch)
        for members in groups.values():
            questions = [batch[n] for n in members]
            try:
                found = self._ask_alike(questions)
            except Exception:
                # One of them is at fault: the others shall have their answers.
                found = [self._ask_alone(asked) for asked in questions]
            for n, result in zip(members, found, strict=True):
                results[n] = result
        return results

    def _ask_alike(self, questions: Sequence[Asked]) -> list[Any]:
        """The answers to questions that have the same method and settings."""
        method = questions[0].method
        settings = asdict(questions[0].settings)
        if method == "read":
            return [
                {"answers": self.reader.read(asked.question, asked.contexts, **settings)}
                for asked in questions
            ]
        inputs = [{"question": asked.question, "context": asked.contexts[0]} for asked in questions]
        if method == "explain":
            return self.reader.explain(inputs, **settings)
        answers = self.reader(inputs, **settings)
        return [{"answers": found if isinstance(found, list) else [found]} for found in answers]

    def _ask_alone(self, asked: Asked) -> Any:
        try:
            return self._ask_alike([asked])[0]
        except Exception as error:
            return error
