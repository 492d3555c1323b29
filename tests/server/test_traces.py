"""OpenTelemetry: requests and questions arrive where the environment says, over real HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pansophy.errors import UsageError
from pansophy.server import tracing

SERVICE = """
import asyncio
from opentelemetry import trace
from pansophy.server import tracing
from tests.server.conftest import at, fill, running, service
from tests.server.test_rest_api import answered

async def main():
    app = service()
    async with running(app), at(app) as client:
        await fill(client)
        await answered(client)

assert tracing.set_up()
asyncio.run(main())
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Takes what is sent to it; gives its address and what has come."""
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not on the tests' standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


def test_requests_and_questions_are_traced_to_where_the_environment_says(collector, tmp_path):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    endpoint, received = collector
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "PANSOPHY_HOME": str(tmp_path),
    }
    subprocess.run([sys.executable, "-c", SERVICE], check=True, env=environment, timeout=120)
    assert {path for path, _ in received} == {"/v1/traces"}
    resources = [spans for _, body in received for spans in ExportTraceServiceRequest.FromString(body).resource_spans]
    services = {field.value.string_value for spans in resources for field in spans.resource.attributes}
    assert "pansophy" in services
    names = {span.name for spans in resources for scope in spans.scope_spans for span in scope.spans}
    assert "question" in names
    assert any("/api/v1/questions" in name for name in names)
    told = {
        field.key
        for spans in resources
        for scope in spans.scope_spans
        for span in scope.spans
        if span.name == "question"
        for field in span.attributes
    }
    assert told == {"job.id", "corpus"}


def test_traces_go_nowhere_unless_somebody_says_where(monkeypatch):
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert tracing.set_up() is False


def test_traces_that_are_asked_for_but_cannot_be_sent_are_an_error(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(UsageError, match="pip install opentelemetry-sdk"):
        tracing.set_up()
