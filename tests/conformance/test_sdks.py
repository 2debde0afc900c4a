"""AWS SDKs at the real addresses: they read the right values, and the page says what they do if a request fails."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pytest

from support.conformance.page import renewed_page
from support.conformance.sdks import SDKS
from support.conformance.situations import ASSERTED
from support.paths import ROOT

if TYPE_CHECKING:
    from support.conformance.runs import Runs
    from support.conformance.sdk import Sdk
    from support.conformance.situations import Situation

PAGE = ROOT / "docs" / "clients.md"
EACH_SDK = pytest.mark.parametrize("sdk", SDKS, ids=lambda sdk: sdk.name)
ASSERTED_RUNS = [
    pytest.param(sdk, situation, case, id=f"{sdk.name}-{situation.name}-{case}")
    for sdk in SDKS
    for situation in ASSERTED
    for case in situation.cases_of(sdk)
]


@pytest.mark.parametrize(("sdk", "situation", "case"), ASSERTED_RUNS)
def test_sdk_reads_what_the_mock_serves(sdk: Sdk, situation: Situation, case: str, runs: Runs) -> None:
    run = runs.result(sdk, situation, case)
    assert "error" not in run.printed, run.printed
    assert run.values == run.expected
    assert {request["version"] for request in run.requests} == {situation.version_of(sdk, case)}
    assert {":" in request["caller"] for request in run.requests} == {situation.ipv6}


@EACH_SDK
def test_the_page_has_what_the_sdk_did(sdk: Sdk, runs: Runs) -> None:
    before = PAGE.read_text()
    after = renewed_page(before, sdk, runs)
    if after != before:
        PAGE.write_text(after)
        difference = "\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))
        pytest.fail(
            f"the rows of {sdk.name} in docs/{PAGE.name} were outdated; they are renewed now: read and commit them\n"
            f"{difference}"
        )
