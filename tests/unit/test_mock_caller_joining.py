"""Callers from `link_local_ips` addresses: the ordinary address with the same hardware address has their names."""

from __future__ import annotations

import asyncio

import pytest

from imds_mock.callers.caller import Caller, Interface
from imds_mock.callers.matches import match
from support.callers import World

BESIDE = ("172.18.0.2/16 169.254.169.254/16",)
LINK_LOCAL, OTHER_LINK_LOCAL, ORDINARY = "169.254.100.1", "169.254.100.2", "172.18.0.3"
FAR = "172.18.200.3"
WEB, DB = "9e:00:00:00:00:03", "9e:00:00:00:00:04"
NAMES = {ORDINARY: "proj-web-1.proj_default", "172.18.0.4": "proj-db-1.proj_default"}
BOTH = (LINK_LOCAL, ORDINARY)


def meet(world: World, *addresses: str) -> list[Caller]:
    async def scenario() -> list[Caller]:
        callers = world.callers()
        for address in addresses:
            waiting = callers.meet(address)
            if waiting is not None:
                await waiting
        return [callers.caller(address) for address in addresses]

    return asyncio.run(scenario())


def beside(**fields: object) -> World:
    """A mock with 169.254.169.254 beside its ordinary address."""
    return World(**{"names": dict(NAMES), "links": BESIDE} | fields)  # type: ignore[arg-type]


def test_a_link_local_caller_has_the_name_of_its_ordinary_address_and_is_one_with_it() -> None:
    world = beside(macs={LINK_LOCAL: WEB, ORDINARY: WEB, OTHER_LINK_LOCAL: DB, "172.18.0.4": DB})
    caller, same, other = meet(world, LINK_LOCAL, ORDINARY, OTHER_LINK_LOCAL)
    assert (caller.key, caller.names, caller.addresses) == ("proj-web-1", ("proj-web-1", "web"), BOTH)
    assert caller == same
    assert caller.interfaces == (Interface(ORDINARY, (), "172.18.0.0/16", (), WEB),)
    assert other.names == ("proj-db-1", "db")


def test_an_ordinary_address_that_the_kernel_does_not_know_is_asked_for() -> None:
    (caller,) = meet(beside(macs={LINK_LOCAL: WEB}, silent={ORDINARY: WEB, "172.18.0.4": DB}), LINK_LOCAL)
    assert (caller.container, caller.addresses) == ("proj-web-1", BOTH)


@pytest.mark.parametrize(("mock", "ordinary"), [("10.7.0.2", "10.7.0.253"), ("10.7.9.2", "10.7.9.17")])
def test_the_first_addresses_and_those_around_the_mocks_own_are_tried(mock: str, ordinary: str) -> None:
    world = beside(names={ordinary: "proj-web-1.proj_default"}, links=(f"{mock}/16 169.254.169.254/16",))
    world.macs, world.silent = {LINK_LOCAL: WEB}, {ordinary: WEB}
    (caller,) = meet(world, LINK_LOCAL)
    assert caller.container == "proj-web-1"
    assert not any(each.startswith("169.254.") or each == mock for each in world.reached)


def test_a_hardware_address_that_is_made_from_the_ip_address_leads_to_it() -> None:
    mac = "02:42:ac:12:c8:03"
    world = beside(names={FAR: "proj-web-1.proj_default"}, macs={LINK_LOCAL: mac}, silent={FAR: mac})
    (caller,) = meet(world, LINK_LOCAL)
    assert (caller.container, world.reached) == ("proj-web-1", [FAR])


def test_the_services_that_variants_are_for_are_asked_for_wherever_they_are() -> None:
    world = beside(
        names={FAR: "proj-web-1.proj_default"},
        hosts={"web": frozenset({FAR})},
        services=frozenset({"web"}),
        macs={LINK_LOCAL: WEB},
        silent={FAR: WEB},
    )
    (caller,) = meet(world, LINK_LOCAL)
    assert (caller.service, world.reached) == ("web", [FAR])


def test_an_entry_out_of_date_is_not_believed() -> None:
    # 172.18.0.4 had the hardware address that 172.18.0.3 has now, and belongs to another container by now.
    world = beside(macs={LINK_LOCAL: WEB}, stale={"172.18.0.4": WEB}, silent={ORDINARY: WEB, "172.18.0.4": DB})
    (caller,) = meet(world, LINK_LOCAL)
    assert (caller.container, caller.addresses) == ("proj-web-1", BOTH)


def test_an_entry_that_is_only_old_is_confirmed_and_believed() -> None:
    world = beside(macs={LINK_LOCAL: WEB}, stale={ORDINARY: WEB}, silent={ORDINARY: WEB})
    (caller,) = meet(world, LINK_LOCAL)
    assert (caller.container, set(world.reached)) == ("proj-web-1", {ORDINARY})


def test_entries_that_lead_to_two_containers_are_not_believed() -> None:
    (caller,) = meet(beside(macs={LINK_LOCAL: WEB, ORDINARY: WEB, "172.18.0.4": WEB}), LINK_LOCAL)
    assert (caller.key, caller.names) == (LINK_LOCAL, ())


def test_the_hardware_address_of_a_gateway_joins_nothing() -> None:
    router = "9e:00:00:00:00:01"
    (caller,) = meet(beside(macs={LINK_LOCAL: router, ORDINARY: router, "172.18.0.1": router}), LINK_LOCAL)
    assert caller.names == ()


def test_the_same_hardware_address_on_another_interface_joins_nothing() -> None:
    world = beside(
        names={"172.19.0.3": "proj-db-1.proj_back"},
        links=(*BESIDE, "172.19.0.2/16"),
        macs={LINK_LOCAL: WEB, "172.19.0.3": WEB},
    )
    assert meet(world, LINK_LOCAL)[0].names == ()


def test_a_container_on_two_networks_is_joined_on_the_one_with_its_link_local_address() -> None:
    back, front = "172.19.0.7", ORDINARY
    world = beside(
        names={
            front: "proj-web-1.proj_front",
            back: "proj-web-1.proj_back",
            "172.18.0.2": "proj-mock-1.proj_front",
            "172.19.0.2": "proj-mock-1.proj_back",
        },
        hosts={
            # The name alone leads to the network without a link-local address.
            "web": frozenset({back}),
            "proj-web-1.proj_front": frozenset({front}),
            "proj-web-1.proj_back": frozenset({back}),
        },
        links=(*BESIDE, "172.19.0.2/16"),
        macs={LINK_LOCAL: WEB},
        silent={front: WEB, back: "9e:00:00:00:00:07"},
    )

    async def scenario() -> None:
        callers = world.callers()
        await callers.learn({"web"})
        waiting = callers.meet(LINK_LOCAL)
        assert waiting is not None
        await waiting
        assert callers.is_target(LINK_LOCAL, "web")
        assert callers.caller(LINK_LOCAL).addresses == (LINK_LOCAL, front, back)
        assert [each.ipv4 for each in callers.caller(LINK_LOCAL).interfaces] == [front, back]

    asyncio.run(scenario())


def test_both_families_are_joined() -> None:
    ipv6, fe80 = "fd00::3", "fe80::9c00:ff:fe00:3"
    world = beside(
        names={ipv6: "proj-web-1.proj_default"},
        links=("fd00::2/64 fe80::2/64",),
        macs={fe80: WEB, ipv6: WEB},
        gateways=frozenset(),
    )
    (caller,) = meet(world, fe80)
    assert (caller.container, caller.addresses) == ("proj-web-1", (ipv6, fe80))
    assert caller.interfaces == (Interface(None, (ipv6,), None, ("fd00:0:0:0:0:0:0:0/64",), WEB),)


def test_without_a_name_the_ordinary_address_stands_for_both() -> None:
    world = beside(names={}, macs={LINK_LOCAL: WEB, ORDINARY: WEB})
    caller, same = meet(world, LINK_LOCAL, ORDINARY)
    assert (caller.key, same.key) == (ORDINARY, ORDINARY)
    assert caller.interfaces[0].ipv4 == ORDINARY


def test_a_target_reaches_a_link_local_caller_that_came_before_it_could_be_joined() -> None:
    async def scenario() -> None:
        world = beside(names={FAR: "proj-web-1.proj_default"}, hosts={"web": frozenset({FAR})})
        world.macs, world.silent = {LINK_LOCAL: WEB}, {FAR: WEB}
        callers = world.callers()
        waiting = callers.meet(LINK_LOCAL)
        assert waiting is not None
        await waiting
        assert callers.unjoined() == (LINK_LOCAL,)
        await callers.learn({"web"})
        assert callers.is_target(LINK_LOCAL, "web")
        found = match(callers, "web")
        assert (list(found.callers), found.warning) == ([FAR], None)
        assert callers.matters(LINK_LOCAL)
        await callers.learn(set())
        assert not callers.matters(LINK_LOCAL)

    asyncio.run(scenario())


@pytest.mark.parametrize("filtered", [frozenset(), frozenset({ORDINARY})])
def test_a_container_that_answers_no_datagram_is_joined_by_the_kernels_own_question(filtered: frozenset[str]) -> None:
    (caller,) = meet(beside(macs={LINK_LOCAL: WEB}, silent={ORDINARY: WEB}, filtered=filtered), LINK_LOCAL)
    assert caller.container == "proj-web-1"


def test_addresses_are_tried_once_in_half_a_minute_for_a_caller_that_cannot_be_joined() -> None:
    async def scenario() -> list[int]:
        world = beside(names={}, macs={LINK_LOCAL: WEB})
        callers = world.callers()
        tried = []
        for world.now in (0.0, 6.0, 12.0, 31.0):
            waiting = callers.meet(LINK_LOCAL)
            assert waiting is not None
            await waiting
            tried.append(len(world.reached))
        return tried

    first, second, third, fourth = asyncio.run(scenario())
    assert (first, second, third, fourth) == (first, first, first, 2 * first)
    assert 0 < first < 300


@pytest.mark.parametrize(("name", "names"), [("proj-web-1", ("proj-web-1", "web")), ("proj-db-1", ())])
def test_a_join_is_kept_while_its_entry_grows_old_unless_another_container_has_the_address(
    name: str, names: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        world = beside(macs={LINK_LOCAL: WEB, ORDINARY: WEB}, silent={ORDINARY: WEB}, filtered=frozenset({ORDINARY}))
        callers = world.callers()
        for world.now in (0.0, 40.0):
            waiting = callers.meet(LINK_LOCAL)
            assert waiting is not None
            await waiting
            if world.now == 0.0:
                assert callers.names(LINK_LOCAL) == ("proj-web-1", "web")
                world.macs, world.stale = {LINK_LOCAL: WEB}, {ORDINARY: WEB}
                world.names = {ORDINARY: f"{name}.proj_default"}
                world.filtered, world.silent = frozenset({ORDINARY}), {ORDINARY: DB if name == "proj-db-1" else WEB}
        assert callers.names(LINK_LOCAL) == names

    asyncio.run(scenario())


def test_the_identity_stays_when_a_caller_is_joined_late() -> None:
    async def scenario() -> None:
        world = beside(names={FAR: "proj-web-1.proj_default"}, macs={LINK_LOCAL: WEB})
        callers = world.callers()
        keys = []
        for world.now, macs in ((0.0, {}), (6.0, {FAR: WEB}), (50.0, {FAR: WEB})):
            world.macs = {LINK_LOCAL: WEB, **macs}
            waiting = callers.meet(LINK_LOCAL)
            assert waiting is not None
            await waiting
            keys.append(callers.caller(LINK_LOCAL).key)
        assert callers.names(LINK_LOCAL) == ("proj-web-1", "web")
        assert keys == [LINK_LOCAL] * 3

    asyncio.run(scenario())


def test_many_strangers_have_few_addresses_tried() -> None:
    strangers = {f"169.254.7.{number}": f"9e:00:00:00:01:{number:02x}" for number in range(1, 101)}

    async def scenario() -> None:
        world = beside(names={}, macs=dict(strangers))
        callers = world.callers()
        await callers.find_out(strangers)
        await callers.settled()
        assert 0 < len(world.reached) <= 8 * 290

    asyncio.run(scenario())


def test_containers_that_come_together_are_found_by_one_try() -> None:
    async def scenario() -> None:
        ordinary = {f"172.18.0.{number}": f"9e:00:00:00:02:{number:02x}" for number in range(3, 40)}
        beside_them = {address.replace("172.18.0", "169.254.100"): mac for address, mac in ordinary.items()}
        names = {address: f"proj-app-{number}.proj_default" for number, address in enumerate(ordinary, 1)}
        world = beside(names=names, macs=dict(beside_them), silent=ordinary)
        callers = world.callers()
        await callers.find_out(beside_them)
        await callers.settled()
        assert {callers.caller(each).service for each in beside_them} == {"app"}

    asyncio.run(scenario())


def test_replicas_count_each_once_and_an_unknown_name_none() -> None:
    async def scenario() -> None:
        world = beside(
            names={ORDINARY: "proj-web-1.proj_default", "172.18.0.4": "proj-web-2.proj_default"},
            hosts={"web": frozenset({ORDINARY, "172.18.0.4"})},
            macs={LINK_LOCAL: WEB, ORDINARY: WEB, "172.18.0.4": DB},
        )
        callers = world.callers()
        await callers.learn({"web", "wbe"})
        await callers.find_out({LINK_LOCAL, ORDINARY, "172.18.0.4"})
        assert [each.container for each in match(callers, "web").callers.values()] == ["proj-web-1", "proj-web-2"]
        nothing = match(callers, "wbe")
        assert nothing.callers == {}
        assert nothing.warning is not None
        assert "did you mean 'web'?" in nothing.warning

    asyncio.run(scenario())


def test_the_names_of_a_container_that_is_gone_stay_in_the_journal_until_another_has_its_address() -> None:
    async def scenario() -> None:
        world = World({ORDINARY: "proj-job-1.proj_default"})
        callers = world.callers()
        for world.now, name in ((0.0, "proj-job-1.proj_default"), (60.0, None), (120.0, "proj-new-1.proj_default")):
            world.names = {} if name is None else {ORDINARY: name}
            waiting = callers.meet(ORDINARY)
            assert waiting is not None
            await waiting
            expected = {0.0: (True, True, 1), 60.0: (False, True, 1), 120.0: (False, False, 0)}[world.now]
            matched = len(match(callers, "job", in_journal=True).callers)
            assert (callers.is_target(ORDINARY, "job"), callers.was_target(ORDINARY, "job"), matched) == expected

    asyncio.run(scenario())
