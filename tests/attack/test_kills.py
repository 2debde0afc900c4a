"""Signals at random moments of a start: SIGTERM and SIGINT leave nothing behind, and a start after SIGKILL succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.attack_kills import KillRounds
from support.shimlab import ShimLab

if TYPE_CHECKING:
    from pathlib import Path

    from support.attack_report import Row

SEED = 20_261_127
SLOWEST_SECONDS = 2.0


@pytest.mark.parametrize(
    ("backend", "follow", "seed"),
    [("legacy", False, 0), ("legacy", True, 1), ("nft", False, 2), ("nft", True, 3)],
    ids=["legacy alone", "legacy and follower", "nft alone", "nft and follower"],
)
def test_shim_kills(tmp_path: Path, row: Row, *, full: bool, backend: str, follow: bool, seed: int) -> None:
    with ShimLab(tmp_path) as lab:
        report = KillRounds(lab, backend, follow=follow, seed=SEED + seed).run(250 if full else 10)
    row.inputs = report.rounds
    row.figures |= {
        "slowest end": f"{report.slowest * 1000:.0f} ms",
        "moments": " ".join(f"{name.replace(' ', '-')}:{count}" for name, count in sorted(report.moments.items())),
    }
    assert report.faults == []
    assert report.slowest < SLOWEST_SECONDS
