"""Concurrent shims in one network namespace: containers that share a network, `docker exec`, a pod."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.shimlab import MOCK, MOVED, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each waits until all are ready, so that they run at the same time.
ENSURE = """
import sys
from ipaddress import ip_address
from imds_shim.nat.lock import lock
from imds_shim.nat.backend import open_tables
from imds_shim.nat.rule import DnatRule, ensure
print("ready", flush=True)
sys.stdin.readline()
for round in range(20):
    with lock():
        ensure(open_tables(sys.argv[1]), DnatRule(ip_address("169.254.169.254"), 80, ip_address(sys.argv[2]), 80))
print("done")
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        yield made


@pytest.mark.parametrize("backends", [["legacy"] * 4, ["nft"] * 4, ["legacy", "nft"] * 2])
def test_concurrent_shims_set_one_rule(lab: ShimLab, backends: list[str]) -> None:
    targets = [MOCK, MOVED] * 2
    shims = [
        lab.start_in_app([sys.executable, "-c", ENSURE, backend, to])
        for backend, to in zip(backends, targets, strict=True)
    ]
    for shim in shims:
        assert shim.stdout is not None
        assert shim.stdout.readline() == "ready\n"
    for shim in shims:
        assert shim.stdin is not None
        shim.stdin.write("go\n")
        shim.stdin.flush()
    assert [shim.communicate() for shim in shims] == [("done\n", "")] * 4
    listed = lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert listed.count("DNAT") + listed.count("dnat") == 1


def test_concurrent_starts(lab: ShimLab) -> None:
    lab.serve()
    started = [lab.start_shim("curl", "-sS", "http://169.254.169.254/") for _ in range(20)]
    for process in started:
        out, error = process.communicate(timeout=120)
        assert (process.returncode, out) == (0, "first"), error
    assert lab.tool("iptables-legacy-save").count("DNAT") == 1


def test_a_lock_that_stays_taken_does_not_stop_a_start(lab: ShimLab) -> None:
    """Another process that holds the lock's name does not stop a shim."""
    code = """
from imds_shim.nat.lock import LONGEST_HOLD_SECONDS, lock
slept = [0.0]
with lock():
    with lock(slept.append, lambda: sum(slept)):
        print(LONGEST_HOLD_SECONDS <= sum(slept) < LONGEST_HOLD_SECONDS + 0.1)
with lock(sleep=None):
    print("free again")
"""
    assert lab.python(code) == "True\nfree again\n"
