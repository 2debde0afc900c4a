"""Requests made from the control plane's OpenAPI document, and whether each answer is one that the document allows."""

from __future__ import annotations

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

from support.library_wording import FOREIGN

if TYPE_CHECKING:
    from schemathesis.schemas import BaseSchema

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/v1/requests/stream"
OF_FACTS = ("/v1/config", "/v1/metadata")
"""Below these, what one field may be depends on others: facts of an instance agree with each other."""


def ask_every_operation(schema: BaseSchema, mode: GenerationMode, examples: int) -> int:
    """Ask each operation with made-up parameters and bodies; fails at the first answer that is not as documented.

    Args:
        schema: The document, with the address that it was read from.
        mode: Whether requests keep to the document or break it.
        examples: How many requests each operation gets.

    Returns:
        How many requests were made.
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
            response = case.call_and_validate(checks=_checks(case.operation.path, mode))
            if response.status_code in {400, 422}:
                assert not FOREIGN.search(response.text), response.text

        ask()
    return asked


def _checks(path: str, mode: GenerationMode) -> list[Any]:
    if mode is GenerationMode.NEGATIVE:
        return [*CHECKS, negative_data_rejection]
    return CHECKS if path.startswith(OF_FACTS) else [*CHECKS, positive_data_acceptance]
