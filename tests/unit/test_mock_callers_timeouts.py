"""How long callers and commands wait for a name server and for neighbours that do not answer, with the defaults."""

from __future__ import annotations

import asyncio

import pytest

from imds_mock.callers.reachability import ReachabilityProbe
from imds_mock.callers.targets import TargetResolver
from imds_mock.config.settings import Config
from support.callers import FakeNetwork
from support.skipping_loop import seconds_of

APP = "172.18.0.3"
LINK_LOCAL = "169.254.100.1"
WEB = "9e:00:00:00:00:03"


async def waited(network: FakeNetwork, *addresses: str) -> list[float]:
    """The seconds that a request of each address waits, if the name server says nothing more."""
    network.answering = asyncio.Event()
    callers = network.registry(Config().callers.look_up_seconds)
    loop = asyncio.get_running_loop()
    waits = []
    for address in addresses:
        began = loop.time()
        ready = callers.identify(address)
        if ready is not None:
            await ready
        waits.append(loop.time() - began)
    await callers.close()
    return waits


def test_the_first_request_of_an_address_waits_for_a_second() -> None:
    seconds, waits = seconds_of(waited(FakeNetwork(), APP, APP))
    assert (seconds, waits) == (1.0, [1.0, 0.0])


def test_a_look_up_that_is_repeated_delays_a_request_by_a_tenth_of_a_second() -> None:
    async def known() -> float:
        network = FakeNetwork({APP: "proj-app-1.proj_default"})
        callers = network.registry(Config().callers.look_up_seconds)
        ready = callers.identify(APP)
        assert ready is not None
        await ready
        # The name has expired, and the name server has gone.
        network.now, network.answering = 6.0, asyncio.Event()
        began = asyncio.get_running_loop().time()
        again = callers.identify(APP)
        assert again is not None
        await again
        await callers.close()
        return asyncio.get_running_loop().time() - began

    assert seconds_of(known())[1] == pytest.approx(0.1)


@pytest.mark.parametrize("services", [frozenset[str](), frozenset({"web", "worker"})])
def test_a_link_local_address_waits_for_names_for_half_a_second(services: frozenset[str]) -> None:
    network = FakeNetwork(
        own_addresses=("172.18.0.2/16 169.254.169.254/16",), macs={LINK_LOCAL: WEB, APP: WEB}, services=services
    )
    seconds, waits = seconds_of(waited(network, LINK_LOCAL, LINK_LOCAL))
    assert (seconds, waits) == (0.5, [0.5, 0.0])


def test_a_command_with_targets_waits_for_their_names_for_a_second() -> None:
    async def never(_name: str) -> frozenset[str]:
        await asyncio.Event().wait()
        return frozenset()

    async def resolve() -> None:
        targets = TargetResolver(never, asyncio.get_running_loop().time)
        await targets.resolve({"web", "worker", "cron"})

    assert seconds_of(resolve())[0] == 1.0


def test_a_neighbour_has_an_eighth_of_a_second_to_answer() -> None:
    probe = ReachabilityProbe()
    assert seconds_of(probe.solicit([], lambda: False))[0] == pytest.approx(0.127)
