"""What the service counts, for Prometheus. Each service has a registry of its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pansophy.types import Usage

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"pansophy_{name}", what, labels, registry=self._registry)

        self.requests = counter("http_requests", "Requests answered.", "method", "route", "status")
        self.seconds = Histogram(
            "pansophy_http_request_seconds",
            "Time until a request was answered in full.",
            ("method", "route"),
            registry=self._registry,
        )
        self.questions = counter("questions", "Questions read to their end, by how they ended.", "way", "verdict")
        self.calls = counter("model_calls", "Calls made to models.")
        self.tokens = counter("model_tokens", "Tokens that went through models.", "kind")
        self.documents = counter("documents_added", "Documents added to corpora.")
        self.jobs = Gauge(
            "pansophy_jobs", "Questions that wait or run, in all processes.", ("status",), registry=self._registry
        )
        self.streams = Gauge("pansophy_streams", "Event streams that are open here.", registry=self._registry)

    def answered(self, way: str, verdict: str, usage: Usage) -> None:
        """Count a question that was asked as a job or a chat (`way`)."""
        self.questions.labels(way, verdict).inc()
        self.calls.inc(usage.calls)
        self.tokens.labels("prompt").inc(usage.prompt_tokens)
        self.tokens.labels("cached").inc(usage.cached_tokens)
        self.tokens.labels("completion").inc(usage.completion_tokens)

    def text(self, jobs: dict[str, int]) -> bytes:
        """Everything, as Prometheus reads it."""
        for status in ("queued", "running"):
            self.jobs.labels(status).set(jobs.get(status, 0))
        return generate_latest(self._registry)
