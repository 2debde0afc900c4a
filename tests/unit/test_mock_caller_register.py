"""Who is behind an address: what a name server says, believed for a moment, waited for once."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from imds_mock.callers.targets import Targets, system_forward
from imds_mock.state.journal import Entry
from support.callers import World

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from imds_mock.callers.register import Callers

APP = "172.18.0.3"
NAME = "proj-app-1.proj_default"


def entry(caller: str) -> Entry:
    return Entry(1, 0.0, caller, "GET", "/", "/", 1, "absent", 200, 1)


def run(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(scenario())


async def meet(callers: Callers, address: str) -> str:
    """What somebody's identity follows from once he can be answered."""
    waiting = callers.meet(address)
    if waiting is not None:
        await waiting
    return callers.caller(address).key


def test_a_target_is_known_before_it_has_asked_anything() -> None:
    async def scenario() -> None:
        world = World(hosts={"app": frozenset({APP, "172.18.0.4"})})
        callers = world.callers()
        assert not callers.is_target(APP, "app")
        await callers.learn({"app", "nobody", "172.18.0.9", "fe80::1"})
        assert callers.is_target(APP, "app")
        assert callers.is_target("172.18.0.4", "app")
        assert not callers.is_target("172.18.0.5", "app")
        assert not callers.is_target(APP, "nobody")
        assert callers.is_target("172.18.0.9", "172.18.0.9")
        assert world.asked == ["app", "nobody"]
        assert callers.addresses("app") == {APP, "172.18.0.4"}

    run(scenario)


def test_a_change_of_targets_is_told_and_a_dead_name_server_changes_nothing() -> None:
    async def scenario() -> None:
        world = World(hosts={"app": frozenset({APP})})
        callers = world.callers()
        await callers.learn({"app"})
        await callers.learn({"app"})
        assert world.changes == [None]
        world.dead = True
        await callers.learn({"app"})
        assert callers.is_target(APP, "app")
        world.dead, world.hosts["app"] = False, frozenset({"172.18.0.7"})
        await callers.learn({"app"})
        assert (world.changes, callers.is_target(APP, "app")) == ([None, None], False)

    run(scenario)


def test_without_a_name_server_targets_stay_where_they_were_for_half_a_minute() -> None:
    async def scenario() -> None:
        world = World(hosts={"app": frozenset({APP})})
        callers = world.callers()
        await callers.learn({"app"})
        world.now, world.dead = 100.0, False
        await callers.learn({"app"})
        world.now, world.dead = 129.0, True
        await callers.learn({"app"})
        assert callers.addresses("app") == {APP}
        world.now = 131.0
        await callers.learn({"app"})
        assert callers.addresses("app") == frozenset()
        world.dead = False
        await callers.learn({"app"})
        assert callers.addresses("app") == {APP}

    run(scenario)


@pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM])
def test_a_resolver_that_cannot_tell_is_not_taken_for_one_that_says_no(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise socket.gaierror(number, "cannot tell")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        asyncio.run(system_forward("app"))


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
def test_a_name_that_there_is_not_has_no_addresses(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert asyncio.run(system_forward("app")) == frozenset()


def test_what_one_call_has_learnt_is_not_forgotten_by_a_slower_one() -> None:
    async def scenario() -> None:
        answered = asyncio.Event()

        async def forward(name: str) -> frozenset[str]:
            if name == "slow":
                await answered.wait()
            return frozenset({APP})

        targets = Targets(forward, lambda: 0.0)
        slower = asyncio.ensure_future(targets.learn({"slow"}))
        await asyncio.sleep(0)
        await targets.learn({"app"})
        answered.set()
        await slower
        assert targets.addresses("app") == targets.addresses("slow") == {APP}
        await targets.learn({"slow"})
        assert targets.addresses("app") == frozenset()

    run(scenario)


def test_a_target_is_found_by_each_of_its_addresses_however_they_are_written() -> None:
    async def scenario() -> None:
        world = World({APP: "a.net", "fd00::3": "a.net"}, {"a.net": frozenset({APP, "fd00::3"})})
        world.links, world.is_engine = ("172.18.0.2/16", "fd00::2/64"), False
        world.hosts["a"] = world.hosts.pop("a.net")
        callers = world.callers()
        assert await meet(callers, APP) == "a"
        assert callers.is_target(APP, "FD00:0::3")
        assert callers.is_target("fd00::3", "FD00:0::3")
        assert callers.is_target("fd00::9", "FD00:0::9")
        assert callers.is_target(APP, f"::ffff:{APP}")
        assert not callers.is_target(APP, "fd00::9")

    run(scenario)


def test_names_for_the_journal_come_in_the_background() -> None:
    async def scenario() -> None:
        world = World({APP: NAME})
        callers = world.callers()
        callers.notice([entry(APP), entry(APP), entry("172.18.0.9")])
        assert callers.names(APP) == ()
        await callers.settled()
        assert callers.names(APP) == ("proj-app-1", "app")
        assert callers.is_target(APP, "app")
        assert callers.names("172.18.0.9") == ()

    run(scenario)


def test_a_name_is_believed_for_five_seconds_and_its_absence_for_thirty() -> None:
    async def scenario() -> None:
        world = World({APP: NAME})
        callers = world.callers()
        for address in (APP, "172.18.0.9"):
            await meet(callers, address)
        asked = len(world.asked)
        for tenth in range(2, 50, 2):
            world.now = tenth / 10
            assert [callers.meet(address) for address in (APP, "172.18.0.9")] == [None, None]
        assert len(world.asked) == asked
        world.names = {APP: "proj-db-1.proj_default", "172.18.0.9": "late.proj_default"}
        world.now = 5.1
        assert await meet(callers, APP) == "proj-db-1", "the next request after five seconds gets the one who is there"
        assert callers.meet("172.18.0.9") is None
        world.now = 30.1
        assert await meet(callers, "172.18.0.9") == "late"
        assert world.changes == [{APP}, {APP}, {"172.18.0.9"}]

    run(scenario)


def test_whoever_comes_after_a_silence_is_not_taken_for_the_one_before() -> None:
    async def scenario() -> None:
        world = World({APP: NAME})
        callers = world.callers()
        await meet(callers, APP)
        world.now, world.names = 0.3, {APP: "proj-app-2.proj_default"}
        assert await meet(callers, APP) == "proj-app-2"

    run(scenario)


def test_one_question_at_a_time_is_under_way_for_an_address() -> None:
    async def scenario() -> None:
        world = World({APP: NAME}, slow=asyncio.Event())
        callers = world.callers()
        waiting = [callers.meet(APP) for _ in range(50)]
        assert all(each is waiting[0] and each is not None for each in waiting)
        await asyncio.sleep(0)
        assert world.asked == [APP]
        assert world.slow is not None
        world.slow.set()
        assert await meet(callers, APP) == "proj-app-1"

    run(scenario)


def test_five_hundred_at_once_wait_only_for_the_name_server() -> None:
    async def scenario() -> None:
        addresses = [f"172.18.{high}.{low}" for high in (1, 2) for low in range(250)]
        world = World({address: f"plain-{address.replace('.', '-')}.net" for address in addresses})
        callers = world.callers()
        keys = await asyncio.gather(*(meet(callers, address) for address in addresses))
        assert len(set(keys)) == 500

    run(scenario)


def test_the_first_request_waits_no_longer_than_it_may_and_no_later_one_a_tenth_of_that() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        world = World({APP: NAME})
        callers = world.callers(patience_seconds=0.3)
        await meet(callers, APP)
        world.slow, world.now = asyncio.Event(), 6.0
        began = loop.time()
        assert await meet(callers, APP) == "proj-app-1", "what was known holds while nothing else is"
        assert 0.05 <= loop.time() - began < 0.29
        began = loop.time()
        assert await meet(callers, "172.18.0.4") == "172.18.0.4"
        assert 0.25 <= loop.time() - began < 2
        callers.close()

    run(scenario)


def test_a_container_whose_name_comes_late_keeps_its_identity() -> None:
    async def scenario() -> None:
        world = World({APP: NAME}, slow=asyncio.Event())
        callers = world.callers(patience_seconds=0.01)
        assert await meet(callers, APP) == APP
        assert world.slow is not None
        world.slow.set()
        await callers.settled()
        assert callers.caller(APP).container == "proj-app-1", "variants by name match from now on"
        assert callers.caller(APP).key == APP
        world.names = {"172.18.0.9": NAME}
        assert await meet(callers, "172.18.0.9") == APP, "the same container, restarted at another address"

    run(scenario)


def test_a_container_that_comes_where_nobody_had_a_name_is_another_instance() -> None:
    async def scenario() -> None:
        world = World()
        callers = world.callers()
        assert await meet(callers, APP) == APP
        world.now, world.names = 31.0, {APP: NAME}
        assert await meet(callers, APP) == "proj-app-1"

    run(scenario)


def test_a_name_server_that_dies_changes_nobody() -> None:
    async def scenario() -> None:
        world = World({APP: NAME})
        callers = world.callers()
        await meet(callers, APP)
        world.dead, world.now = True, 6.0
        assert await meet(callers, APP) == "proj-app-1"
        assert await meet(callers, "172.18.0.4") == "172.18.0.4"
        world.dead, world.now, world.names = False, 60.0, {APP: NAME, "172.18.0.4": "proj-db-1.proj_default"}
        assert await meet(callers, "172.18.0.4") == "172.18.0.4", "it was answered under its address before"
        assert callers.names("172.18.0.4") == ("proj-db-1", "db")

    run(scenario)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "169.254.3.4", "-", "172.18.0.1", "10.9.9.9"])
def test_addresses_that_docker_has_no_name_for_are_not_asked_about(address: str) -> None:
    async def scenario() -> None:
        world = World(is_engine=False)
        callers = world.callers()
        callers.notice([entry(address)])
        await callers.settled()
        assert callers.meet(address) is None
        assert world.asked == []

    run(scenario)


def test_addresses_known_are_bounded() -> None:
    async def scenario() -> None:
        callers = World(links=()).callers()
        for number in range(5000):
            await meet(callers, f"10.0.{number >> 8}.{number & 255}")
        assert len(callers._known) <= 4096

    run(scenario)


def test_addresses_known_are_bounded_while_a_name_server_hangs() -> None:
    async def scenario() -> None:
        world = World(links=("10.0.0.2/8",), slow=asyncio.Event())
        callers = world.callers()
        for number in range(256, 5256):
            callers.meet(f"10.0.{number >> 8}.{number & 255}")
            if number % 100 == 0:
                await asyncio.sleep(0)
        assert len(callers._known) <= 4096
        callers.close()
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1, "nobody goes on looking for who is forgotten"

    run(scenario)


def test_whoever_has_not_come_for_long_is_forgotten_first() -> None:
    async def scenario() -> None:
        late = asyncio.Event()
        world = World({APP: NAME}, links=("172.18.0.2/16", "10.0.0.2/8"), slow=late)
        callers = world.callers(patience_seconds=0.02)
        assert await meet(callers, APP) == APP
        late.set()
        await callers.settled()
        for number in range(10000):
            world.now += 0.01
            if number % 1000 == 0:
                assert await meet(callers, APP) == APP, "an instance keeps its id"
            await meet(callers, f"10.1.{number >> 8}.{number & 255}")

    run(scenario)


def test_names_of_containers_that_are_gone_are_not_kept_for_ever() -> None:
    async def scenario() -> None:
        world = World()
        callers = world.callers()
        for number in range(9000):
            world.now += 10
            world.names = {APP: f"proj-app-run-{number:012x}.proj_default"}
            assert await meet(callers, APP) == f"proj-app-run-{number:012x}"
        assert len(callers._keys) <= 4096

    run(scenario)
