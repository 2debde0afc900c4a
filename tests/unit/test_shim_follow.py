from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from imds_shim.errors import KernelRefusedError
from imds_shim.follow import INTERVAL_SECONDS, Follower, follow
from imds_shim.nat.rule import DnatRule
from support.fakes import MOCK_ONE, MOCK_TWO, NGINX, OTHER_IMDS, FakeNatTable, FakeNetwork, Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_shim.endpoints import IPAddress

OLD, NEW, OLD_V6, NEW_V6 = map(ip_address, ("172.18.0.2", "172.18.0.9", "fd12::2", "fd12::9"))
RULE = DnatRule(ip_address("169.254.169.254"), 80, OLD, 1338)
RULE_V6 = DnatRule(ip_address("fd00:ec2::254"), 80, OLD_V6, 1338)
MOVED = DnatRule(RULE.destination, 80, NEW, 1338)


class World:
    """A follower with everything around it in memory; `happened` is the order of what it did."""

    def __init__(self, *rules: DnatRule) -> None:
        self.network = FakeNetwork()
        self.network.names["mock"] = [OLD]
        self.network.servers[f"{NEW}:1338"] = MOCK_TWO
        self.table = FakeNatTable("nft", rules=list(rules))
        self.lines = Lines()
        self.happened: list[str] = []
        self.follower = Follower(
            "mock", list(rules), [self.table], self.network, self.ensure_route, self.replace_rule, self.lines.log
        )

    def ensure_route(self, destination: IPAddress, mock: IPAddress) -> None:
        self.happened.append(f"route of {destination} to {mock}")

    def replace_rule(self, old: DnatRule, switch: Callable[[], None]) -> None:
        switch()
        self.happened.append(f"connections through {old} ended")


def test_nothing_is_touched_while_the_name_leads_to_the_address_in_the_rule() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW, OLD]
    world.follower.update_rules()
    assert (world.table.history, world.network.probed, world.happened, world.lines.lines) == ([], [], [], [])


def test_the_rule_follows_in_one_step_and_then_the_old_connections_end() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]
    world.follower.update_rules()
    assert world.table.history == [(MOVED,)]
    assert world.happened == [f"route of {RULE.destination} to {NEW}", f"connections through {RULE} ended"]
    assert world.lines.lines == [f"the mock has moved: 169.254.169.254:80 -> {NEW}:1338"]
    world.follower.update_rules()
    assert world.table.history == [(MOVED,)]


def test_one_answer_moves_the_rules_of_every_service() -> None:
    """A mock that is silent costs the follower's patience once, not once for each of them."""
    ecs = DnatRule(ip_address("169.254.170.2"), 80, OLD, 1338)
    world = World(RULE, ecs)
    world.network.names["mock"] = [NEW]
    world.follower.update_rules()
    assert set(world.table.rules) == {MOVED, ecs.with_target(NEW)}
    assert world.network.probed == [f"{NEW}:1338"]


@pytest.mark.parametrize("answer", ["refuses the connection", NGINX])
def test_the_rule_stays_until_the_new_address_answers_as_an_imds(answer: object) -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]
    world.network.servers[f"{NEW}:1338"] = answer  # type: ignore[assignment]
    world.follower.update_rules()
    assert world.table.rules == [RULE]
    world.network.servers[f"{NEW}:1338"] = OTHER_IMDS
    world.follower.update_rules()
    assert world.table.rules == [MOVED]


def test_the_rule_stays_while_the_name_does_not_resolve() -> None:
    world = World(RULE)
    del world.network.names["mock"]
    world.follower.update_rules()
    assert world.table.rules == [RULE]


def test_of_several_addresses_the_first_that_answers() -> None:
    world = World(RULE)
    silent = ip_address("172.18.0.5")
    world.network.names["mock"] = [silent, NEW]
    world.follower.update_rules()
    assert world.network.probed == [f"{silent}:1338", f"{NEW}:1338"]
    assert world.table.rules == [MOVED]


def test_each_family_follows_its_own_address() -> None:
    world = World(RULE, RULE_V6)
    world.network.names["mock"] = [OLD, NEW_V6]
    world.network.servers[f"{NEW_V6}:1338"] = MOCK_ONE
    world.follower.update_rules()
    assert set(world.table.rules) == {RULE, DnatRule(RULE_V6.destination, 80, NEW_V6, 1338)}


def test_the_endpoint_itself_is_never_taken_for_the_mock() -> None:
    world = World(RULE)
    world.network.names["mock"] = [ip_address("169.254.169.254")]
    world.network.servers["169.254.169.254:1338"] = MOCK_ONE
    world.follower.update_rules()
    assert world.table.rules == [RULE]


def test_a_refusal_is_said_once_and_tried_again() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]
    world.table.refuses = True
    world.follower.update_rules()
    world.follower.update_rules()
    (line,) = world.lines.lines
    assert "the rule cannot be updated" in line
    world.table.refuses = False
    world.follower.update_rules()
    assert world.table.rules == [MOVED]


def test_a_route_that_cannot_be_set_leaves_the_rule() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]

    def refuse(destination: IPAddress, mock: IPAddress) -> None:
        raise KernelRefusedError(f"no route to {destination} by {mock}")

    world.follower.ensure_route = refuse
    world.follower.update_rules()
    assert world.table.rules == [RULE]


def test_it_looks_once_a_second_until_the_application_has_ended() -> None:
    world = World(RULE)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        if len(waited) == 3:
            world.network.names["mock"] = [NEW]
        return len(waited) < 5

    follow(world.follower, wait)
    assert waited == [INTERVAL_SECONDS] * 5
    assert world.table.rules == [MOVED]
