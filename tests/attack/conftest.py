"""The length of the attacks, and the table at the end.

With `IMDS_ATTACK=full` they send the numbers that docs/security.md states; otherwise a shorter part of each runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.attack_report import Row, rendered

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_ROWS = pytest.StashKey[list[Row]]()
_PASSED = pytest.StashKey[bool]()


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether the attacks run in full."""
    return os.environ.get("IMDS_ATTACK") == "full"


@pytest.fixture(scope="session")
def slack(*, full: bool) -> float:
    """Milliseconds by which the 99th percentile may always grow, because CI machines are busy."""
    return 3.0 if full else 25.0


@pytest.fixture
def baseline_folder(tmp_path: Path) -> Path:
    """A folder for the mock that is not attacked."""
    folder = tmp_path / "baseline"
    folder.mkdir()
    return folder


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Iterator[Row]:
    """The row of this test in the table; the test fills in its figures."""
    node: pytest.Item = request.node
    own = Row(attack=node.name.removeprefix("test_").replace("_", " "))
    node.config.stash.setdefault(_ROWS, []).append(own)
    yield own
    own.held = node.stash.get(_PASSED, False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if rows := config.stash.get(_ROWS, []):
        terminalreporter.section("attack")
        for line in rendered(rows):
            terminalreporter.line(line)
