"""Fixtures of the conformance tests: the runs of the SDKs that the selected tests need."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from netlab import Lab
from support.conformance.runs import Runs
from support.conformance.sdk import Sdk
from support.conformance.stage import running_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

STAGES = 2


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    parameters = [item.callspec.params.get("sdk") for item in request.session.items if hasattr(item, "callspec")]
    selected = {sdk.name: sdk for sdk in parameters if isinstance(sdk, Sdk)}
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        stages = [
            stack.enter_context(running_stage(lab, f"stage-{number}", tmp_path_factory.mktemp(f"stage-{number}")))
            for number in range(STAGES)
        ]
        yield stack.enter_context(contextlib.closing(Runs(stages, selected.values())))
