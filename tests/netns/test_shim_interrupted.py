"""SIGTERM between two changes of the kernel, sent from inside the shim."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.shimlab import IMDS, MOCK, ShimLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Arguments: the function after which SIGTERM is sent, at which of its calls, and the back end.
START = """
import os, pkgutil, signal, sys
from imds_shim import cli
function, call, backend = sys.argv[1:]
owner_name, _, name = function.rpartition(".")
owner = pkgutil.resolve_name(owner_name)
original = getattr(owner, name)
calls = []
def wrapped(*arguments, **options):
    result = original(*arguments, **options)
    calls.append(name)
    if len(calls) == int(call):
        os.kill(os.getpid(), signal.SIGTERM)
    return result
setattr(owner, name, wrapped)
code = cli.run([b"true"], [b"MOCK_HOSTNAME=mock", b"MOCK_BACKEND=" + backend.encode()])
print(len(calls) >= int(call))
sys.exit(code)
"""

# Forks for each line that python-iptables executes, sends SIGTERM at that line, and undoes what was done before it.
AT_EACH_LINE = """
import itertools, os, signal, sys
from ipaddress import IPv4Address
from imds_shim.errors import Interrupted
from imds_shim.exec.signals import Interrupts
from imds_shim.nat.legacy import LegacyTable
from imds_shim.nat.rule import DnatRule, restore, save

RULE = DnatRule(IPv4Address("169.254.169.254"), 80, IPv4Address(sys.argv[1]), 80)

def change(line):
    left = line
    def trace(frame, event, _argument):
        nonlocal left
        if "iptc" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        return trace
    Interrupts().install()
    table = LegacyTable()
    saved = save([table])
    sys.settrace(trace)
    try:
        table.replace([], [RULE])
        table.own_rules()
    except Interrupted:
        pass
    sys.settrace(None)
    restore(saved)
    return 1 if table.own_rules() else 2 if left > 0 else 0

for line in itertools.count(1):
    child = os.fork()
    if child == 0:
        os._exit(change(line))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        print(code, line)
        break
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    """Return a lab in which every start needs a rule and a route."""
    with ShimLab(tmp_path) as made:
        made.app.ip("route", "del", "default")
        made.app.ip("route", "add", "blackhole", f"{IMDS}/32")
        made.serve()
        yield made


@pytest.mark.parametrize(
    ("function", "call", "backend"),
    [
        ("imds_shim.nat.legacy._FamilyTable._commit", 1, "legacy"),
        ("imds_shim.nat.legacy._FamilyTable._commit", 2, "legacy"),
        ("imds_shim.nat.legacy._FamilyTable._commit", 3, "legacy"),
        ("imds_shim.nat.nft.NftTable._run", 2, "nft"),
        ("imds_shim.nat.redirect.ensure", 1, "nft"),
        ("imds_shim.nat.route._change", 1, "legacy"),
        ("imds_shim.nat.route.ensure_route", 1, "nft"),
        ("imds_shim.startup.verify", 1, "legacy"),
    ],
)
def test_nothing_is_left(lab: ShimLab, function: str, call: int, backend: str) -> None:
    routes = lab.app.ip("route")
    done = lab.app.run([sys.executable, "-c", START, function, str(call), backend], check=False)
    assert (done.returncode, done.stdout) == (143, "True\n"), done.stderr
    assert "imds" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert lab.app.ip("route") == routes


def test_remove_deletes_the_trial_chain_of_a_killed_shim(lab: ShimLab) -> None:
    lab.tool("iptables-legacy", "-t", "nat", "-N", "imds-shim-trial")
    lab.tool("iptables-legacy", "-t", "nat", "-A", "imds-shim-trial", "-j", "RETURN")
    # A start with the other back end ignores it.
    assert lab.shim("true", MOCK_BACKEND="nft").returncode == 0
    assert "removed 1 rule and 1 route" in lab.shim("--remove").stderr
    assert "imds" not in lab.tool("iptables-legacy-save") + lab.tool("nft", "list", "ruleset")
    assert MOCK not in lab.tool("iptables-legacy-save")


def test_a_signal_at_any_line_of_python_iptables_can_be_undone(lab: ShimLab) -> None:
    code, lines = map(int, lab.python(AT_EACH_LINE, MOCK).split())
    assert code == 2, f"at line {lines}: " + ("a rule is left" if code == 1 else f"ended by signal {-code}")
    assert lines > 50
