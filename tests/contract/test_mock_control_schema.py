"""The control plane keeps to its own OpenAPI document, whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsonschema_rs
import pytest
import schemathesis
from schemathesis.generation import GenerationMode

from support.mockcontrol import DrivenMock, driven_mock
from support.schema_conformance import ENDLESS, call_every_operation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from schemathesis.schemas import BaseSchema


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("mock")) as running:
        yield running


@pytest.fixture(scope="module")
def schema(mock: DrivenMock) -> BaseSchema:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{mock.control_port}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_documented(schema: BaseSchema, mode: GenerationMode) -> None:
    assert call_every_operation(schema, mode, examples=20) > 100


def test_the_document_names_every_route(mock: DrivenMock) -> None:
    paths = mock.do("GET", "/openapi.json")["paths"]
    documented = [(method.upper(), path, each) for path, methods in paths.items() for method, each in methods.items()]
    assert {"/v1/events", "/v1/requests", "/healthz", "/metrics", ENDLESS} <= set(paths)
    for method, path, _ in documented:
        if path != ENDLESS:
            answer = mock.call(method, path.replace("{id}", "x").replace("{path}", "x"))
            assert answer.status != 405, (method, path)
            assert answer.status != 404 or "{" in path, (method, path)
    assert all("422" in each["responses"] for _, _, each in documented), "every operation refuses unknown parameters"
    assert len({each["operationId"] for _, _, each in documented}) == len(documented)
    assert {tag for _, _, each in documented for tag in each["tags"]} == {
        *("service", "clock", "callers", "configuration", "metadata", "events", "faults", "journal"),
    }


def test_no_description_has_indented_lines(mock: DrivenMock) -> None:
    schemas = mock.do("GET", "/openapi.json")["components"]["schemas"]
    assert schemas["SpotInterruption"]["description"].startswith("Send a spot interruption notice.\n\n`spot/instance-")
    assert not [
        name
        for name, schema in schemas.items()
        if "Attributes:" not in schema["description"] and "\n    " in schema["description"]
    ]


def test_what_is_shown_in_place_of_a_secret_is_in_the_document(tmp_path: Path) -> None:
    secrets = {
        "credentials": {"external_id": "an-external-id", "secret_access_key": "x", "access_key_id": "y", "seed": "z"},
        "control": {"token": "a-token-of-sixteen-characters"},
        "eks": {"token": "t"},
    }
    with driven_mock(tmp_path, secrets) as mock:
        document = mock.do("GET", "/openapi.json")
        shown = mock.do("GET", "/v1/config")
    assert shown["credentials"]["external_id"] == shown["control"]["token"] == "********"
    schema = {"$ref": "#/components/schemas/Config", "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(shown)
