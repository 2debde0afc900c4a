from __future__ import annotations

import copy
from ipaddress import ip_address
from typing import Any

import pytest

from imds_shim.errors import KernelRefusedError, PrivilegeError
from imds_shim.nat.nft import _to_error, parse
from imds_shim.nat.rule import DnatRule

# As libnftables 1.0.6 and 1.1.3 print it.
LISTED: dict[str, Any] = {
    "family": "ip",
    "table": "imds_shim",
    "chain": "output",
    "handle": 2,
    "comment": "imds-shim",
    "expr": [
        {
            "match": {
                "op": "==",
                "left": {"payload": {"protocol": "ip", "field": "daddr"}},
                "right": "169.254.169.254",
            }
        },
        {"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 80}},
        {"dnat": {"addr": "172.18.0.2", "port": 1338}},
    ],
}


def test_the_shims_rule_is_parsed() -> None:
    assert parse(LISTED) == DnatRule(ip_address("169.254.169.254"), 80, ip_address("172.18.0.2"), 1338)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("comment",), "another"),
        (("chain",), "input"),
        (("expr", 0, "match", "op"), "!="),
        (("expr", 0, "match", "right"), {"prefix": {"addr": "169.254.0.0", "len": 16}}),
        (("expr", 1, "match", "left", "payload", "protocol"), "udp"),
        (("expr", 1, "match", "right"), {"range": [80, 81]}),
        (("expr", 2), {"accept": None}),
        (("expr",), LISTED["expr"][1:]),
    ],
)
def test_any_other_rule_is_another_programs(path: tuple[str | int, ...], value: object) -> None:
    listed: Any = copy.deepcopy(LISTED)
    *way, last = path
    place = listed
    for step in way:
        place = place[step]
    place[last] = value
    assert parse(listed) is None


def test_errors_of_the_library_are_translated() -> None:
    said = "Error: Could not process rule: Operation not supported\nadd rule ip imds_shim output ...\n^^^^^^^^\n"
    error = _to_error(said)
    assert isinstance(error, KernelRefusedError)
    assert str(error) == "nf_tables refused the rule: Could not process rule: Operation not supported."


def test_a_missing_capability_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from imds_shim import capabilities

    none = capabilities.CapabilitySets(0, 0, 0, 0, 0)
    monkeypatch.setattr(capabilities, "read_sets", lambda: none)
    error = _to_error("Error: cache initialization failed: Operation not permitted\n")
    assert isinstance(error, PrivilegeError)
    assert "NET_ADMIN is missing; it is needed for nf_tables. Add `cap_add: [NET_ADMIN]`" in str(error)
