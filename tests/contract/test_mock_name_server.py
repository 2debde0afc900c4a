"""The client of the name server, over real sockets: names, absence, failures and many concurrent queries."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, TypeVar

import pytest

from imds_mock.callers.nameserver import NameServer
from imds_mock.config.shapes import split_name_server
from imds_mock.run.program import LOOP_FACTORY
from support.name_server import ScriptedNameServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

RECORDS = {
    "3.0.18.172.in-addr.arpa.": {"PTR": ["proj-app-1.proj_default."]},
    "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.": {"PTR": ["proj-app-1.proj_default."]},
    "proj-app-1.": {"A": ["172.18.0.3"], "AAAA": ["fd00::3"]},
}


@pytest.fixture
def server() -> Iterator[ScriptedNameServer]:
    with ScriptedNameServer(RECORDS) as running:
        yield running


Answer = TypeVar("Answer")


def ask(where: str | None, question: Callable[[NameServer], Awaitable[Answer]], timeout_seconds: float = 60) -> Answer:
    async def scenario() -> Answer:
        names = NameServer(lambda: where, timeout_seconds)
        try:
            return await question(names)
        finally:
            names.close()
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:  # as the mock
        return runner.run(scenario())


@pytest.mark.parametrize("address", ["172.18.0.3", "fd00::3"])
def test_an_address_has_the_name_from_the_server(server: ScriptedNameServer, address: str) -> None:
    assert ask(f"127.0.0.1:{server.port}", lambda names: names.names_of(address)) == ("proj-app-1.proj_default.",)


def test_an_address_may_have_no_name(server: ScriptedNameServer) -> None:
    assert ask(f"127.0.0.1:{server.port}", lambda names: names.names_of("172.18.0.9")) == ()


def test_the_root_is_not_a_name() -> None:
    with ScriptedNameServer({"3.0.18.172.in-addr.arpa.": {"PTR": ["."]}}) as server:
        assert ask(f"127.0.0.1:{server.port}", lambda names: names.names_of("172.18.0.3")) == ()


def test_a_service_with_a_hundred_replicas_has_all_addresses() -> None:
    replicas = [f"172.18.0.{place}" for place in range(3, 103)]
    with ScriptedNameServer({"app.": {"A": replicas}}) as server:
        assert ask(f"127.0.0.1:{server.port}", lambda names: names.addresses_of("app")) == frozenset(replicas)


def test_a_name_resolves_to_addresses_of_both_families(server: ScriptedNameServer) -> None:
    found = ask(f"127.0.0.1:{server.port}", lambda names: names.addresses_of("proj-app-1"))
    assert found == {"172.18.0.3", "fd00::3"}


@pytest.mark.parametrize("name", ["a" * 64, "..", ""])
def test_an_invalid_name_is_an_os_error(server: ScriptedNameServer, name: str) -> None:
    assert ask(f"127.0.0.1:{server.port}", lambda names: addresses_or_none(names, name)) in {None, frozenset()}


async def addresses_or_none(names: NameServer, name: str) -> frozenset[str] | None:
    try:
        return await names.addresses_of(name)
    except OSError:
        return None


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED"])
def test_an_error_of_the_server_is_not_the_absence_of_a_name(server: ScriptedNameServer, rcode: str) -> None:
    server.rcodes["*"] = rcode
    with pytest.raises(OSError, match="refused"):
        ask(f"127.0.0.1:{server.port}", lambda names: names.names_of("172.18.0.3"))


def test_a_silent_server_times_out(server: ScriptedNameServer) -> None:
    server.silent = True
    with pytest.raises(TimeoutError):
        ask(f"127.0.0.1:{server.port}", lambda names: names.names_of("172.18.0.3"), timeout_seconds=0.05)


def test_an_unreachable_server_fails_at_once() -> None:
    # A socket that is connected to one address gets no datagram from others.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.connect(("127.0.0.2", 9))
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="the name server is unreachable"):
            ask(where, lambda names: names.names_of("172.18.0.3"), timeout_seconds=60)


def test_invalid_and_unrelated_responses_are_ignored(server: ScriptedNameServer) -> None:
    import dns.message

    def before(query: dns.message.Message) -> list[bytes]:
        other = dns.message.make_response(dns.message.make_query("other.", "PTR"))
        other.id = query.id
        return [b"rubbish", other.to_wire()]

    server.before_udp = before
    assert ask(f"127.0.0.1:{server.port}", lambda names: names.names_of("172.18.0.3")) == ("proj-app-1.proj_default.",)


def test_500_concurrent_queries_are_answered() -> None:
    addresses = [f"10.{high}.0.{low}" for high in (1, 2) for low in range(250)]
    records = {
        f"{'.'.join(reversed(address.split('.')))}.in-addr.arpa.": {"PTR": [f"c{place}.net."]}
        for place, address in enumerate(addresses)
    }
    with ScriptedNameServer(records) as server:

        async def all_names(names: NameServer) -> list[tuple[str, ...]]:
            return await asyncio.gather(*map(names.names_of, addresses))

        assert ask(f"127.0.0.1:{server.port}", all_names, timeout_seconds=60) == [
            (f"c{place}.net.",) for place in range(500)
        ]


@pytest.mark.parametrize(
    ("setting", "address", "port"),
    [
        ("127.0.0.11", "127.0.0.11", 53),
        ("127.0.0.11:5353", "127.0.0.11", 5353),
        ("::1", "::1", 53),
        ("[::1]", "::1", 53),
        ("[::1]:5353", "::1", 5353),
    ],
)
def test_the_notation_of_a_name_server(setting: str, address: str, port: int) -> None:
    assert split_name_server(setting) == (address, port)


def test_without_a_name_server_no_address_has_a_name() -> None:
    assert ask("", lambda names: names.names_of("172.18.0.3")) == ()


def test_a_changed_setting_and_a_closed_socket_make_the_client_reconnect(server: ScriptedNameServer) -> None:
    async def scenario() -> list[tuple[str, ...]]:
        setting = f"127.0.0.1:{other.port}"
        names = NameServer(lambda: setting, 60)
        found = [await names.names_of("172.18.0.3")]
        setting = f"127.0.0.1:{server.port}"
        found.append(await names.names_of("172.18.0.3"))
        names.close()
        found.append(await names.names_of("172.18.0.3"))
        names.close()
        await asyncio.sleep(0)
        return found

    with ScriptedNameServer({}) as other, asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        assert runner.run(scenario()) == [(), ("proj-app-1.proj_default.",), ("proj-app-1.proj_default.",)]
