"""Many requests for each operation, generated from the OpenAPI document; every response must conform to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import schemathesis
from schemathesis.generation import GenerationMode

from support.attacked_mock import assert_log_is_clean, attacked_mock
from support.schema_conformance import call_every_operation

if TYPE_CHECKING:
    from pathlib import Path

    from support.attack_report import Row


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_openapi_requests(tmp_path: Path, row: Row, *, full: bool, mode: GenerationMode) -> None:
    with attacked_mock(tmp_path, configuration={}) as mock:
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{mock.control_port}/openapi.json")
        row.inputs = call_every_operation(schema, mode, examples=200 if full else 15)
        assert row.inputs > 200
        assert mock.stop() == 0
        assert_log_is_clean(mock.log())
