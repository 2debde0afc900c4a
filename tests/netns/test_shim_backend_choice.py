"""The choice of the back end on a real kernel that lacks one of them, and the messages if none works.

What a kernel lacks is taken away by a seccomp filter (see tests/support/kernel_without.py),
capabilities by setpriv: real root.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

import pytest

from support.paths import ROOT
from support.shimlab import MOCK, MOVED, SHIM, ShimLab, environment

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

WITHOUT_NET_RAW = ("setpriv", "--bounding-set", "-net_raw")
WITHOUT_BOTH = ("setpriv", "--bounding-set", "-net_raw,-net_admin")
# Not the user namespace that owns the network: all capabilities, but without effect.
ELSEWHERE = ("unshare", "--user", "--map-root-user")


def kernel_without(what: str) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "tests/support/kernel_without.py"), what)


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShimLab]:
    assert os.geteuid() == 0, "a seccomp filter and a bounding set need real root"
    with ShimLab(tmp_path_factory.mktemp("lab")) as made:
        made.serve()
        yield made


def start(lab: ShimLab, wrapper: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[str]:
    command = [*wrapper, str(SHIM), "curl", "-sS", "--max-time", "30", "http://169.254.169.254/"]
    return lab.app.run(command, env=environment(**settings), check=False)


def where(lab: ShimLab) -> list[str]:
    """Return the back ends that hold the shim's rule."""
    found = {"legacy": lab.tool("iptables-legacy-save"), "nft": lab.tool("nft", "list", "ruleset")}
    return [name for name, text in found.items() if f"{MOCK}:80" in text and "imds-shim" in text]


@pytest.mark.parametrize(
    ("wrapper", "backend", "chosen"),
    [
        ((), "auto", "legacy"),
        ((), "legacy", "legacy"),
        ((), "nft", "nft"),
        (WITHOUT_NET_RAW, "auto", "nft"),
        (WITHOUT_NET_RAW, "nft", "nft"),
        (kernel_without("legacy"), "auto", "nft"),
        (kernel_without("nft"), "auto", "legacy"),
        (kernel_without("nft"), "legacy", "legacy"),
    ],
)
def test_the_usable_back_end_is_used(lab: ShimLab, wrapper: tuple[str, ...], backend: str, chosen: str) -> None:
    done = start(lab, wrapper, MOCK_BACKEND=backend)
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert where(lab) == [chosen]
    assert start(lab, wrapper, MOCK_BACKEND=backend).returncode == 0
    assert where(lab) == [chosen]


@pytest.mark.parametrize(
    ("wrapper", "backend", "code", "says"),
    [
        (WITHOUT_NET_RAW, "legacy", 77, ["needed for the legacy nat table", "cap_add: [NET_RAW]"]),
        (WITHOUT_BOTH, "auto", 77, ["NET_ADMIN is missing; it is needed to redirect", "cap_add: [NET_ADMIN]"]),
        (WITHOUT_BOTH, "nft", 77, ["NET_ADMIN is missing; it is needed for nf_tables", "cap_add: [NET_ADMIN]"]),
        (kernel_without("legacy"), "legacy", 71, ["this kernel has no legacy nat table for IPv4"]),
        (kernel_without("nft"), "nft", 71, ["this kernel has no nf_tables"]),
        (
            kernel_without("legacy,nft"),
            "auto",
            71,
            ["neither NAT back end", "legacy: this kernel has no", "nft: this kernel has no nf_tables"],
        ),
        ((*kernel_without("legacy"), *WITHOUT_BOTH), "auto", 77, ["NET_ADMIN is missing; it is needed to redirect"]),
        (
            (*kernel_without("nft"), *WITHOUT_NET_RAW),
            "auto",
            77,
            ["neither NAT back end", "NET_RAW is missing", "nft: "],
        ),
        (ELSEWHERE, "nft", 77, ["another user namespace"]),
        (ELSEWHERE, "legacy", 77, ["another user namespace"]),
    ],
)
def test_without_a_usable_back_end_one_line_says_why(
    lab: ShimLab, wrapper: tuple[str, ...], backend: str, code: int, says: list[str]
) -> None:
    done = start(lab, wrapper, MOCK_BACKEND=backend)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("imds-shim: ")
    for words in says:
        assert words in line
    assert where(lab) == []


def test_no_trial_chain_is_left(lab: ShimLab) -> None:
    start(lab, ())
    saved = lab.tool("iptables-legacy-save", "-t", "nat")
    assert [line.split()[0] for line in saved.splitlines() if line.startswith(":")] == [
        ":PREROUTING",
        ":INPUT",
        ":OUTPUT",
        ":POSTROUTING",
    ]
    assert saved.count("-A ") == 1


def test_the_trial_chain_of_a_killed_shim_is_removed(lab: ShimLab) -> None:
    lab.tool("iptables-legacy", "-t", "nat", "-N", "imds-shim-trial")
    lab.tool("iptables-legacy", "-t", "nat", "-A", "imds-shim-trial", "-j", "RETURN")
    assert start(lab, ()).returncode == 0
    assert "imds-shim-trial" not in lab.tool("iptables-legacy-save")


def hide_from_legacy(lab: ShimLab) -> None:
    """Add an nf_tables chain that decides before the legacy table, which was in use already."""
    lab.tool("iptables-legacy", "-t", "nat", "-A", "OUTPUT", "-d", "127.0.0.11/32", "-j", "ACCEPT")
    redirect = ("-p", "tcp", "!", "-d", "10.77.0.0/24", "-j", "REDIRECT", "--to-ports", "15001")
    lab.tool("iptables-nft", "-t", "nat", "-A", "OUTPUT", *redirect)


def others(lab: ShimLab) -> str:
    """Return other programs' rules in both back ends, without the policies' counters."""
    return re.sub(r" \[\d+:\d+\]", "", lab.foreign(("iptables-legacy-save",), ("iptables-nft-save",)))


def test_if_verification_fails_the_other_back_end_is_used(lab: ShimLab) -> None:
    hide_from_legacy(lab)
    before = others(lab)
    done = start(lab, ())
    assert (done.returncode, done.stdout) == (0, "first"), done.stderr
    assert where(lab) == ["nft"]
    warning, said = done.stderr.splitlines()
    assert warning.startswith("imds-shim: warning: 169.254.169.254:80 does not reach ")
    assert warning.endswith("with a rule in the legacy nat table; trying nft")
    assert said == f"imds-shim: 169.254.169.254:80 -> {MOCK}:80 (mock)"
    assert others(lab) == before
    # The next start begins with the back end that works.
    assert start(lab, ()).stderr.splitlines() == [said]
    assert where(lab) == ["nft"]


def test_a_follower_keeps_the_rule_in_the_back_end_that_works(lab: ShimLab) -> None:
    hide_from_legacy(lab)
    lab.mock.ip("address", "add", f"{MOVED}/24", "dev", lab.links[1])
    lab.serve(MOVED, "second")
    wrapper = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    app = lab.start_in_app([*wrapper, str(SHIM), "cat"], env=environment(MOCK_FOLLOW="1"))
    assert app.stderr is not None
    assert [app.stderr.readline() for _ in range(2)][1] == f"imds-shim: 169.254.169.254:80 -> {MOCK}:80 (mock)\n"
    lab.name("mock", MOVED)
    assert app.stderr.readline() == f"imds-shim: the mock has moved: 169.254.169.254:80 -> {MOVED}:80\n"
    assert lab.ask() == "second"
    assert "imds-shim" not in lab.tool("iptables-legacy-save")


@pytest.mark.parametrize(
    ("wrapper", "backend", "says"),
    [
        ((), "auto", ["neither NAT back end", "legacy and nft: 169.254.169.254:80 does not reach"]),
        (kernel_without("nft"), "auto", ["legacy: ", "nft: this kernel has no nf_tables"]),
        ((), "legacy", ["refuses the connection", "MOCK_BACKEND=auto also tries nft"]),
        ((), "nft", ["refuses the connection", "MOCK_BACKEND=auto also tries legacy"]),
    ],
)
def test_if_both_back_ends_fail_both_are_named_and_nothing_is_left(
    lab: ShimLab, wrapper: tuple[str, ...], backend: str, says: list[str]
) -> None:
    lab.tool("nft", "add table ip theirs; add chain ip theirs out { type nat hook output priority -150; }")
    lab.tool("nft", "add rule ip theirs out ip daddr 169.254.169.254 tcp dport 80 redirect to :15001")
    lab.app.ip("route", "del", "default")
    before = lab.tool("nft", "list", "ruleset")
    done = start(lab, wrapper, MOCK_BACKEND=backend)
    assert (done.returncode, done.stdout) == (70, ""), done.stderr
    for words in says:
        assert words in done.stderr.splitlines()[-1]
    assert where(lab) == []
    assert lab.tool("nft", "list", "ruleset") == before
    assert "169.254" not in lab.app.ip("route")


def test_a_failed_start_in_both_back_ends_leaves_an_earlier_rule(lab: ShimLab) -> None:
    assert start(lab, ()).returncode == 0
    before = lab.tool("iptables-legacy-save", "-t", "nat")
    lab.tool("nft", "add table ip theirs; add chain ip theirs out { type nat hook output priority -150; }")
    lab.tool("nft", "add rule ip theirs out ip daddr 169.254.169.254 tcp dport 80 redirect to :15001")
    assert start(lab, ()).returncode == 70
    after = lab.tool("iptables-legacy-save", "-t", "nat")
    assert [line for line in after.splitlines() if "DNAT" in line] == [
        line for line in before.splitlines() if "DNAT" in line
    ]
    assert "imds_shim" not in lab.tool("nft", "list", "ruleset")
