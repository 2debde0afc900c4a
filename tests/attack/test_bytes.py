"""Malformed, foreign and hostile bytes to both ports: no 5xx, no hang, no secret, no growth, no delay for others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.attacked_mock import AttackedMock, assert_log_is_clean, attacked_mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.attack_report import Row

SEED = 20_261_126
DATA_STATUSES = {"200", "400", "401", "403", "404", "405", "413", "414", "417", "431"}
CONTROL_STATUSES = {"100", "200", "201", "204", "400", "403", "404", "405", "409", "413", "415", "422", "431"}
GROWTH_MIB = 3_000_000 / 2**20
# With a full journal; the mock once took more before its first request.
MOST_MIB = 38_000_000 / 2**20
SLOWEST_MILLISECONDS = 250


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[AttackedMock]:
    with attacked_mock(tmp_path) as running:
        yield running


@pytest.mark.parametrize(
    ("plane", "short", "long", "allowed"),
    [("data", 40_000, 1_000_000, DATA_STATUSES), ("control", 6_000, 60_000, CONTROL_STATUSES)],
)
def test_bytes(
    mock: AttackedMock,
    row: Row,
    tmp_path: Path,
    baseline_folder: Path,
    *,
    full: bool,
    plane: str,
    short: int,
    long: int,
    allowed: set[str],
) -> None:
    row.inputs = long if full else short
    mock.attack_bytes("data", 20_000, SEED)  # fills the journal, while the control plane is loaded
    before = mock.resident_mib()
    with mock.observed(baseline_folder) as clients:
        clients.report()
        found = mock.attack_bytes(plane, row.inputs, SEED + 1)
        met = clients.report()
    after = mock.resident_mib()
    growth = after - before
    row.figures |= {
        **met.figures(),
        "memory": f"{before:.1f} {growth:+.1f} MiB",
        "statuses": " ".join(f"{status}:{count}" for status, count in found["statuses"].items()),
    }
    assert found["inputs"] == row.inputs
    assert found["five_hundreds"] == []
    assert set(found["statuses"]) <= allowed
    assert {"200", "400"} <= set(found["statuses"])
    assert found["hung"] == 0
    assert found["refused"] == 0
    assert found["leaks"] == {}
    assert met.attacked.requests > 100
    assert met.attacked.failures == 0, met.attacked.example
    assert met.attacked.slowest < met.baseline.slowest + SLOWEST_MILLISECONDS
    assert growth < GROWTH_MIB
    assert after < MOST_MIB
    assert mock.stop() == 0
    assert_log_is_clean(mock.log())
    assert_log_is_clean((tmp_path / "access.log").read_text())
