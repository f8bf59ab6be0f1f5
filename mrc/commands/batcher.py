"""One thread that asks the reader, about all the requests at once that came while it was busy."""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

BATCH_CHARS = 50_000  # contexts that are read together have no more characters, so that a long one holds up few others


class Batcher:
    """Let one thread ask the reader, about all the requests at once that came while it was busy.

    max_queue: requests that may wait; max_batch: requests that are read together.
    """

    def __init__(self, reader, max_queue, max_batch):
        self.reader, self.max_queue, self.max_batch = reader, max_queue, max_batch
        self.waiting, self.arrived = (
            deque(),
            asyncio.Event(),
        )  # waiting: (question, context, explain, settings, future)
        self.thread = ThreadPoolExecutor(1, "reader")
        self.answered = self.batches = 0

    def submit(self, question, context, explain, settings):
        """A future of the answer, or None where too many wait already."""
        if len(self.waiting) >= self.max_queue:
            return None
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((question, context, explain, settings, future))
        self.arrived.set()
        return future

    async def run(self):
        loop = asyncio.get_running_loop()
        while True:
            await self.arrived.wait()
            if batch := self._take():
                results = await loop.run_in_executor(
                    self.thread, self._ask, [request[:4] for request in batch]
                )
                self.batches += 1
                for (*_, future), result in zip(batch, results):
                    if not future.done():
                        self.answered += 1
                        future.set_exception(result) if isinstance(
                            result, Exception
                        ) else future.set_result(result)
            elif not self.waiting:
                self.arrived.clear()

    def _take(self):
        """The requests to read next: as many as fit together, without those that nobody waits for any more."""
        batch, characters = [], 0
        while self.waiting and len(batch) < self.max_batch:
            _, context, _, _, future = self.waiting[0]
            if future.done():
                self.waiting.popleft()
                continue
            characters += len(context)
            if batch and characters > BATCH_CHARS:
                break
            batch.append(self.waiting.popleft())
        return batch

    def _ask(self, requests):
        """The answer to each of (question, context, explain, settings), or the exception that it raised."""
        groups, results = {}, [None] * len(requests)
        for n, (_, _, explain, settings) in enumerate(requests):
            groups.setdefault((explain, settings), []).append(n)
        for (explain, settings), members in groups.items():
            try:
                found = self._ask_alike([requests[n][:2] for n in members], explain, settings)
            except Exception:  # one of them is at fault: the others shall have their answers
                found = [self._ask_alone(requests[n]) for n in members]
            for n, result in zip(members, found):
                results[n] = result
        return results

    def _ask_alike(self, pairs, explain, settings):
        inputs = [{"question": question, "context": context} for question, context in pairs]
        if explain:
            return self.reader.explain(inputs, **asdict(settings))
        answers = self.reader(inputs, **asdict(settings))
        return [{"answers": found if isinstance(found, list) else [found]} for found in answers]

    def _ask_alone(self, request):
        try:
            return self._ask_alike([request[:2]], *request[2:])[0]
        except Exception as error:
            return error
