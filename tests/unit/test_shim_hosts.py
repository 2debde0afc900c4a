"""The hosts file and resolv.conf are parsed as their manual pages describe them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_shim.network.hosts import ResolverConfig, addresses_in_hosts, candidates, resolver_config
from imds_shim.system import read_text_or_empty

HOSTS = """\
127.0.0.1\tlocalhost
::1 localhost ip6-localhost # loopback
10.0.0.5   Mock_Metadata mock   # two names
# 10.0.0.6 mock
10.0.0.7 mock.
10.0.0.5 mock
fe80::1%eth0 zoned
no-address mock
"""


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("localhost", ["127.0.0.1", "::1"]),
        ("mock_metadata", ["10.0.0.5"]),
        ("MOCK", ["10.0.0.5", "10.0.0.7"]),
        ("mock.", ["10.0.0.5", "10.0.0.7"]),
        ("zoned", ["fe80::1"]),
        ("loopback", []),
        ("10.0.0.5", []),
        ("", []),
    ],
)
def test_hosts(name: str, addresses: list[str]) -> None:
    assert [str(address) for address in addresses_in_hosts(HOSTS, name)] == addresses


def test_a_missing_file_is_empty() -> None:
    assert read_text_or_empty("/nowhere/hosts") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ResolverConfig(("127.0.0.1",), (), 1, 5, use_tcp=False)),
        (
            "nameserver 127.0.0.11\nsearch a.test b.test.\noptions edns0 trust-ad ndots:0\n",
            ResolverConfig(("127.0.0.11",), ("a.test", "b.test"), 0, 5, use_tcp=False),
        ),
        (
            "# comment\n; comment\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver 10.0.0.1\nnameserver x\n",
            ResolverConfig(("10.0.0.1", "fe80::1%eth0"), (), 1, 5, use_tcp=False),
        ),
        (
            "domain a.test\nsearch b.test c.test\n",
            ResolverConfig(("127.0.0.1",), ("b.test", "c.test"), 1, 5, use_tcp=False),
        ),
        ("search b.test\ndomain a.test other\n", ResolverConfig(("127.0.0.1",), ("a.test",), 1, 5, use_tcp=False)),
        ("search a.test\nsearch .\n", ResolverConfig(("127.0.0.1",), (), 1, 5, use_tcp=False)),
        (
            "options timeout:2 attempts:3 use-vc ndots:5\n",
            ResolverConfig(("127.0.0.1",), (), 5, 2, use_tcp=True),
        ),
        ("options timeout:99 ndots:99 timeout:x\n", ResolverConfig(("127.0.0.1",), (), 15, 30, use_tcp=False)),
        ("options timeout:0\nnameserver\n", ResolverConfig(("127.0.0.1",), (), 1, 5, use_tcp=False)),
    ],
)
def test_resolv_conf(text: str, expected: ResolverConfig) -> None:
    assert resolver_config(text) == expected


@pytest.mark.parametrize(
    ("host", "ndots", "names"),
    [
        ("mock", 1, ["mock.a.", "mock.b.", "mock."]),
        ("mock", 0, ["mock.", "mock.a.", "mock.b."]),
        ("mock.test", 1, ["mock.test.", "mock.test.a.", "mock.test.b."]),
        ("mock.test", 5, ["mock.test.a.", "mock.test.b.", "mock.test."]),
        ("mock.", 1, ["mock."]),
    ],
)
def test_candidates(host: str, ndots: int, names: list[str]) -> None:
    assert candidates(host, ResolverConfig(("127.0.0.1",), ("a", "b"), ndots, 5, use_tcp=False)) == names


@given(st.text(), st.text())
def test_arbitrary_text_raises_no_error(text: str, name: str) -> None:
    addresses_in_hosts(text, name)
    config = resolver_config(text)
    assert config.servers
    assert candidates(name, config)
