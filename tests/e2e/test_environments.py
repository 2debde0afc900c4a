"""Each row of the table in docs/netfilter.md as a real container: where the rule is, what the application is left with.

A container of its own holds the network, so that what a start did to it, or left of it, can be seen afterwards.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.containers import IMDS, INSTANCE_ID
from support.documented_environments import Row, capability_names, rows

if TYPE_CHECKING:
    from pathlib import Path

    from support.containers import Docker

ASK = f"grep CapEff /proc/self/status; getent ahostsv4 mock_metadata; curl -s {IMDS}/latest/meta-data/instance-id"
TABLES = {"legacy": "iptables-legacy-save", "nft": "nft list ruleset"}
SOL_IP, SOL_IPV6, GET_INFO, AF_NETLINK, NETLINK_NETFILTER = 0, 41, 64, 16, 12
ENOPROTOOPT, EPROTONOSUPPORT = 92, 93


def refuse(names: list[str], arguments: dict[int, int], error: int) -> dict[str, Any]:
    """One rule of a seccomp profile: these system calls, with those values of arguments, answer that error."""
    conditions = [{"index": index, "value": value, "op": "SCMP_CMP_EQ"} for index, value in arguments.items()]
    return {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error, "args": conditions}


def profile(missing: tuple[str, ...]) -> str:
    """A seccomp profile under which the kernel answers as one that was built without these back ends."""
    options = ["getsockopt", "setsockopt"]
    rules = {
        "legacy": [refuse(options, {1: level, 2: GET_INFO}, ENOPROTOOPT) for level in (SOL_IP, SOL_IPV6)],
        "nft": [refuse(["socket"], {0: AF_NETLINK, 2: NETLINK_NETFILTER}, EPROTONOSUPPORT)],
    }
    return json.dumps(
        {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule for name in missing for rule in rules[name]]}
    )


def options(row: Row, folder: Path) -> list[str]:
    """The row's words for compose, as `docker run` takes them."""
    words = [word for name in row.added() for word in ("--cap-add", name)]
    words += [word for name, value in row.variables().items() for word in ("--env", f"{name}={value}")]
    if row.dropped():
        words += ["--cap-drop", "ALL"]
    if row.read_only():
        words += ["--read-only"]
    if user := row.user():
        words += ["--user", user]
    if missing := row.missing():
        (folder / "seccomp.json").write_text(profile(missing))
        words += ["--security-opt", f"seccomp={folder}/seccomp.json"]
    return words


@pytest.mark.parametrize("row", rows(), ids=str)
def test_row(
    docker: Docker, debug_image: str, tools_image: str, network: str, mock: str, tmp_path: Path, row: Row
) -> None:
    del mock  # it only has to be there
    holder_options = ["--network", network, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep"]
    with docker.container(tools_image, ["3600"], holder_options) as holder:
        done = docker(
            *("run", "--rm", "--network", f"container:{holder}", "--env", "MOCK_HOSTNAME=mock_metadata"),
            *(*options(row, tmp_path), debug_image, "sh", "-c", ASK),
            check=False,
        )
        tables = {name: docker("exec", holder, *command.split()).stdout for name, command in TABLES.items()}
    assert done.returncode == int(row.exit_code), done.stderr
    assert row.message() in done.stderr
    assert [name for name, text in tables.items() if "imds-shim" in text] == ([row.rule_in] if row.rule_in else [])
    if done.returncode != 0:
        assert done.stdout == ""
        return
    capabilities, *addresses, instance_id = done.stdout.splitlines()
    assert capability_names(capabilities.split()[1]) == row.capabilities()
    # Docker's own redirection of name queries, in the same table, still works.
    assert addresses
    assert instance_id == INSTANCE_ID
