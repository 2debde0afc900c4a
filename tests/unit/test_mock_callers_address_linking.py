"""Callers with `link_local_ips`: linked to their ordinary address, and so to their name, by the hardware address."""

from __future__ import annotations

import asyncio

import pytest

from imds_mock.callers.caller import Interface
from imds_mock.callers.target_matching import match_target
from support.callers import FakeNetwork
from support.event_loops import on_event_loop

BOTH_NETWORKS = ("172.18.0.2/16 169.254.169.254/16",)
LINK_LOCAL, OTHER_LINK_LOCAL, ORDINARY = "169.254.100.1", "169.254.100.2", "172.18.0.3"
FAR = "172.18.200.3"
WEB, DB = "9e:00:00:00:00:03", "9e:00:00:00:00:04"
NAMES = {ORDINARY: "proj-web-1.proj_default", "172.18.0.4": "proj-db-1.proj_default"}
BOTH = (LINK_LOCAL, ORDINARY)


def with_link_local(**fields: object) -> FakeNetwork:
    """A mock with 169.254.169.254 in addition to its ordinary address."""
    return FakeNetwork(**{"names": dict(NAMES), "own_addresses": BOTH_NETWORKS} | fields)  # type: ignore[arg-type]


def test_a_link_local_caller_is_the_container_with_the_same_hardware_address() -> None:
    network = with_link_local(macs={LINK_LOCAL: WEB, ORDINARY: WEB, OTHER_LINK_LOCAL: DB, "172.18.0.4": DB})
    caller, same, other = network.identify(LINK_LOCAL, ORDINARY, OTHER_LINK_LOCAL)
    assert (caller.key, caller.names, caller.addresses) == ("proj-web-1", ("proj-web-1", "web"), BOTH)
    assert caller == same
    assert caller.interfaces == (Interface(ORDINARY, (), "172.18.0.0/16", (), WEB),)
    assert other.names == ("proj-db-1", "db")


def test_a_missing_ordinary_address_is_probed() -> None:
    (caller,) = with_link_local(macs={LINK_LOCAL: WEB}, silent={ORDINARY: WEB, "172.18.0.4": DB}).identify(LINK_LOCAL)
    assert (caller.container, caller.addresses) == ("proj-web-1", BOTH)


@pytest.mark.parametrize(("mock", "ordinary"), [("10.7.0.2", "10.7.0.253"), ("10.7.9.2", "10.7.9.17")])
def test_the_first_addresses_and_those_around_the_mocks_own_are_scanned(mock: str, ordinary: str) -> None:
    network = with_link_local(
        names={ordinary: "proj-web-1.proj_default"}, own_addresses=(f"{mock}/16 169.254.169.254/16",)
    )
    network.macs, network.silent = {LINK_LOCAL: WEB}, {ordinary: WEB}
    (caller,) = network.identify(LINK_LOCAL)
    assert caller.container == "proj-web-1"
    assert not any(each.startswith("169.254.") or each == mock for each in network.probed)


def test_a_hardware_address_derived_from_the_ip_address_gives_that_address() -> None:
    mac = "02:42:ac:12:c8:03"
    network = with_link_local(names={FAR: "proj-web-1.proj_default"}, macs={LINK_LOCAL: mac}, silent={FAR: mac})
    (caller,) = network.identify(LINK_LOCAL)
    assert (caller.container, network.probed) == ("proj-web-1", [FAR])


def test_the_addresses_of_configured_services_are_probed() -> None:
    network = with_link_local(
        names={FAR: "proj-web-1.proj_default"},
        hosts={"web": frozenset({FAR})},
        services=frozenset({"web"}),
        macs={LINK_LOCAL: WEB},
        silent={FAR: WEB},
    )
    (caller,) = network.identify(LINK_LOCAL)
    assert (caller.service, network.probed) == ("web", [FAR])


def test_a_stale_entry_is_not_used() -> None:
    # 172.18.0.4 had the hardware address that 172.18.0.3 has now; another container has 172.18.0.4 now.
    network = with_link_local(
        macs={LINK_LOCAL: WEB}, stale={"172.18.0.4": WEB}, silent={ORDINARY: WEB, "172.18.0.4": DB}
    )
    (caller,) = network.identify(LINK_LOCAL)
    assert (caller.container, caller.addresses) == ("proj-web-1", BOTH)


def test_an_unconfirmed_entry_is_confirmed_and_used() -> None:
    network = with_link_local(macs={LINK_LOCAL: WEB}, stale={ORDINARY: WEB}, silent={ORDINARY: WEB})
    (caller,) = network.identify(LINK_LOCAL)
    assert (caller.container, set(network.probed)) == ("proj-web-1", {ORDINARY})


def test_entries_for_two_containers_are_not_used() -> None:
    (caller,) = with_link_local(macs={LINK_LOCAL: WEB, ORDINARY: WEB, "172.18.0.4": WEB}).identify(LINK_LOCAL)
    assert (caller.key, caller.names) == (LINK_LOCAL, ())


def test_the_hardware_address_of_a_gateway_links_nothing() -> None:
    router = "9e:00:00:00:00:01"
    (caller,) = with_link_local(macs={LINK_LOCAL: router, ORDINARY: router, "172.18.0.1": router}).identify(LINK_LOCAL)
    assert caller.names == ()


def test_the_same_hardware_address_on_another_interface_links_nothing() -> None:
    network = with_link_local(
        names={"172.19.0.3": "proj-db-1.proj_back"},
        own_addresses=(*BOTH_NETWORKS, "172.19.0.2/16"),
        macs={LINK_LOCAL: WEB, "172.19.0.3": WEB},
    )
    assert network.identify(LINK_LOCAL)[0].names == ()


def test_a_container_on_two_networks_is_linked_on_the_one_with_its_link_local_address() -> None:
    back, front = "172.19.0.7", ORDINARY
    network = with_link_local(
        names={
            front: "proj-web-1.proj_front",
            back: "proj-web-1.proj_back",
            "172.18.0.2": "proj-mock-1.proj_front",
            "172.19.0.2": "proj-mock-1.proj_back",
        },
        hosts={
            # Without a network, the name resolves on the network without a link-local address.
            "web": frozenset({back}),
            "proj-web-1.proj_front": frozenset({front}),
            "proj-web-1.proj_back": frozenset({back}),
        },
        own_addresses=(*BOTH_NETWORKS, "172.19.0.2/16"),
        macs={LINK_LOCAL: WEB},
        silent={front: WEB, back: "9e:00:00:00:00:07"},
    )

    async def scenario() -> None:
        callers = network.registry()
        await callers.resolve_targets({"web"})
        waiting = callers.identify(LINK_LOCAL)
        assert waiting is not None
        await waiting
        assert callers.is_target(LINK_LOCAL, "web")
        assert callers.caller(LINK_LOCAL).addresses == (LINK_LOCAL, front, back)
        assert [each.ipv4 for each in callers.caller(LINK_LOCAL).interfaces] == [front, back]

    asyncio.run(scenario())


def test_both_families_are_linked() -> None:
    ipv6, fe80 = "fd00::3", "fe80::9c00:ff:fe00:3"
    network = with_link_local(
        names={ipv6: "proj-web-1.proj_default"},
        own_addresses=("fd00::2/64 fe80::2/64",),
        macs={fe80: WEB, ipv6: WEB},
        gateways=frozenset(),
    )
    (caller,) = network.identify(fe80)
    assert (caller.container, caller.addresses) == ("proj-web-1", (ipv6, fe80))
    assert caller.interfaces == (Interface(None, (ipv6,), None, ("fd00:0:0:0:0:0:0:0/64",), WEB),)


def test_without_a_name_the_ordinary_address_stands_for_both() -> None:
    network = with_link_local(names={}, macs={LINK_LOCAL: WEB, ORDINARY: WEB})
    caller, same = network.identify(LINK_LOCAL, ORDINARY)
    assert (caller.key, same.key) == (ORDINARY, ORDINARY)
    assert caller.interfaces[0].ipv4 == ORDINARY


@on_event_loop
async def test_a_target_matches_a_link_local_caller_that_could_not_be_linked_at_first() -> None:
    network = with_link_local(names={FAR: "proj-web-1.proj_default"}, hosts={"web": frozenset({FAR})})
    network.macs, network.silent = {LINK_LOCAL: WEB}, {FAR: WEB}
    callers = network.registry()
    waiting = callers.identify(LINK_LOCAL)
    assert waiting is not None
    await waiting
    assert callers.unlinked_addresses() == (LINK_LOCAL,)
    await callers.resolve_targets({"web"})
    assert callers.is_target(LINK_LOCAL, "web")
    found = match_target(callers, "web")
    assert (list(found.callers), found.warning) == ([FAR], None)
    assert callers.may_match_target(LINK_LOCAL)
    await callers.resolve_targets(set())
    assert not callers.may_match_target(LINK_LOCAL)


@pytest.mark.parametrize("filtered", [frozenset(), frozenset({ORDINARY})])
def test_a_container_that_answers_no_datagram_is_linked_by_the_kernels_own_query(filtered: frozenset[str]) -> None:
    (caller,) = with_link_local(macs={LINK_LOCAL: WEB}, silent={ORDINARY: WEB}, filtered=filtered).identify(LINK_LOCAL)
    assert caller.container == "proj-web-1"


def test_an_unlinked_caller_causes_one_scan_in_30_s() -> None:
    async def scenario() -> list[int]:
        network = with_link_local(names={}, macs={LINK_LOCAL: WEB})
        callers = network.registry()
        tried = []
        for network.now in (0.0, 6.0, 12.0, 31.0):
            waiting = callers.identify(LINK_LOCAL)
            assert waiting is not None
            await waiting
            tried.append(len(network.probed))
        return tried

    first, second, third, fourth = asyncio.run(scenario())
    assert (first, second, third, fourth) == (first, first, first, 2 * first)
    assert 0 < first < 300


@pytest.mark.parametrize(("name", "names"), [("proj-web-1", ("proj-web-1", "web")), ("proj-db-1", ())])
@on_event_loop
async def test_a_link_stays_while_its_entry_is_unconfirmed_unless_another_container_has_the_address(
    name: str, names: tuple[str, ...]
) -> None:
    network = with_link_local(
        macs={LINK_LOCAL: WEB, ORDINARY: WEB}, silent={ORDINARY: WEB}, filtered=frozenset({ORDINARY})
    )
    callers = network.registry()
    for network.now in (0.0, 40.0):
        waiting = callers.identify(LINK_LOCAL)
        assert waiting is not None
        await waiting
        if network.now == 0.0:
            assert callers.names(LINK_LOCAL) == ("proj-web-1", "web")
            network.macs, network.stale = {LINK_LOCAL: WEB}, {ORDINARY: WEB}
            network.names = {ORDINARY: f"{name}.proj_default"}
            network.filtered, network.silent = frozenset({ORDINARY}), {ORDINARY: DB if name == "proj-db-1" else WEB}
    assert callers.names(LINK_LOCAL) == names


@on_event_loop
async def test_the_identity_stays_when_a_caller_is_linked_late() -> None:
    network = with_link_local(names={FAR: "proj-web-1.proj_default"}, macs={LINK_LOCAL: WEB})
    callers = network.registry()
    keys = []
    for network.now, macs in ((0.0, {}), (6.0, {FAR: WEB}), (50.0, {FAR: WEB})):
        network.macs = {LINK_LOCAL: WEB, **macs}
        waiting = callers.identify(LINK_LOCAL)
        assert waiting is not None
        await waiting
        keys.append(callers.caller(LINK_LOCAL).key)
    assert callers.names(LINK_LOCAL) == ("proj-web-1", "web")
    assert keys == [LINK_LOCAL] * 3


def test_the_scans_for_many_unlinked_callers_are_limited() -> None:
    strangers = {f"169.254.7.{number}": f"9e:00:00:00:01:{number:02x}" for number in range(1, 101)}

    async def scenario() -> None:
        network = with_link_local(names={}, macs=dict(strangers))
        callers = network.registry()
        await callers.look_up(strangers)
        await callers.wait_for_look_ups()
        assert 0 < len(network.probed) <= 8 * 290

    asyncio.run(scenario())


@on_event_loop
async def test_the_record_of_scans_is_bounded() -> None:
    network = with_link_local(names={}, own_addresses=("172.18.0.2/29 169.254.169.254/16",))
    callers = network.registry()
    for number in range(1100):
        network.now += 1
        address = f"169.254.{1 + (number >> 8)}.{number & 255}"
        network.macs = {address: f"9e:00:00:00:{number >> 8:02x}:{number & 255:02x}"}
        await callers.look_up([address])
    assert len(network.probed) >= 1100
    assert len(callers._identifier.linker._scan_again) <= 1024


@on_event_loop
async def test_one_scan_links_all_containers_that_start_together() -> None:
    ordinary = {f"172.18.0.{number}": f"9e:00:00:00:02:{number:02x}" for number in range(3, 40)}
    link_local = {address.replace("172.18.0", "169.254.100"): mac for address, mac in ordinary.items()}
    names = {address: f"proj-app-{number}.proj_default" for number, address in enumerate(ordinary, 1)}
    network = with_link_local(names=names, macs=dict(link_local), silent=ordinary)
    callers = network.registry()
    await callers.look_up(link_local)
    await callers.wait_for_look_ups()
    assert {callers.caller(each).service for each in link_local} == {"app"}
