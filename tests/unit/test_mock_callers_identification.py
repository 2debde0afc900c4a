"""The container at an address: one caller on all its networks, its service, its interfaces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from imds_mock.callers.caller import Caller, Interface
from support.callers import FakeNetwork

FRONT, BACK = "172.18.0.3", "172.19.0.7"
LINK_LOCAL = "169.254.7.7"
TWO_NETWORKS = ("172.18.0.2/16", "172.19.0.2/24")


def test_a_container_on_two_networks_is_one_caller_with_two_interfaces() -> None:
    network = FakeNetwork(
        {
            FRONT: "proj-app-1.proj_front",
            BACK: "proj-app-1.proj_back",
            "172.18.0.2": "proj-mock-1.proj_front",
            "172.19.0.2": "proj-mock-1.proj_back",
        },
        {"proj-app-1.proj_front": frozenset({FRONT}), "proj-app-1.proj_back": frozenset({BACK})},
        own_addresses=TWO_NETWORKS,
        macs={FRONT: "02:42:ac:12:00:03"},
    )
    one, other = network.identify(BACK, FRONT)
    assert one == other
    assert one.networks == ("proj_back", "proj_front")
    assert one.interfaces == (
        Interface(FRONT, (), "172.18.0.0/16", (), "02:42:ac:12:00:03"),
        Interface(BACK, (), "172.19.0.0/24", (), None),
    )


def test_an_address_of_another_container_is_not_used() -> None:
    network = FakeNetwork(
        {FRONT: "web.proj_front", "172.18.0.9": "proj-web-1.proj_front"},
        {"web": frozenset({FRONT, "172.18.0.9"})},
        own_addresses=TWO_NETWORKS,
        is_engine=False,
    )
    (caller,) = network.identify(FRONT)
    assert caller.addresses == (FRONT,)


def test_a_new_address_of_a_container_is_known_at_its_other_addresses() -> None:
    async def scenario() -> None:
        network = FakeNetwork(
            {FRONT: "proj-app-1.proj_front", BACK: "proj-app-1.proj_back"}, own_addresses=TWO_NETWORKS, is_engine=False
        )
        callers = network.registry()
        await callers.look_up([FRONT])
        assert callers.caller(FRONT).addresses == (FRONT,)
        network.hosts = {"proj-app-1": frozenset({FRONT, BACK})}
        await callers.look_up([BACK])
        assert callers.caller(FRONT).addresses == callers.caller(BACK).addresses == (FRONT, BACK)

    asyncio.run(scenario())


def test_both_families_on_one_network_are_one_interface() -> None:
    network = FakeNetwork(
        {FRONT: "a.net", "fd00::3": "a.net"},
        {"a": frozenset({FRONT, "fd00::3"})},
        own_addresses=("172.18.0.2/16", "fd00::2/64"),
    )
    (caller,) = network.identify("fd00::3")
    assert {each.ipv4 or each.ipv6s for each in caller.interfaces} == {FRONT, ("fd00::3",)}
    assert caller.key == "a"


def test_a_service_is_found_for_a_container_with_a_name_of_its_own() -> None:
    network = FakeNetwork(
        {FRONT: "custom.proj_default"}, {"web": frozenset({FRONT})}, services=frozenset({"web", "db"})
    )
    (caller,) = network.identify(FRONT)
    assert caller.names == ("custom", "web")


def test_all_addresses_of_this_network_namespace_are_one_caller() -> None:
    network = FakeNetwork({"172.18.0.2": "proj-app-1.proj_default"}, own_addresses=TWO_NETWORKS)
    loopback, own, other = network.identify("127.0.0.1", "172.18.0.2", "172.19.0.2")
    assert loopback == own == other
    assert (loopback.key, loopback.service) == ("proj-app-1", "app")
    assert [each.ipv4 for each in loopback.interfaces] == ["172.18.0.2", "172.19.0.2"]


def test_other_loopback_addresses_are_separate_callers() -> None:
    first, second = FakeNetwork().identify("127.0.0.2", "127.0.0.3")
    assert first.key != second.key
    assert first.interfaces == (Interface("127.0.0.2", (), "127.0.0.0/8", (), None),)


def test_a_link_local_caller_is_known_by_its_address() -> None:
    (caller,) = FakeNetwork().identify("169.254.7.7")
    assert (caller.key, caller.addresses, caller.names) == ("169.254.7.7", ("169.254.7.7",), ())


def test_a_network_of_link_local_addresses_has_names() -> None:
    network = FakeNetwork(
        {"169.254.169.3": "proj-app-1.proj_default"}, own_addresses=("169.254.169.254/24",), gateways=frozenset()
    )
    (caller,) = network.identify("169.254.169.3")
    assert (caller.service, caller.interfaces[0].ipv4_block) == ("app", "169.254.169.0/24")


def test_link_local_ips_beside_an_ordinary_network_have_none() -> None:
    network = FakeNetwork(own_addresses=("172.18.0.2/16", "169.254.169.254/16"))
    (caller,) = network.identify("169.254.7.7")
    assert (network.queries, caller.key) == ([], "169.254.7.7")


def test_a_restarted_container_has_its_new_hardware_address() -> None:
    async def scenario() -> tuple[str | None, str | None]:
        network = FakeNetwork({FRONT: "app.net"}, macs={FRONT: "02:00:00:00:00:01"})
        callers = network.registry()
        macs = []
        for network.now in (0.0, 6.0):
            waiting = callers.identify(FRONT)
            assert waiting is not None
            await waiting
            macs.append(callers.caller(FRONT).interfaces[0].mac)
            network.macs = {FRONT: "02:00:00:00:00:02"}
        return macs[0], macs[1]

    assert asyncio.run(scenario()) == ("02:00:00:00:00:01", "02:00:00:00:00:02")


def test_another_container_at_an_address_does_not_inherit_a_hardware_address() -> None:
    async def scenario() -> list[str | None]:
        network = FakeNetwork({FRONT: "app.net"}, macs={FRONT: "02:00:00:00:00:01"})
        callers = network.registry()
        macs = []
        for network.now in (0.0, 6.0):
            waiting = callers.identify(FRONT)
            assert waiting is not None
            await waiting
            macs.append(callers.caller(FRONT).interfaces[0].mac)
            network.names, network.macs = {FRONT: "other.net"}, {}
        return macs

    assert asyncio.run(scenario()) == ["02:00:00:00:00:01", None]


def test_a_mock_on_one_network_needs_one_query_for_a_replica() -> None:
    network = FakeNetwork({FRONT: "proj-app-1.proj_front"})
    network.identify(FRONT)
    assert network.queries == [FRONT]


@pytest.mark.parametrize("gateway", ["172.18.0.1", "fd00::1"])
def test_the_main_address_is_an_ipv4_address_with_the_default_route_if_possible(gateway: str) -> None:
    networks = ("fd00::2/64", "172.18.0.2/16") if ":" in gateway else ("172.19.0.2/16", "172.18.0.2/16")
    network = FakeNetwork(own_addresses=networks, gateways=frozenset({gateway}), is_engine=False)
    assert network.identify("::1")[0].key == "172.18.0.2"


def test_a_link_local_caller_whose_link_has_no_ordinary_network_loses_its_earlier_name() -> None:
    before = Caller("proj-app-1", ("172.18.0.3", LINK_LOCAL), "proj-app-1", "app", 1, ("proj_default",))
    network = FakeNetwork(own_addresses=("169.254.169.254/16",))
    found = asyncio.run(network.registry()._identifier.look_up(LINK_LOCAL, before, full=True))
    assert found is None


TASKS = ("o1fd5k0x2b9w3s8r7q6p4m5n1", "9vzpcg8b2n4x6m1l3k5j7h0q2")


def keys_in_turn(network: FakeNetwork, *changes: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Key and service of the caller at `FRONT`, 6 s apart, with changes to the network before each request."""

    async def scenario() -> list[tuple[str, str | None]]:
        callers = network.registry()
        found = []
        for change in ({}, *changes):
            vars(network).update(change)
            waiting = callers.identify(FRONT)
            assert waiting is not None
            await waiting
            caller = callers.caller(FRONT)
            found.append((caller.key, caller.service))
            network.now += 31.0
        return found

    return asyncio.run(scenario())


def test_a_container_without_a_name_keeps_its_identity_at_the_same_hardware_address() -> None:
    network = FakeNetwork({FRONT: f"shop_web.1.{TASKS[0]}.shop_default"}, macs={FRONT: "02:42:0a:00:01:05"})
    draining: dict[str, Any] = {"names": {}}
    another = {"macs": {FRONT: "02:42:0a:00:01:06"}}
    assert keys_in_turn(network, draining, draining, another) == [
        ("shop_web.1", "web"),
        ("shop_web.1", "web"),
        ("shop_web.1", "web"),
        (FRONT, None),
    ]


def test_a_container_without_a_name_or_a_hardware_address_is_known_by_its_address() -> None:
    assert keys_in_turn(FakeNetwork({FRONT: "a.net"}), {"names": {}}) == [("a", None), (FRONT, None)]


def test_a_new_task_in_a_slot_has_the_same_identity() -> None:
    names = [{"names": {FRONT: f"shop_web.1.{task}.shop_default"}} for task in TASKS]
    assert keys_in_turn(FakeNetwork(), *names)[1:] == [("shop_web.1", "web")] * 2


def test_a_podman_container_has_its_name_its_service_and_its_aliases() -> None:
    network = FakeNetwork(
        {FRONT: ("extra.dns.podman.", "proj_app_1.dns.podman.", "0a1b2c3d4e5f.dns.podman.", "app.dns.podman.")}
    )
    (caller,) = network.identify(FRONT)
    assert (caller.key, caller.names, caller.networks) == ("proj_app_1", ("proj_app_1", "app", "extra"), ())


def test_a_known_podman_container_is_not_looked_up_in_full_again() -> None:
    names = "custom", "web", "0a1b2c3d4e5f"
    network = FakeNetwork({FRONT: names, BACK: names}, own_addresses=TWO_NETWORKS)

    async def scenario() -> None:
        callers = network.registry()
        for network.now in (0.0, 6.0):
            await callers.look_up([FRONT])

    asyncio.run(scenario())
    assert network.queries.count("custom") == 1
    assert network.queries[-1] == FRONT


def test_a_task_on_two_networks_is_one_caller() -> None:
    task, mock = f"shop_web.1.{TASKS[0]}", f"shop_mock.1.{TASKS[1]}"
    network = FakeNetwork(
        {
            FRONT: f"{task}.shop_front",
            BACK: f"{task}.shop_back",
            "172.18.0.2": f"{mock}.shop_front",
            "172.19.0.2": f"{mock}.shop_back",
        },
        {f"{task}.shop_front": frozenset({FRONT}), f"{task}.shop_back": frozenset({BACK})},
        own_addresses=TWO_NETWORKS,
    )
    one, other = network.identify(FRONT, BACK)
    assert one == other
    assert (one.addresses, one.names) == ((FRONT, BACK), ("shop_web.1", "web", "shop_web"))


@pytest.mark.parametrize(("name", "expected"), [(f"shop_mock.1.{TASKS[0]}.shop_default", True), ("mock.net", False)])
def test_the_mocks_own_name_tells_whether_it_is_in_a_swarm(name: str, *, expected: bool) -> None:
    identifier = FakeNetwork({"172.18.0.2": name}).registry()._identifier
    assert asyncio.run(identifier.is_in_swarm()) is expected
