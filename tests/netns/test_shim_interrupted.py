"""SIGTERM between two changes of the kernel, sent from inside the shim's own steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.shimlab import IMDS, MOCK, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Arguments: module and function after which the signal comes, at which of its calls, and the back end.
START = """
import importlib, os, signal, sys
from imds_shim import cli
module, function, call, backend = sys.argv[1:]
holder = importlib.import_module(f"imds_shim.{module}")
*path, name = function.split(".")
for part in path:
    holder = getattr(holder, part)
original = getattr(holder, name)
calls = []
def wrapped(*arguments, **options):
    result = original(*arguments, **options)
    calls.append(name)
    if len(calls) == int(call):
        os.kill(os.getpid(), signal.SIGTERM)
    return result
setattr(holder, name, wrapped)
code = cli.run([b"true"], [b"MOCK_HOSTNAME=mock", b"MOCK_BACKEND=" + backend.encode()])
print(len(calls) >= int(call))
sys.exit(code)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    """Every start needs a route there."""
    with ShimLab(tmp_path) as made:
        made.app.ip("route", "del", "default")
        made.app.ip("route", "add", "blackhole", f"{IMDS}/32")
        made.serve()
        yield made


@pytest.mark.parametrize(
    ("module", "function", "call", "backend"),
    [
        ("legacy", "_Family._write", 1, "legacy"),
        ("legacy", "_Family._write", 2, "legacy"),
        ("legacy", "_Family._write", 3, "legacy"),
        ("nft", "NftTable._run", 2, "nft"),
        ("rule", "ensure", 1, "nft"),
        ("route", "_change", 1, "legacy"),
        ("route", "lead", 1, "nft"),
        ("startup", "prove", 1, "legacy"),
    ],
)
def test_nothing_is_left(lab: ShimLab, module: str, function: str, call: int, backend: str) -> None:
    routes = lab.app.ip("route")
    done = lab.app.run([sys.executable, "-c", START, module, function, str(call), backend], check=False)
    assert (done.returncode, done.stdout) == (143, "True\n"), done.stderr
    assert "imds" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert lab.app.ip("route") == routes


def test_remove_takes_the_trial_of_a_killed_shim_away(lab: ShimLab) -> None:
    lab.tool("iptables-legacy", "-t", "nat", "-N", "imds-shim-trial")
    lab.tool("iptables-legacy", "-t", "nat", "-A", "imds-shim-trial", "-j", "RETURN")
    # A start with the other back end does not look at it.
    assert lab.shim("true", MOCK_BACKEND="nft").returncode == 0
    assert "1 rules and 1 routes removed" in lab.shim("--remove").stderr
    assert "imds" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert MOCK not in lab.tool("iptables-legacy-save")
