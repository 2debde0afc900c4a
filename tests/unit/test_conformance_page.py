"""The section of docs/clients.md about SDKs, with made-up results instead of programs."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, cast

import pytest

from support.conformance.page import listed_sdks, renewed_page
from support.conformance.sdk import METADATA, METADATA_ASYNC, over_imdsv2
from support.conformance.sdks import SDKS
from support.conformance.situations import RECORDED
from support.conformance.stage import Run
from support.paths import DOCS

if TYPE_CHECKING:
    from support.conformance.runs import Runs
    from support.conformance.sdk import Sdk
    from support.conformance.situations import Situation

PAGE = (DOCS / "clients.md").read_text()
SDK, OTHER = SDKS[0], SDKS[1]
LATE = RECORDED[-1].name


class MadeUp:
    """Results of which those of one situation differ from the others."""

    def __init__(self, late: Run, repeated: Run) -> None:
        self.late, self.second = late, repeated

    def result(self, _sdk: Sdk, situation: Situation, _case: str) -> Run:
        return self.late if situation.name == LATE else run()

    def repeated(self, _sdk: Sdk, situation: Situation, _case: str) -> Run:
        return self.second if situation.name == LATE else run()


def run(seconds: float = 0.04, requests: int = 3, version: str = "v2", **printed: str) -> Run:
    request = {"method": "GET", "status": 200, "version": version}
    return Run(printed or {"Value": "x", "more": "y"}, {"Value": "x"}, "v2", [request] * requests, seconds)


def renewed(page: str, late: Run, sdk: Sdk = SDK, repeated: Run | None = None) -> str:
    return renewed_page(page, sdk, cast("Runs", MadeUp(late, repeated or late)))


def last_cell(page: str) -> Any:
    lines = [line for line in page.splitlines() if line.startswith(f"| {SDK.name} |")]
    return lines[-1].removesuffix(" |").rpartition(" | ")[2]


@pytest.mark.parametrize(
    ("late", "cell"),
    [
        (run(2.04), "answered, 3 requests, 2.0 s"),
        (run(requests=1), "answered, 1 request, 0.0 s"),
        (run(version="v1"), "fell back to IMDSv1, 3 requests, 0.0 s"),
        (run(1.5, error="Late|Error", message="m"), "error Late/Error, 3 requests, 1.5 s"),
    ],
)
def test_a_cell_tells_the_outcome(late: Run, cell: str) -> None:
    assert last_cell(renewed("# Page\n", late)) == cell


def test_a_case_with_imdsv1_only_is_told_apart_and_does_not_run_if_tokens_are_required() -> None:
    sdk = dataclasses.replace(SDK, lacks={METADATA_ASYNC: "none", over_imdsv2(METADATA): "no token"})
    row = next(line for line in renewed("# Page\n", run(), sdk).splitlines() if line.startswith(f"| {SDK.name} |"))
    assert row.split(" | ")[2:5] == ["IMDSv2: keys, region; IMDSv1: metadata", *["IMDSv2: keys, region"] * 2]
    assert "metadata over IMDSv2: no token" in row


def test_durations_and_days_alone_change_nothing() -> None:
    before = renewed("# Page\n", run(1.0)).replace(" 20", " 19")
    assert renewed(before, run(9.0)) == before
    assert re.search(r"\| 19\d\d-\d\d-\d\d \|$", before, re.MULTILINE)


def test_another_number_of_requests_renews_the_row_and_no_other() -> None:
    before = renewed(renewed("# Page\n", run(1.0), OTHER), run(1.0))
    after = renewed(before, run(9.0, requests=4))
    changed = set(after.splitlines()) - set(before.splitlines())
    assert {line.partition(" | ")[0] for line in changed} == {f"| {SDK.name}"}
    assert last_cell(after) == "answered, 4 requests, 9.0 s"
    assert listed_sdks(after) == [[SDK.name, OTHER.name]] * 4


def test_a_difference_that_a_second_run_does_not_have_changes_nothing() -> None:
    before = renewed("# Page\n", run(1.0))
    assert renewed(before, run(9.0, requests=4), repeated=run(2.0)) == before


def test_the_page_has_the_rows_of_all_sdks() -> None:
    assert listed_sdks(PAGE) == [[sdk.name for sdk in SDKS]] * 4


def test_other_parts_of_the_page_stay() -> None:
    assert renewed(PAGE, run()).partition("\n## Official SDKs\n")[0] == PAGE.partition("\n## Official SDKs\n")[0]


def test_an_answer_with_a_wrong_value_has_no_outcome() -> None:
    with pytest.raises(AssertionError):
        renewed("# Page\n", run(Value="other"))
