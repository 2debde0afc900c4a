"""Both back ends on the real kernel: what they set, what they keep, and no gap for any packet."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.shimlab import MOCK, MOVED, ShimLab, end

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BACKENDS = ("legacy", "nft")
LEGACY_RULE = (
    "-A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -m comment --comment imds-shim "
    f"-j DNAT --to-destination {MOCK}:80"
)
SAVES = (
    ("iptables-legacy-save", "-c"),
    ("ip6tables-legacy-save", "-c"),
    ("iptables-nft-save", "-c"),
    ("ip6tables-nft-save", "-c"),
)
# As the engine writes them into a container, with a user's rules before and after, and with counters.
OTHER_RULES = """*nat
:PREROUTING ACCEPT [11:660]
:INPUT ACCEPT [12:720]
:OUTPUT ACCEPT [13:780]
:POSTROUTING ACCEPT [14:840]
:DOCKER_OUTPUT - [0:0]
:DOCKER_POSTROUTING - [0:0]
[3:180] -A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
[5:300] -A OUTPUT -d 10.9.9.9/32 -p tcp -m tcp --dport 80 -m comment --comment "a user's" -j DNAT --to-destination :81
[7:420] -A POSTROUTING -d 127.0.0.11/32 -j DOCKER_POSTROUTING
[1:60] -A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:40001
[2:120] -A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:40002
[0:0] -A DOCKER_POSTROUTING -s 127.0.0.11/32 -p tcp -m tcp --sport 40001 -j SNAT --to-source :53
COMMIT
"""
ENSURE = """
import sys
from ipaddress import ip_address
from imds_shim.nat.backend import open_tables
from imds_shim.nat.rule import DnatRule, ensure
tables = open_tables(sys.argv[1])
for to in sys.argv[3:]:
    outcome = ensure(tables, DnatRule(ip_address(sys.argv[2]), 80, ip_address(to), 80))
    print(tables[0].name, outcome, *tables[0].own_rules(), sep="; ")
"""
REMOVE = """
from imds_shim.nat.backend import open_for_removal
from imds_shim.nat.rule import remove
print(remove(open_for_removal()))
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[ShimLab]:
    with ShimLab(tmp_path) as made:
        yield made


def ours(lab: ShimLab) -> list[str]:
    """Return the shim's rules in every table of the namespace, as the firewall programs show them."""
    nft = re.findall(r"^\s*(ip6? daddr .*imds-shim.*)$", lab.tool("nft", "list", "ruleset"), re.MULTILINE)
    saved = "".join(lab.tool(f"{kind}-legacy-save") for kind in ("iptables", "ip6tables"))
    return [*re.findall(r"^-A .*imds-shim.*$", saved, re.MULTILINE), *nft]


def test_legacy_sets_the_documented_rule_before_all_others(lab: ShimLab) -> None:
    lab.tool("iptables-legacy-restore", "-c", text=OTHER_RULES)
    assert lab.python(ENSURE, "legacy", "169.254.169.254", MOCK) == f"legacy; added; 169.254.169.254:80 -> {MOCK}:80\n"
    saved = lab.tool("iptables-legacy-save")
    assert next(line for line in saved.splitlines() if line.startswith("-A OUTPUT")) == LEGACY_RULE


# Another program adds a rule after the shim has read the table and before it commits, as often as told.
CONCURRENT_CHANGE = """
import subprocess, sys
from imds_shim.errors import KernelRefusedError
from imds_shim.nat import legacy
changes = int(sys.argv[1])
original = legacy._FamilyTable._preserve_policy_counters
def preserve(table):
    global changes
    if changes:
        changes -= 1
        subprocess.run("iptables-legacy -w -t nat -A OUTPUT -d 10.9.9.9/32 -j RETURN".split(), check=True)
    original(table)
legacy._FamilyTable._preserve_policy_counters = preserve
try:
    legacy.LegacyTable().replace([], [legacy.TRIAL_RULE])
    print("committed")
except KernelRefusedError as error:
    print(error)
"""


@pytest.mark.parametrize(("changes", "outcome"), [(4, "committed"), (5, "refused to change the legacy nat table")])
def test_a_concurrent_change_of_the_legacy_table_is_kept_and_the_commit_retried(
    lab: ShimLab, tmp_path: Path, changes: int, outcome: str
) -> None:
    lock = {"XTABLES_LOCKFILE": str(tmp_path / "xtables.lock")}
    assert outcome in lab.python(CONCURRENT_CHANGE, str(changes), env=os.environ | lock)
    saved = lab.tool("iptables-legacy-save")
    assert saved.count("10.9.9.9/32") == changes
    assert saved.count("imds-shim") == (outcome == "committed")


def test_nft_sets_the_rule_in_its_own_table(lab: ShimLab) -> None:
    assert lab.python(ENSURE, "nft", "169.254.169.254", MOCK) == f"nft; added; 169.254.169.254:80 -> {MOCK}:80\n"
    # Newer versions of nft print the priority relative to a name.
    listed = lab.tool("nft", "list", "ruleset").replace("dstnat - 1;", "-101;")
    assert (
        listed.split()
        == (
            "table ip imds_shim { chain output { type nat hook output priority -101; policy accept; "
            f'ip daddr 169.254.169.254 tcp dport 80 dnat to {MOCK}:80 comment "imds-shim" }} }}'
        ).split()
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("program", ["iptables-legacy", "iptables-nft"])
def test_rules_of_other_programs_stay_byte_for_byte(lab: ShimLab, backend: str, program: str) -> None:
    lab.tool(f"{program}-restore", "-c", text=OTHER_RULES)
    # Reading a legacy table creates it; only its content is compared.
    for legacy in ("iptables-legacy", "ip6tables-legacy"):
        lab.tool(legacy, "-t", "nat", "-S")
    before = lab.foreign(*SAVES)
    assert "[5:300] -A OUTPUT -d 10.9.9.9/32" in before
    lab.python(ENSURE, backend, "169.254.169.254", MOCK, MOVED, MOVED)
    assert len(ours(lab)) == 1
    assert lab.foreign(*SAVES) == before
    assert lab.python(REMOVE) == "1\n"
    assert ours(lab) == []
    assert lab.foreign(*SAVES) == before


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_rule_per_endpoint_and_ip_version(lab: ShimLab, backend: str) -> None:
    printed = lab.python(ENSURE, backend, "169.254.169.254", MOCK, MOCK, MOVED)
    assert [line.split("; ")[1] for line in printed.splitlines()] == ["added", "already there", "replaced"]
    printed = lab.python(ENSURE, backend, "fd00:ec2::254", "fd77::1", "fd77::3", "fd77::3")
    assert [line.split("; ")[1] for line in printed.splitlines()] == ["added", "replaced", "already there"]
    assert printed.splitlines()[-1].split("; ")[2:] == [
        f"169.254.169.254:80 -> {MOVED}:80",
        "[fd00:ec2::254]:80 -> [fd77::3]:80",
    ]
    assert len(ours(lab)) == 2
    assert lab.python(REMOVE) == "2\n"
    assert ours(lab) == []


@pytest.mark.parametrize(("first", "second"), [BACKENDS, BACKENDS[::-1]])
def test_another_back_end_replaces_the_rule(lab: ShimLab, first: str, second: str) -> None:
    lab.python(ENSURE, first, "169.254.169.254", MOCK)
    assert lab.python(ENSURE, second, "169.254.169.254", MOVED).split("; ")[:2] == [second, "replaced"]
    (rule,) = ours(lab)
    assert MOVED in rule
    assert rule.startswith("-A OUTPUT" if second == "legacy" else "ip daddr")


def test_copies_added_by_hand_are_reduced_to_one(lab: ShimLab) -> None:
    lab.python(ENSURE, "legacy", "169.254.169.254", MOCK)
    words = LEGACY_RULE.split()
    lab.tool("iptables-legacy", "-t", "nat", *words)
    assert len(ours(lab)) == 2
    assert "replaced" in lab.python(ENSURE, "legacy", "169.254.169.254", MOCK)
    assert ours(lab) == [LEGACY_RULE]


def test_the_iptables_program_can_delete_our_rule_by_its_text(lab: ShimLab) -> None:
    lab.python(ENSURE, "legacy", "169.254.169.254", MOCK)
    lab.tool("iptables-legacy", "-t", "nat", "-D", *LEGACY_RULE.split()[1:])
    assert ours(lab) == []


@pytest.mark.parametrize(
    "words",
    [
        "-d 169.254.169.254/32 -p tcp {comment} -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.0/24 -p tcp -m tcp --dport 80 {comment} -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.254/32 -p tcp -m tcp --dport 80 {comment}-2 -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.254/32 -p tcp -m tcp --dport 80 {comment} -j RETURN",
        "-d 169.254.169.254/32 -o lo -p tcp -m tcp --dport 80 {comment} -j DNAT --to-destination 10.0.0.9:80",
        "-s 10.77.0.2/32 -d 169.254.169.254/32 -p tcp -m tcp --dport 80 {comment} -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.254/32 -p tcp -m tcp --sport 9 --dport 80 {comment} -j DNAT --to-destination 10.0.0.9:80",
        "-d 169.254.169.254/32 -p tcp -m tcp --dport 80 {comment} -j DNAT --to-destination 10.0.0.8-10.0.0.9:80",
        "! -d 169.254.169.254/32 -p tcp -m tcp --dport 80 {comment} -j DNAT --to-destination 10.0.0.9:80",
    ],
)
def test_rules_that_resemble_the_shims_are_unchanged(lab: ShimLab, words: str) -> None:
    words = words.format(comment="-m comment --comment imds-shim")
    lab.tool("iptables-legacy", "-t", "nat", "-A", "OUTPUT", *words.split())
    lab.python(ENSURE, "legacy", "169.254.169.254", MOCK)
    assert lab.python(REMOVE) == "1\n"
    assert f"-A OUTPUT {words}\n" in lab.tool("iptables-legacy-save")


def test_reading_creates_nothing(lab: ShimLab) -> None:
    lab.python(ENSURE, "nft", "169.254.169.254", MOCK)
    assert lab.python(REMOVE) == "1\n"
    # A legacy table that was opened stays, slows every packet down, and makes iptables-nft warn.
    assert lab.app.run(["cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"]).stdout == ""
    lab.python(ENSURE, "legacy", "169.254.169.254", MOCK)
    assert lab.app.run(["cat", "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names"]).stdout == "nat\n"
    assert lab.tool("nft", "list", "tables") == ""


# A change of nf_tables takes fifty times as long, most of it waiting for the kernel: fewer are as many chances.
@pytest.mark.parametrize(("backend", "moves"), [("legacy", 500), ("nft", 50)])
def test_during_a_replacement_every_connection_reaches_a_mock(lab: ShimLab, backend: str, moves: int) -> None:
    lab.mock.ip("address", "add", f"{MOVED}/24", "dev", lab.links[1])
    lab.serve(MOCK, "first")
    lab.serve(MOVED, "second")
    lab.python(ENSURE, backend, "169.254.169.254", MOCK)
    client = """
import select, socket, sys
seen, failures = set(), []
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        # The kernel of the mock accepts at once; its process may be slow on a busy machine.
        with socket.create_connection(("169.254.169.254", 80), timeout=1) as c:
            c.settimeout(30)
            c.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            answer = b""
            while part := c.recv(4096):
                answer += part
            seen.add(answer.rsplit(b"\\r\\n", 1)[1].decode())
    except OSError as error:
        failures.append(repr(error))
print(sorted(seen), failures)
"""
    asking = lab.app.popen([sys.executable, "-c", client], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "ready\n"
        printed = lab.python(ENSURE, backend, "169.254.169.254", *([MOVED, MOCK] * moves), timeout=300)
        assert printed.count("replaced") == 2 * moves
        assert asking.communicate("stop\n", timeout=60)[0] == "['first', 'second'] []\n"
    finally:
        end(asking)
