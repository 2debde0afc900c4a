"""Requests generated from the control plane's OpenAPI document; every response must conform to the document."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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

from support.library_wording import LIBRARY_WORDING

if TYPE_CHECKING:
    from schemathesis.schemas import BaseSchema

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/requests/stream"
OF_FACTS = ("/v1/config", "/v1/metadata")
"""Below these paths, valid values of a field depend on other fields."""
CONTRADICTION = re.compile(r'not_after","detail":"\S+ is before not_before ')
"""The refusal of a body that conforms to the document: JSON Schema cannot compare two times."""


def call_every_operation(schema: BaseSchema, mode: GenerationMode, examples: int) -> int:
    """Call each operation with generated parameters and bodies; fail at the first response that is not as documented.

    Args:
        schema: The document, with the address that it was read from.
        mode: Whether requests conform to the document or violate it.
        examples: Number of requests per operation.

    Returns:
        The total number of requests.
    """
    asked = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        can_be_wrong = len(operation.query) > 0 or len(operation.body) > 0
        if operation.path == ENDLESS or (mode is GenerationMode.NEGATIVE and not can_be_wrong):
            continue

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            response = case.call()
            checks = _checks(case.operation.path, mode)
            if CONTRADICTION.search(response.text):
                checks = [check for check in checks if check is not positive_data_acceptance]
            case.validate_response(response, checks=checks)
            if response.status_code in {400, 422}:
                assert not LIBRARY_WORDING.search(response.text), response.text

        ask()
    return asked


def _checks(path: str, mode: GenerationMode) -> list[Any]:
    if mode is GenerationMode.NEGATIVE:
        return [*CHECKS, negative_data_rejection]
    return CHECKS if path.startswith(OF_FACTS) else [*CHECKS, positive_data_acceptance]
