"""The control plane's TCP port accepts connections of peers with priority always, of others within their rate."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from imds_mock.control.acceptor import BURST, MAX_PEERS, PER_SECOND, Acceptor, RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def admitted(rates: RateLimiter, address: str, tries: int) -> int:
    return sum(rates.admits(address) for _ in range(tries))


def test_a_burst_and_then_a_steady_rate(clock: Clock) -> None:
    rates = RateLimiter(clock)
    assert admitted(rates, "10.0.0.3", 1000) == BURST
    clock.now += 0.5
    assert admitted(rates, "10.0.0.3", 1000) == PER_SECOND / 2
    clock.now += 3600
    assert admitted(rates, "10.0.0.3", 1000) == BURST


def test_a_flood_from_one_address_does_not_limit_another(clock: Clock) -> None:
    rates = RateLimiter(clock)
    admitted(rates, "10.0.0.3", 1000)
    assert admitted(rates, "10.0.0.4", 1) == 1


def test_an_exempt_address_has_no_rate(clock: Clock) -> None:
    rates = RateLimiter(clock)
    admitted(rates, "10.0.0.3", 1000)
    rates.exempt("10.0.0.3")
    assert admitted(rates, "10.0.0.3", 1000) == 1000


def test_the_number_of_remembered_addresses_is_bounded(clock: Clock) -> None:
    rates = RateLimiter(clock)
    for number in range(10 * MAX_PEERS):
        rates.admits(f"10.0.{number // 256}.{number % 256}")
        rates.exempt(f"10.1.{number // 256}.{number % 256}")
    assert len(rates._buckets) == len(rates._exempt) == MAX_PEERS


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def greetings(has_priority: Callable[[str], bool], clients: int) -> int:
    """How many clients are served, of those that connect at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.setblocking(False)
        acceptor = Acceptor([listening], has_priority, RateLimiter(Clock()), Greeting)
        address = listening.getsockname()

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection(*address)
            try:
                return await reader.read()
            except ConnectionError:
                return b""
            finally:
                writer.close()

        served = await asyncio.gather(*(ask() for _ in range(clients)))
        acceptor.close()
        assert listening.fileno() == -1
    return served.count(b"hello")


@pytest.mark.parametrize(("has_priority", "served"), [(True, 200), (False, BURST)])
def test_peers_with_priority_are_all_served_and_others_within_their_rate(has_priority: bool, served: int) -> None:  # noqa: FBT001 - a row
    assert asyncio.run(greetings(lambda _: has_priority, 200)) == served
