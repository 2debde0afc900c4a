"""Connections to the control plane's TCP port: near peers always, others within their rate."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from imds_mock.control.doorway import BURST, MAX_PEERS, PER_SECOND, Doorway, Rates

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def admitted(rates: Rates, address: str, tries: int) -> int:
    return sum(rates.admits(address) for _ in range(tries))


def test_a_burst_and_then_a_steady_rate(clock: Clock) -> None:
    rates = Rates(clock)
    assert admitted(rates, "10.0.0.3", 1000) == BURST
    clock.now += 0.5
    assert admitted(rates, "10.0.0.3", 1000) == PER_SECOND / 2
    clock.now += 3600
    assert admitted(rates, "10.0.0.3", 1000) == BURST


def test_a_flood_of_one_address_costs_another_nothing(clock: Clock) -> None:
    rates = Rates(clock)
    admitted(rates, "10.0.0.3", 1000)
    assert admitted(rates, "10.0.0.4", 1) == 1


def test_an_address_whose_client_has_shown_the_token_has_no_rate(clock: Clock) -> None:
    rates = Rates(clock)
    admitted(rates, "10.0.0.3", 1000)
    rates.trust("10.0.0.3")
    assert admitted(rates, "10.0.0.3", 1000) == 1000


def test_what_is_remembered_of_addresses_is_bounded(clock: Clock) -> None:
    rates = Rates(clock)
    for number in range(10 * MAX_PEERS):
        rates.admits(f"10.0.{number // 256}.{number % 256}")
        rates.trust(f"10.1.{number // 256}.{number % 256}")
    assert len(rates._left) == len(rates._trusted) == MAX_PEERS


class Greeting(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        transport.close()


async def greetings(is_near: Callable[[str], bool], clients: int) -> int:
    """How many of many clients are served through a doorway."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        listening.setblocking(False)
        doorway = Doorway([listening], is_near, Rates(Clock()), Greeting)
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
        doorway.close()
        assert listening.fileno() == -1
    return served.count(b"hello")


@pytest.mark.parametrize(("near", "served"), [(True, 200), (False, BURST)])
def test_near_peers_are_all_served_and_others_within_their_rate(near: bool, served: int) -> None:  # noqa: FBT001 - a row
    assert asyncio.run(greetings(lambda _: near, 200)) == served
