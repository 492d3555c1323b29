"""OpenTelemetry traces, where a place to send them is configured; else nothing is done.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or a tracer provider that the embedding program has set) configures it, as everywhere.
Requests are traced by FastAPI itself; here are the questions, which outlive them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec

from pansophy.errors import UsageError


def set_up() -> bool:
    """Send traces to where the environment says. False when it says nothing.

    Raises:
        UsageError: it does, but the packages that send them are missing.
    """
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return False
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UsageError(
            "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which need more packages: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        ) from error
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
