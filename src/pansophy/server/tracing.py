"""OpenTelemetry traces, where its SDK is installed and a place to send them is configured; else nothing is done.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or a tracer provider that the embedding program has set) configures it, as everywhere.
Requests are traced by FastAPI itself; here are the questions, which outlive them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec


def set_up() -> bool:
    """Send traces to where the environment says. False when it says nothing, or the packages are missing."""
    configured = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not configured or not _is_installed():
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        return False
    from opentelemetry import trace

    name = os.environ.get("OTEL_SERVICE_NAME", "pansophy")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return True


@cache
def _is_installed() -> bool:
    return find_spec("opentelemetry") is not None


@contextmanager
def span(name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
    """A span around the block; nothing where OpenTelemetry is not installed, next to nothing where it is not set up."""
    if not _is_installed():
        yield
        return
    from opentelemetry import trace

    with trace.get_tracer("pansophy.server").start_as_current_span(name, attributes=dict(attributes)):
        yield
