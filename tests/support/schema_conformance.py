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
JUDGED_BY_KEY = {("POST", "/v1/config"), ("PUT", "/v1/metadata/{path}"), ("POST", "/v1/scenarios/preview")}
"""Whether a value is accepted depends on the key or path that it is for, and text is read as in a variable or file."""
CONTRADICTION = re.compile(
    # Facts that have to agree: settings with each other, the address of a block with its length.
    r"is required when |needs a |has one instance for all callers|is an address in |expected an IPv6 block"
    r"|no block contains the (subnet|address) |interface \d+ already has |is not in the region |requires a private IPv4"
    r"|expected one id for each security group|does not contain the address |expected one of the interface's private "
    r"|expected addresses, because |expected either a profile or "
    r"|expected either text, `base64` or the `file`"
    r"|name or a block|is before not_before|with instance_metadata_tags, "
    # What is in force: a mask stands only for a secret that is set.
    r"|the mask \*+ stands for no secret"
    # Names below these sections: paths of the tree, documents of an agent, another program's settings.
    r"|^(variants\[\d+\](\.|: with it, ))?(metadata|ecs\.documents)\b|\baemm\b"
)
"""Refusals that no schema can express."""


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
            response = case.call_and_validate(checks=_checks(case.method, case.operation.path, mode))
            if response.status_code in {400, 422}:
                assert not LIBRARY_WORDING.search(response.text), response.text

        ask()
    return asked


def _checks(method: str, path: str, mode: GenerationMode) -> list[Any]:
    if mode is GenerationMode.NEGATIVE:
        return [*CHECKS, negative_data_rejection]
    if (method, path) in JUDGED_BY_KEY:
        return CHECKS
    return [*CHECKS, _accepts_what_the_document_allows]


def _accepts_what_the_document_allows(context: Any, response: Any, case: Any) -> bool | None:
    errors = response.json().get("errors", ()) if response.status_code == 422 else ()
    if errors and all(CONTRADICTION.search(each["detail"]) for each in errors):
        return None
    return positive_data_acceptance(context, response, case)
