"""Who announces what: bound to address, hardware address, container and the key of the shim's start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.callers import registry as callers_registry
from imds_mock.callers.caller import Announced
from support.callers import FakeNetwork
from support.event_loops import on_event_loop

if TYPE_CHECKING:
    from imds_mock.callers.registry import CallerRegistry

HERE, SIX = "172.18.0.5", "fd00:18::5"
KEY, OTHER_KEY = "0" * 32, "1" * 32
WORKER = Announced("worker", '{"role": "worker-role"}')
ADMIN = Announced(None, '{"role": "admin"}')
RANDOM, ANOTHER = "a6:00:00:00:00:05", "a6:00:00:00:00:06"
DERIVED = "02:42:ac:12:00:05"


def network(mac: str | None = RANDOM, **macs: str) -> FakeNetwork:
    """A network without names, as in a cluster."""
    known = {HERE: mac} if mac else {}
    return FakeNetwork(macs={**known, **macs}, gateways=frozenset({"172.18.0.1"}))


def dual_stack() -> FakeNetwork:
    """A network of both IP versions, with a container that has an address of each."""
    return FakeNetwork(own_addresses=("172.18.0.2/16 fd00:18::2/64",), macs={HERE: RANDOM, SIX: RANDOM})


async def connect(registry: CallerRegistry, address: str = HERE) -> None:
    """A connection, whose caller is identified."""
    ready = registry.identify(address)
    if ready is not None:
        await ready


@on_event_loop
async def test_what_is_announced_holds_without_a_name_server() -> None:
    around = network()
    around.is_down = True
    registry = around.registry(timeout_seconds=0.01)
    assert registry.announce(HERE, KEY, WORKER)
    await connect(registry)
    caller = registry.caller(HERE)
    assert (caller.announced, caller.key, caller.names) == (WORKER, "worker", ("worker",))
    assert registry.is_target(HERE, "worker")
    assert not registry.is_target("172.18.0.6", "worker")
    await registry.close()


@on_event_loop
async def test_the_same_key_repeats_and_another_start_replaces_the_same_content() -> None:
    registry = network().registry()
    assert registry.announce(HERE, KEY, WORKER)
    assert registry.announce(HERE, KEY, WORKER)
    assert registry.announce(HERE, OTHER_KEY, WORKER)
    assert registry.caller(HERE).announced == WORKER
    await registry.close()


@pytest.mark.parametrize("key", [KEY, OTHER_KEY])
@on_event_loop
async def test_an_application_cannot_change_what_its_shim_has_announced(key: str) -> None:
    registry = network().registry()
    assert registry.announce(HERE, KEY, WORKER)
    assert not registry.announce(HERE, key, ADMIN)
    assert registry.caller(HERE).announced == WORKER
    await registry.close()


@on_event_loop
async def test_a_shim_that_announces_nothing_keeps_the_application_from_announcing() -> None:
    registry = network().registry()
    assert registry.announce(HERE, KEY, None)
    assert not registry.announce(HERE, OTHER_KEY, ADMIN)
    assert registry.caller(HERE).announced is None
    await registry.close()


@on_event_loop
async def test_a_sidecar_that_announces_nothing_changes_nothing() -> None:
    registry = network().registry()
    assert registry.announce(HERE, KEY, WORKER)
    assert registry.announce(HERE, OTHER_KEY, None)
    assert registry.caller(HERE).announced == WORKER
    await registry.close()


@pytest.mark.parametrize("mac", [DERIVED, None])
@on_event_loop
async def test_a_new_container_whose_hardware_address_does_not_tell_may_announce_something_else(
    mac: str | None,
) -> None:
    registry = network(mac).registry()
    assert registry.announce(HERE, KEY, WORKER)
    assert registry.announce(HERE, OTHER_KEY, ADMIN)
    assert registry.caller(HERE).announced == ADMIN
    assert registry.announce(HERE, KEY, None)
    assert registry.caller(HERE).announced is None
    await registry.close()


@on_event_loop
async def test_a_new_container_with_a_new_hardware_address_announces_anew() -> None:
    around = network()
    registry = around.registry()
    assert registry.announce(HERE, KEY, WORKER)
    around.macs = {HERE: ANOTHER}
    assert registry.announce(HERE, OTHER_KEY, ADMIN)
    assert registry.caller(HERE).announced == ADMIN
    await registry.close()


@pytest.mark.parametrize("is_down", [False, True])
@on_event_loop
async def test_a_container_without_the_shim_does_not_inherit_the_address_identity(is_down: bool) -> None:  # noqa: FBT001
    around = network()
    around.is_down = is_down
    registry = around.registry(timeout_seconds=0.01)
    registry.announce(HERE, KEY, WORKER)
    await connect(registry)
    await registry.wait_for_look_ups()
    around.macs = {HERE: ANOTHER}
    around.now += 0.3
    await connect(registry)
    await registry.wait_for_look_ups()
    assert registry.caller(HERE).announced is None
    assert registry.caller(HERE).key == HERE
    await registry.close()


@on_event_loop
async def test_another_container_with_a_derived_hardware_address_is_told_by_its_name() -> None:
    around = network(DERIVED)
    around.names = {HERE: "p-web-1.p_default"}
    registry = around.registry()
    registry.announce(HERE, KEY, WORKER)
    await connect(registry)
    assert registry.caller(HERE).names == ("p-web-1", "web", "worker")
    around.names = {HERE: "p-db-1.p_default"}
    around.now += 0.3
    await connect(registry)
    assert registry.caller(HERE).names == ("p-db-1", "db")
    assert registry.caller(HERE).key == "p-db-1"
    await registry.close()


@on_event_loop
async def test_the_other_addresses_of_the_container_have_the_same_identity() -> None:
    around = dual_stack()
    registry = around.registry()
    await connect(registry, SIX)
    registry.announce(HERE, KEY, WORKER)
    assert registry.caller(SIX).announced == WORKER
    assert registry.caller(SIX).key == "worker"
    await registry.close()


@on_event_loop
async def test_callers_behind_the_gateway_share_no_hardware_address() -> None:
    around = network(None, **{"172.18.0.1": RANDOM})
    registry = around.registry()
    registry.announce("172.18.0.1", KEY, WORKER)
    assert registry.announcements.at("172.18.0.1").mac is None  # type: ignore[union-attr]
    await connect(registry)
    assert registry.caller(HERE).announced is None
    await registry.close()


@on_event_loop
async def test_announcements_are_evicted_with_their_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers_registry, "_MAX_ADDRESSES", 8)
    around = FakeNetwork()
    registry = around.registry()
    for number in range(20):
        around.now += 1
        registry.announce(f"172.18.1.{number}", KEY, Announced(f"n{number}"))
    assert len(registry.announcements) <= 8
    assert registry.caller("172.18.1.19").announced == Announced("n19")
    assert registry.caller("172.18.1.0").announced is None
    await registry.close()


@on_event_loop
async def test_the_first_announcement_makes_callers_differ() -> None:
    around = network()
    registry = around.registry()
    registry.announce(HERE, KEY, WORKER)
    registry.announce("172.18.0.6", KEY, WORKER)
    assert around.changes.count(None) == 1
    assert {HERE} in around.changes
    await registry.close()


@on_event_loop
async def test_the_addresses_of_one_start_are_one_container() -> None:
    around = dual_stack()
    registry = around.registry()
    registry.announce(HERE, KEY, ADMIN)
    registry.announce(SIX, KEY, ADMIN)
    await connect(registry)
    await connect(registry, SIX)
    assert registry.caller(HERE) == registry.caller(SIX)
    assert registry.caller(SIX).addresses == (HERE, SIX)
    assert registry.caller(SIX).key == HERE
    around.now += 60
    await connect(registry)
    await connect(registry, SIX)
    assert registry.caller(HERE) == registry.caller(SIX)
    await registry.close()


@on_event_loop
async def test_an_address_that_has_not_announced_has_the_id_of_its_container() -> None:
    around = dual_stack()
    registry = around.registry()
    registry.announce(HERE, KEY, ADMIN)
    await connect(registry, SIX)
    assert (registry.caller(SIX).key, registry.caller(SIX).announced) == (HERE, ADMIN)
    assert registry.caller(HERE).addresses == (HERE,)
    await registry.close()


@on_event_loop
async def test_a_moved_container_takes_only_its_own_address_along() -> None:
    around = dual_stack()
    registry = around.registry()
    registry.announce(HERE, KEY, ADMIN)
    registry.announce(SIX, KEY, ADMIN)
    around.macs = {HERE: RANDOM, SIX: ANOTHER}
    around.now += 60
    around.changes.clear()
    await connect(registry, SIX)
    assert registry.caller(SIX).announced is None
    assert {HERE, SIX} in around.changes
    await connect(registry)
    assert (registry.caller(HERE).announced, registry.caller(HERE).addresses) == (ADMIN, (HERE,))
    await registry.close()


@pytest.mark.parametrize("is_looked_up_first", [False, True])
@on_event_loop
async def test_a_busy_successor_is_told_from_its_predecessor_after_5_seconds(*, is_looked_up_first: bool) -> None:
    around = network()
    registry = around.registry()
    if is_looked_up_first:
        await connect(registry)
        await registry.wait_for_look_ups()
    registry.announce(HERE, KEY, WORKER)
    await connect(registry)
    await registry.wait_for_look_ups()
    around.macs = {HERE: ANOTHER}
    for _ in range(51):
        around.now += 0.1
        await connect(registry)
    assert registry.caller(HERE).announced is None
    await registry.close()


@pytest.mark.parametrize("mac", [DERIVED, "0a:58:0a:f4:00:05", None])
@on_event_loop
async def test_one_start_announces_one_thing_even_if_the_hardware_address_does_not_tell(mac: str | None) -> None:
    registry = network(mac).registry()
    assert registry.announce(HERE, KEY, WORKER)
    assert not registry.announce(HERE, KEY, ADMIN)
    assert registry.announce(HERE, OTHER_KEY, ADMIN)
    await registry.close()


@on_event_loop
async def test_what_is_replaced_is_forgotten() -> None:
    registry = network(None).registry()
    for number in range(100):
        assert registry.announce(HERE, f"{number:032x}", Announced(f"n{number}"))
    assert (len(registry.announcements), len(registry.announcements._addresses_by_start)) == (1, 1)
    assert registry.announce(HERE, KEY, None)
    assert len(registry.announcements) == 0
    await registry.close()


@on_event_loop
async def test_an_address_that_announces_anew_leaves_the_container_it_belonged_to() -> None:
    other = "10.1.0.4"
    registry = network(None).registry()
    registry.announce(HERE, KEY, ADMIN)
    registry.announce(other, KEY, ADMIN)
    registry.announce(other, OTHER_KEY, WORKER)
    await connect(registry)
    assert (registry.caller(HERE).addresses, registry.caller(HERE).announced) == ((HERE,), ADMIN)
    await registry.close()


@on_event_loop
async def test_a_container_is_not_forgotten_when_its_neighbour_entry_expires() -> None:
    around = network()
    registry = around.registry()
    registry.announce(HERE, KEY, WORKER)
    await connect(registry)
    around.macs = {}
    around.now += 60
    await connect(registry)
    await registry.wait_for_look_ups()
    assert registry.caller(HERE).announced == WORKER
    await registry.close()


@on_event_loop
async def test_a_new_name_that_is_being_looked_up_is_the_announcing_container_s() -> None:
    around = network(DERIVED)
    around.names = {HERE: "p-web-1.p_default"}
    registry = around.registry()
    await connect(registry)
    around.names = {HERE: "p-db-1.p_default"}
    around.now += 0.3
    registry.announce(HERE, KEY, WORKER)
    await registry.wait_for_look_ups()
    assert (registry.caller(HERE).container, registry.caller(HERE).announced) == ("p-db-1", WORKER)
    await registry.close()


@on_event_loop
async def test_forgetting_one_address_forgets_the_whole_container() -> None:
    around = dual_stack()
    registry = around.registry()
    registry.announce(HERE, KEY, ADMIN)
    registry.announce(SIX, KEY, ADMIN)
    await connect(registry)
    registry.forget_announcements(HERE)
    assert [registry.caller(each).announced for each in (HERE, SIX)] == [None, None]
    assert registry.announce(SIX, OTHER_KEY, WORKER)
    await registry.close()


@on_event_loop
async def test_a_container_that_has_announced_a_name_is_known_before_its_first_request() -> None:
    registry = network().registry()
    registry.announce(HERE, KEY, WORKER)
    assert [(each.address, each.has_asked) for each in registry.known_callers()] == [(HERE, False)]
    await registry.close()
