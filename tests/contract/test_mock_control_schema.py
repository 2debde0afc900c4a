"""The control plane keeps to its own OpenAPI document, whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)

from foreignwords import FOREIGN
from mockcontrol import DrivenMock, driven_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis.schemas import BaseSchema

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/requests/stream"
OF_FACTS = ("/v1/config", "/v1/metadata")
"""Below these, what one field may be depends on others: facts of an instance agree with each other."""


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("mock")) as running:
        yield running


@pytest.fixture(scope="module")
def schema(mock: DrivenMock) -> BaseSchema:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{mock.control_port}/openapi.json")


def checks_of(path: str, mode: GenerationMode) -> list[Any]:
    if mode is GenerationMode.NEGATIVE:
        return [*CHECKS, negative_data_rejection]
    return CHECKS if path.startswith(OF_FACTS) else [*CHECKS, positive_data_acceptance]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_operation_answers_as_documented(schema: BaseSchema, mode: GenerationMode) -> None:
    asked = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        can_be_wrong = len(operation.query) > 0 or len(operation.body) > 0
        if operation.path == ENDLESS or (mode is GenerationMode.NEGATIVE and not can_be_wrong):
            continue

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=20,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            asked += 1
            response = case.call_and_validate(checks=checks_of(case.operation.path, mode))
            if response.status_code in {400, 422}:
                assert not FOREIGN.search(response.text), response.text

        ask()
    assert asked > 100


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
        *("service", "callers", "configuration", "metadata", "events", "faults", "journal"),
    }
