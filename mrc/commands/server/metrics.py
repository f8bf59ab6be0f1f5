"""The server's metrics, in the format that Prometheus collects."""

from collections.abc import Iterable, Iterator

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from mrc.commands.server.batcher import Batcher
from mrc.commands.server.observer import Seen

# Seconds: a short text takes hundredths, and a full queue is given up after 30.
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# Stands for every path that does not exist: a client must not make series at will.
OTHER = "other"


class BatcherMetrics(Collector):
    """What the batcher counts by itself."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        batcher = self.batcher
        yield GaugeMetricFamily(
            "mrc_questions_waiting", "Questions that wait.", value=len(batcher.waiting)
        )
        yield CounterMetricFamily(
            "mrc_questions_answered", "Questions answered.", value=batcher.answered
        )
        yield CounterMetricFamily(
            "mrc_batches", "Batches that they were answered in.", value=batcher.batches
        )


class RequestMetrics:
    """Count requests, and how long they took.

    Args:
        registry: where the figures are collected.
        paths: those that exist.
    """

    def __init__(self, registry: CollectorRegistry, paths: Iterable[str]) -> None:
        self.paths = set(paths)
        self.requests = Counter(
            "mrc_requests", "Requests answered.", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "mrc_request_seconds",
            "Seconds until a request was answered.",
            ("path",),
            registry=registry,
            buckets=BUCKETS,
        )

    def __call__(self, seen: Seen) -> None:
        """Count one request."""
        path = seen.path if seen.path in self.paths else OTHER
        self.requests.labels(path, str(seen.status)).inc()
        self.seconds.labels(path).observe(seen.seconds)


def add_metrics(app: FastAPI, batcher: Batcher) -> RequestMetrics:
    """Add the path that Prometheus reads; return what counts the requests of all paths so far."""
    registry = CollectorRegistry()
    registry.register(BatcherMetrics(batcher))

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return RequestMetrics(registry, app.openapi()["paths"])
