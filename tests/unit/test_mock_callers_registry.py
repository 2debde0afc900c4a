"""The registry of callers: look-ups, their cache, and how long requests wait for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from support.callers import FakeNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from imds_mock.callers.registry import CallerRegistry

APP = "172.18.0.3"
NAME = "proj-app-1.proj_default"


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


async def identify(callers: CallerRegistry, address: str) -> str:
    """The key of a caller's identity once its request can be answered."""
    waiting = callers.identify(address)
    if waiting is not None:
        await waiting
    return callers.caller(address).key


def test_a_target_matches_before_its_first_request() -> None:
    async def scenario() -> None:
        network = FakeNetwork(hosts={"app": frozenset({APP, "172.18.0.4"})})
        callers = network.registry()
        assert not callers.is_target(APP, "app")
        await callers.resolve_targets({"app", "nobody", "172.18.0.9", "fe80::1"})
        assert callers.is_target(APP, "app")
        assert callers.is_target("172.18.0.4", "app")
        assert not callers.is_target("172.18.0.5", "app")
        assert not callers.is_target(APP, "nobody")
        assert callers.is_target("172.18.0.9", "172.18.0.9")
        assert network.queries == ["app", "nobody"]
        assert callers.addresses("app") == {APP, "172.18.0.4"}

    run(scenario)


def test_changed_targets_are_reported_and_a_failing_name_server_changes_nothing() -> None:
    async def scenario() -> None:
        network = FakeNetwork(hosts={"app": frozenset({APP})})
        callers = network.registry()
        await callers.resolve_targets({"app"})
        await callers.resolve_targets({"app"})
        assert network.changes == [None]
        network.is_down = True
        await callers.resolve_targets({"app"})
        assert callers.is_target(APP, "app")
        network.is_down, network.hosts["app"] = False, frozenset({"172.18.0.7"})
        await callers.resolve_targets({"app"})
        assert (network.changes, callers.is_target(APP, "app")) == ([None, None], False)

    run(scenario)


def test_without_a_name_server_targets_keep_their_addresses_for_30_s() -> None:
    async def scenario() -> None:
        network = FakeNetwork(hosts={"app": frozenset({APP})})
        callers = network.registry()
        await callers.resolve_targets({"app"})
        network.now, network.is_down = 100.0, False
        await callers.resolve_targets({"app"})
        network.now, network.is_down = 129.0, True
        await callers.resolve_targets({"app"})
        assert callers.addresses("app") == {APP}
        network.now = 131.0
        await callers.resolve_targets({"app"})
        assert callers.addresses("app") == frozenset()
        network.is_down = False
        await callers.resolve_targets({"app"})
        assert callers.addresses("app") == {APP}

    run(scenario)


def test_a_target_matches_each_of_its_addresses_in_any_notation() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: "a.net", "fd00::3": "a.net"}, {"a.net": frozenset({APP, "fd00::3"})})
        network.own_addresses, network.is_engine = ("172.18.0.2/16", "fd00::2/64"), False
        network.hosts["a"] = network.hosts.pop("a.net")
        callers = network.registry()
        assert await identify(callers, APP) == "a"
        assert callers.is_target(APP, "FD00:0::3")
        assert callers.is_target("fd00::3", "FD00:0::3")
        assert callers.is_target("fd00::9", "FD00:0::9")
        assert callers.is_target(APP, f"::ffff:{APP}")
        assert not callers.is_target(APP, "fd00::9")

    run(scenario)


def test_callers_are_identified_in_the_background() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME})
        callers = network.registry()
        callers.identify_all([APP, APP, "172.18.0.9"])
        assert callers.names(APP) == ()
        await callers.wait_for_look_ups()
        assert callers.names(APP) == ("proj-app-1", "app")
        assert callers.is_target(APP, "app")
        assert callers.names("172.18.0.9") == ()

    run(scenario)


def test_a_name_is_cached_for_5_s_and_its_absence_for_30_s() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME})
        callers = network.registry()
        for address in (APP, "172.18.0.9"):
            await identify(callers, address)
        queries = len(network.queries)
        for tenth in range(2, 50, 2):
            network.now = tenth / 10
            assert [callers.identify(address) for address in (APP, "172.18.0.9")] == [None, None]
        assert len(network.queries) == queries
        network.names = {APP: "proj-db-1.proj_default", "172.18.0.9": "late.proj_default"}
        network.now = 5.1
        assert await identify(callers, APP) == "proj-db-1", "the next request after 5 s gets the current container"
        assert callers.identify("172.18.0.9") is None
        network.now = 30.1
        assert await identify(callers, "172.18.0.9") == "late"
        assert network.changes == [{APP}, {APP}, {"172.18.0.9"}]

    run(scenario)


def test_a_name_is_looked_up_again_after_an_idle_quarter_of_a_second() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME})
        callers = network.registry()
        await identify(callers, APP)
        network.now, network.names = 0.3, {APP: "proj-app-2.proj_default"}
        assert await identify(callers, APP) == "proj-app-2"

    run(scenario)


def test_an_address_has_at_most_one_look_up_in_progress() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME}, answering=asyncio.Event())
        callers = network.registry()
        waiting = [callers.identify(APP) for _ in range(50)]
        assert all(each is waiting[0] and each is not None for each in waiting)
        await asyncio.sleep(0)
        assert network.queries == [APP]
        assert network.answering is not None
        network.answering.set()
        assert await identify(callers, APP) == "proj-app-1"

    run(scenario)


def test_500_addresses_are_identified_at_once() -> None:
    async def scenario() -> None:
        addresses = [f"172.18.{high}.{low}" for high in (1, 2) for low in range(250)]
        network = FakeNetwork({address: f"plain-{address.replace('.', '-')}.net" for address in addresses})
        callers = network.registry()
        keys = await asyncio.gather(*(identify(callers, address) for address in addresses))
        assert len(set(keys)) == 500

    run(scenario)


def test_the_first_request_waits_for_the_timeout_and_later_ones_much_less() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        network = FakeNetwork({APP: NAME})
        callers = network.registry(timeout_seconds=2.0)
        await identify(callers, APP)
        network.answering, network.now = asyncio.Event(), 6.0
        began = loop.time()
        assert await identify(callers, APP) == "proj-app-1", "the last known caller is used until the look-up ends"
        assert 0.05 <= loop.time() - began < 1.9
        began = loop.time()
        assert await identify(callers, "172.18.0.4") == "172.18.0.4"
        assert 1.9 <= loop.time() - began < 30
        await callers.close()

    run(scenario)


def test_a_container_whose_name_comes_late_keeps_its_identity() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME}, answering=asyncio.Event())
        callers = network.registry(timeout_seconds=0.01)
        assert await identify(callers, APP) == APP
        assert network.answering is not None
        network.answering.set()
        await callers.wait_for_look_ups()
        assert callers.caller(APP).container == "proj-app-1", "variants by name match from now on"
        assert callers.caller(APP).key == APP
        network.names = {"172.18.0.9": NAME}
        assert await identify(callers, "172.18.0.9") == APP, "the same container, restarted at another address"

    run(scenario)


def test_a_container_at_an_address_that_had_no_name_is_a_new_instance() -> None:
    async def scenario() -> None:
        network = FakeNetwork()
        callers = network.registry()
        assert await identify(callers, APP) == APP
        network.now, network.names = 31.0, {APP: NAME}
        assert await identify(callers, APP) == "proj-app-1"

    run(scenario)


def test_a_failing_name_server_changes_no_caller() -> None:
    async def scenario() -> None:
        network = FakeNetwork({APP: NAME})
        callers = network.registry()
        await identify(callers, APP)
        network.is_down, network.now = True, 6.0
        assert await identify(callers, APP) == "proj-app-1"
        assert await identify(callers, "172.18.0.4") == "172.18.0.4"
        network.is_down, network.now, network.names = False, 60.0, {APP: NAME, "172.18.0.4": "proj-db-1.proj_default"}
        assert await identify(callers, "172.18.0.4") == "172.18.0.4", (
            "an earlier request was answered under its address"
        )
        assert callers.names("172.18.0.4") == ("proj-db-1", "db")

    run(scenario)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "169.254.3.4", "-", "172.18.0.1", "10.9.9.9"])
def test_addresses_without_docker_names_are_not_looked_up(address: str) -> None:
    async def scenario() -> None:
        network = FakeNetwork(is_engine=False)
        callers = network.registry()
        callers.identify_all([address])
        await callers.wait_for_look_ups()
        assert callers.identify(address) is None
        assert network.queries == []

    run(scenario)


def test_the_table_is_bounded() -> None:
    async def scenario() -> None:
        callers = FakeNetwork(own_addresses=()).registry()
        for number in range(5000):
            await identify(callers, f"10.0.{number >> 8}.{number & 255}")
        assert len(callers._entries) <= 4096

    run(scenario)


def test_the_table_is_bounded_while_a_name_server_hangs() -> None:
    async def scenario() -> None:
        network = FakeNetwork(own_addresses=("10.0.0.2/8",), answering=asyncio.Event())
        callers = network.registry()
        callers.identify("10.0.0.200")
        for network.now in range(256, 5256):
            callers.identify(f"10.0.{network.now >> 8}.{network.now & 255}")
            if network.now % 100 == 0:
                await asyncio.sleep(0)
        assert len(callers._entries) <= 4096
        assert any("10.0.0.200" in each for each in network.changes if each), "evictions are reported"
        await callers.close()
        assert len(asyncio.all_tasks()) == 1, "the look-ups of evicted entries are cancelled"

    run(scenario)


def test_a_request_of_an_evicted_caller_does_not_wait() -> None:
    async def scenario() -> None:
        network = FakeNetwork(own_addresses=("10.0.0.2/8",))
        callers = network.registry()
        waiting = []
        for network.now in range(256, 256 + 4097):
            waiting.append(callers.identify(f"10.0.{network.now >> 8}.{network.now & 255}"))
        assert waiting[0] is not None
        assert waiting[0].done()
        await callers.close()

    run(scenario)


def test_the_least_recently_used_entry_is_evicted_first() -> None:
    async def scenario() -> None:
        late = asyncio.Event()
        network = FakeNetwork({APP: NAME}, own_addresses=("172.18.0.2/16", "10.0.0.2/8"), answering=late)
        callers = network.registry(timeout_seconds=0.02)
        assert await identify(callers, APP) == APP
        late.set()
        await callers.wait_for_look_ups()
        for number in range(10000):
            network.now += 0.01
            if number % 1000 == 0:
                assert await identify(callers, APP) == APP, "an instance keeps its id"
            await identify(callers, f"10.1.{number >> 8}.{number & 255}")

    run(scenario)


def test_the_names_of_containers_that_are_gone_are_bounded() -> None:
    async def scenario() -> None:
        network = FakeNetwork()
        callers = network.registry()
        for number in range(9000):
            network.now += 10
            network.names = {APP: f"proj-app-run-{number:012x}.proj_default"}
            assert await identify(callers, APP) == f"proj-app-run-{number:012x}"
        assert len(callers._keys) <= 4096

    run(scenario)
