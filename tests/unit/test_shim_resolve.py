"""Name resolution, against name servers on loopback."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from imds_shim.deadline import Deadline
from imds_shim.errors import ResolveError
from imds_shim.network.resolve import Resolver
from support.name_server import ScriptedNameServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOCK = {"mock_metadata.": {"A": ["10.0.0.2"]}}


@pytest.fixture
def server() -> Iterator[ScriptedNameServer]:
    with ScriptedNameServer(MOCK) as running:
        yield running


class Files:
    """The test's hosts file and resolv.conf."""

    def __init__(self, folder: Path) -> None:
        self.hosts = folder / "hosts"
        self.resolv_conf = folder / "resolv.conf"

    def resolver(
        self, server: ScriptedNameServer, hosts: str = "", resolv_conf: str = "nameserver 127.0.0.1\n"
    ) -> Resolver:
        self.hosts.write_text(hosts)
        self.resolv_conf.write_text(resolv_conf)
        return Resolver(str(self.hosts), str(self.resolv_conf), server.port)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def found(resolver: Resolver, host: str, *, seconds: float = 5, ipv6: bool = False) -> list[str]:
    return [str(address) for address in resolver.addresses(host, Deadline(seconds), ipv6=ipv6)]


def test_an_address_needs_no_lookup(files: Files, server: ScriptedNameServer) -> None:
    assert found(files.resolver(server), "10.9.9.9") == ["10.9.9.9"]
    assert found(files.resolver(server), "fd00::2") == ["fd00::2"]
    assert server.queries == []


def test_the_hosts_file_comes_before_dns(files: Files, server: ScriptedNameServer) -> None:
    resolver = files.resolver(server, hosts="10.1.1.1 other Mock_Metadata # mine\n10.1.1.2 mock_metadata\n")
    assert found(resolver, "mock_metadata") == ["10.1.1.1", "10.1.1.2"]
    assert server.queries == []


def test_a_name_with_an_underscore(files: Files, server: ScriptedNameServer) -> None:
    assert found(files.resolver(server), "mock_metadata") == ["10.0.0.2"]
    assert server.queries == [("udp", "mock_metadata.", "A")]


def test_several_addresses(files: Files, server: ScriptedNameServer) -> None:
    server.records["many."] = {"A": ["10.0.0.9", "10.0.0.1", "10.0.0.5"]}
    assert sorted(found(files.resolver(server), "many")) == ["10.0.0.1", "10.0.0.5", "10.0.0.9"]


def test_ipv6_is_queried_if_wanted(files: Files, server: ScriptedNameServer) -> None:
    server.records["both."] = {"A": ["10.0.0.2"], "AAAA": ["fd00::2"]}
    assert found(files.resolver(server), "both") == ["10.0.0.2"]
    assert found(files.resolver(server), "both", ipv6=True) == ["10.0.0.2", "fd00::2"]


def test_a_mock_with_ipv6_only_is_found(files: Files, server: ScriptedNameServer) -> None:
    server.records["six."] = {"AAAA": ["fd00::2"]}
    assert found(files.resolver(server), "six") == ["fd00::2"]


def test_a_chain_of_aliases_within_one_answer(files: Files, server: ScriptedNameServer) -> None:
    server.records |= {"a.": {"CNAME": ["b."]}, "b.": {"CNAME": ["c."]}, "c.": {"A": ["10.0.0.3"]}}
    assert found(files.resolver(server), "a") == ["10.0.0.3"]
    assert len(server.queries) == 1


def test_an_alias_without_addresses_is_queried(files: Files, server: ScriptedNameServer) -> None:
    server.follows_aliases = False
    server.records |= {"near.": {"CNAME": ["far."]}, "far.": {"A": ["10.0.0.4"]}}
    assert found(files.resolver(server), "near") == ["10.0.0.4"]
    assert [name for _, name, _ in server.queries] == ["near.", "far."]


def test_a_loop_of_aliases_ends(files: Files, server: ScriptedNameServer) -> None:
    server.follows_aliases = False
    server.records |= {"x.": {"CNAME": ["y."]}, "y.": {"CNAME": ["x."]}}
    with pytest.raises(ResolveError, match="too long a chain of aliases"):
        found(files.resolver(server), "x")


def test_search_and_ndots_determine_the_queries(files: Files, server: ScriptedNameServer) -> None:
    server.records["mock.second.test."] = {"A": ["10.0.0.7"]}
    conf = "nameserver 127.0.0.1\nsearch first.test second.test\n"
    assert found(files.resolver(server, resolv_conf=conf), "mock") == ["10.0.0.7"]
    assert [name for _, name, _ in server.queries] == ["mock.first.test.", "mock.second.test."]
    server.queries.clear()
    server.records["a.b."] = {"A": ["10.0.0.8"]}
    assert found(files.resolver(server, resolv_conf=conf + "options ndots:2\n"), "a.b") == ["10.0.0.8"]
    assert [name for _, name, _ in server.queries] == ["a.b.first.test.", "a.b.second.test.", "a.b."]


def test_a_truncated_response_is_queried_over_tcp(files: Files, server: ScriptedNameServer) -> None:
    server.cut = True
    assert found(files.resolver(server), "mock_metadata") == ["10.0.0.2"]
    assert [transport for transport, _, _ in server.queries] == ["udp", "tcp"]


def test_use_vc_queries_over_tcp(files: Files, server: ScriptedNameServer) -> None:
    resolver = files.resolver(server, resolv_conf="nameserver 127.0.0.1\noptions use-vc\n")
    assert found(resolver, "mock_metadata") == ["10.0.0.2"]
    assert [transport for transport, _, _ in server.queries] == ["tcp"]


def test_a_silent_server_leaves_time_for_the_next(files: Files, server: ScriptedNameServer) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.2", server.port))
        conf = "nameserver 127.0.0.2\nnameserver 127.0.0.1\nsearch a.test b.test\noptions timeout:1\n"
        assert found(files.resolver(server, resolv_conf=conf), "mock_metadata") == ["10.0.0.2"]
        # The silent server takes one timeout; from then on the one that replied is queried first.
        silent.setblocking(False)
        assert silent.recv(512)
        with pytest.raises(BlockingIOError):
            silent.recv(512)


def test_an_unreachable_server_is_skipped(files: Files, server: ScriptedNameServer) -> None:
    resolver = files.resolver(server, resolv_conf="nameserver 127.0.0.3\nnameserver 127.0.0.1\n")
    assert found(resolver, "mock_metadata") == ["10.0.0.2"]


def test_an_ipv6_name_server(files: Files) -> None:
    with ScriptedNameServer(MOCK, "::1") as server:
        assert found(files.resolver(server, resolv_conf="nameserver ::1\n"), "mock_metadata") == ["10.0.0.2"]


def test_unrelated_datagrams_are_ignored(files: Files, server: ScriptedNameServer) -> None:
    import dns.message

    def strays(query: dns.message.Message) -> list[bytes]:
        foreign = dns.message.make_response(dns.message.make_query("other.", "A"))
        return [b"\x00garbage", foreign.to_wire(), query.to_wire()]

    server.before_udp = strays
    assert found(files.resolver(server), "mock_metadata") == ["10.0.0.2"]


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NXDOMAIN"])
def test_a_failure_names_the_server_and_the_query(files: Files, server: ScriptedNameServer, rcode: str) -> None:
    server.rcodes["*"] = rcode
    with pytest.raises(ResolveError) as caught:
        found(files.resolver(server), "mock_metadata")
    assert str(caught.value) == f"name server 127.0.0.1 replies {rcode} for mock_metadata"


@pytest.mark.measures_time
def test_a_silent_server_is_named_and_the_deadline_is_kept(files: Files, server: ScriptedNameServer) -> None:
    server.silent = True
    deadline = Deadline(0.3)
    with pytest.raises(ResolveError, match=r"name server 127\.0\.0\.1 does not answer"):
        files.resolver(server).addresses("mock_metadata", deadline)
    assert 0.3 <= deadline.elapsed() < 0.8


def test_a_name_without_addresses(files: Files, server: ScriptedNameServer) -> None:
    server.records["empty."] = {}
    with pytest.raises(ResolveError, match="empty has no address"):
        found(files.resolver(server), "empty")


def test_servfail_for_one_candidate_does_not_hide_the_next(files: Files, server: ScriptedNameServer) -> None:
    server.records["mock.b.test."] = {"A": ["10.0.0.7"]}
    server.rcodes["mock.a.test."] = "SERVFAIL"
    conf = "nameserver 127.0.0.1\nsearch a.test b.test\n"
    assert found(files.resolver(server, resolv_conf=conf), "mock") == ["10.0.0.7"]


def test_without_files_the_local_server_is_queried(tmp_path: Path, server: ScriptedNameServer) -> None:
    resolver = Resolver(f"{tmp_path}/none", f"{tmp_path}/none", server.port)
    assert found(resolver, "mock_metadata") == ["10.0.0.2"]
