"""The API is what its description says, whatever is sent to it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance
from tests.server.conftest import HOUSE, served, service

CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
DESCRIBED = service().openapi()
OPERATIONS = sorted(
    ((method.upper(), path) for path, methods in DESCRIBED["paths"].items() for method in methods),
    key=lambda operation: (operation[0] == "DELETE", operation),  # first those that need what others delete
)


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> Iterator[schemathesis.BaseSchema]:
    """The description of a running service that has a corpus named letters and a question about it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PANSOPHY_HOME", str(tmp_path_factory.mktemp("home")))
        patch.delenv("PANSOPHY_DATABASE", raising=False)
        with served(service()) as url, httpx.Client(base_url=url, timeout=60) as client:
            client.post("/api/v1/corpora", json={"name": "letters"}).raise_for_status()
            files = [("files", ("a.txt", HOUSE.format(number=2).encode()))]
            client.post("/api/v1/corpora/letters/documents", files=files).raise_for_status()
            asked = client.post("/api/v1/questions", json={"corpus": "letters", "question": "Which lamp?"})
            client.get(f"/api/v1/questions/{asked.json()['id']}/events").raise_for_status()
            yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@pytest.fixture(autouse=True)
def home() -> None:
    """Kept for the whole module by `schema`."""


@pytest.mark.parametrize("label", [f"{method} {path}" for method, path in OPERATIONS])
def test_an_operation_answers_as_described_and_never_with_a_server_error(schema, label):
    method, path = label.split()
    operation, described = schema[path][method], DESCRIBED["paths"][path][method.lower()]
    takes = "parameters" in described or "requestBody" in described
    modes = list(GenerationMode) if takes else [GenerationMode.POSITIVE]

    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of([operation.as_strategy(generation_mode=mode) for mode in modes]))
    def check(case: schemathesis.Case) -> None:
        case.validate_response(case.call(timeout=30), checks=CHECKS)

    check()


def test_the_description_has_an_example_for_whatever_is_sent():
    sent = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for methods in DESCRIBED["paths"].values()
        for operation in methods.values()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    names = [(schema if "$ref" in schema else schema["anyOf"][0])["$ref"].rpartition("/")[2] for schema in sent]
    assert sorted(names) == ["ChatRequest", "Continuation", "ModelTest", "NewCorpus", "NewQuestion"]
    assert all(DESCRIBED["components"]["schemas"][name]["examples"] for name in names)
    operations = [operation for methods in DESCRIBED["paths"].values() for operation in methods.values()]
    assert all(operation["summary"] and "default" in operation["responses"] for operation in operations)
    assert DESCRIBED["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
