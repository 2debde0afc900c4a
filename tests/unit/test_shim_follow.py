from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from imds_shim import follow as follow_module
from imds_shim.config import load
from imds_shim.errors import KernelRefusedError
from imds_shim.exec import hidden_process, privileges
from imds_shim.follow import INTERVAL_SECONDS, Follower, follow, start_follower
from imds_shim.nat.rule import DnatRule
from imds_shim.network.probe_result import ProbeResult
from support.fakes import MOCK_ONE, MOCK_TWO, NGINX, OTHER_IMDS, FakeNatTable, FakeNetwork, Lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_shim.endpoints import IPAddress

OLD, NEW, OLD_V6, NEW_V6 = map(ip_address, ("172.18.0.2", "172.18.0.9", "fd12::2", "fd12::9"))
RULE = DnatRule(ip_address("169.254.169.254"), 80, OLD, 1338)
RULE_V6 = DnatRule(ip_address("fd00:ec2::254"), 80, OLD_V6, 1338)
MOVED = DnatRule(RULE.destination, 80, NEW, 1338)


class World:
    """A follower with fakes around it; `happened` is the order of its actions."""

    def __init__(self, *rules: DnatRule, announces: bool = False) -> None:
        self.network = FakeNetwork()
        self.network.names["mock"] = [OLD]
        self.network.servers[f"{NEW}:1338"] = MOCK_TWO
        self.table = FakeNatTable("nft", rules=list(rules))
        self.lines = Lines()
        self.happened: list[str] = []
        self.follower = Follower(
            "mock",
            list(rules),
            [self.table],
            self.network,
            self.ensure_route,
            self.replace_rule,
            self.lines.log,
            1338 if announces else None,
        )

    def ensure_route(self, destination: IPAddress, mock: IPAddress) -> None:
        self.happened.append(f"route of {destination} to {mock}")

    def replace_rule(self, old: DnatRule, switch: Callable[[], None]) -> None:
        switch()
        self.happened.append(f"connections through {old} ended")


def test_nothing_changes_while_the_name_resolves_to_the_rules_address() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW, OLD]
    world.follower.update_rules()
    assert (world.table.history, world.network.probed, world.happened, world.lines.lines) == ([], [], [], [])


def test_the_rule_is_replaced_in_one_transaction_and_then_old_connections_end() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]
    world.follower.update_rules()
    assert world.table.history == [(MOVED,)]
    assert world.happened == [f"route of {RULE.destination} to {NEW}", f"connections through {RULE} ended"]
    assert world.lines.lines == [f"the mock has moved: 169.254.169.254:80 -> {NEW}:1338"]
    world.follower.update_rules()
    assert world.table.history == [(MOVED,)]


def test_one_probe_serves_the_rules_of_all_services() -> None:
    """A silent mock takes the follower's timeout once, not once per rule."""
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


def test_the_first_answering_address_is_used() -> None:
    world = World(RULE)
    silent = ip_address("172.18.0.5")
    world.network.names["mock"] = [silent, NEW]
    world.follower.update_rules()
    assert world.network.probed == [f"{silent}:1338", f"{NEW}:1338"]
    assert world.table.rules == [MOVED]


def test_each_ip_version_follows_its_own_address() -> None:
    world = World(RULE, RULE_V6)
    world.network.names["mock"] = [OLD, NEW_V6]
    world.network.servers[f"{NEW_V6}:1338"] = MOCK_ONE
    world.follower.update_rules()
    assert set(world.table.rules) == {RULE, DnatRule(RULE_V6.destination, 80, NEW_V6, 1338)}


def test_an_endpoint_is_never_used_as_the_mocks_address() -> None:
    world = World(RULE)
    world.network.names["mock"] = [ip_address("169.254.169.254")]
    world.network.servers["169.254.169.254:1338"] = MOCK_ONE
    world.follower.update_rules()
    assert world.table.rules == [RULE]


def test_a_refusal_is_logged_once_and_retried() -> None:
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


def test_a_refusal_after_a_success_is_logged_again() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]
    for refuses in (True, False, True):
        world.table.refuses = refuses
        world.follower.update_rules()
        world.table.rules[:] = world.follower.rules[:] = [RULE]
    assert ["the rule cannot be updated" in line for line in world.lines.lines] == [True, False, True]


def test_a_refused_route_leaves_the_rule() -> None:
    world = World(RULE)
    world.network.names["mock"] = [NEW]

    def refuse(destination: IPAddress, mock: IPAddress) -> None:
        raise KernelRefusedError(f"no route to {destination} by {mock}")

    world.follower.ensure_route = refuse
    world.follower.update_rules()
    assert world.table.rules == [RULE]


def test_it_updates_once_per_second_until_the_application_ends() -> None:
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


REFUSES = ProbeResult("mock", "one", "imds-mock one", refusal="another container")


def test_a_container_with_something_to_announce_announces_it_again_and_again() -> None:
    world = World(RULE, announces=True)
    world.network.names["mock"] = [NEW, OLD]
    world.network.servers[f"{OLD}:1338"] = MOCK_ONE
    world.follower.update_rules()
    world.follower.update_rules()
    assert world.network.announced == [f"{OLD}:1338", f"{OLD}:1338"]
    assert (world.table.history, world.lines.lines) == ([], [])


def test_it_announces_to_the_mock_that_has_moved() -> None:
    world = World(RULE, announces=True)
    world.network.names["mock"] = [NEW]
    world.follower.update_rules()
    assert world.network.announced == [f"{NEW}:1338", f"{NEW}:1338"]


def test_without_a_rule_it_announces_at_one_address_of_each_version() -> None:
    world = World(announces=True)
    world.network.names["mock"] = [OLD, NEW, OLD_V6]
    world.follower.update_rules()
    assert sorted(world.network.announced) == sorted([f"{OLD}:1338", f"{OLD_V6}:1338"])


def test_a_mock_that_is_down_is_no_news_and_one_that_refuses_is_reported_once() -> None:
    world = World(RULE, announces=True)
    world.follower.update_rules()
    assert world.lines.lines == []
    world.network.servers[f"{OLD}:1338"] = REFUSES
    world.follower.update_rules()
    world.follower.update_rules()
    assert world.lines.lines == ["warning: the mock refuses what this container announces: another container"]


@pytest.mark.parametrize(
    ("settings", "rules", "port"),
    [
        ((), (), "none"),
        ((), (RULE,), None),
        (("MOCK_INSTANCE=role=a",), (), 1338),
        (("MOCK_INSTANCE=role=a",), (RULE,), 1338),
    ],
)
def test_a_process_follows_if_there_is_a_rule_or_something_to_announce(
    monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], rules: tuple[DnatRule, ...], port: int | str | None
) -> None:
    followers: list[Follower] = []
    monkeypatch.setattr(hidden_process, "start", lambda _name, main: main(lambda _seconds: False))
    monkeypatch.setattr(privileges, "keep_only", lambda _capabilities: None)
    monkeypatch.setattr(follow_module, "follow", lambda follower, _wait: followers.append(follower))
    config = load([b"true"], [each.encode() for each in ("MOCK_HOSTNAME=mock", "MOCK_PORT=1338", *settings)])
    start_follower(config, FakeNetwork(), [FakeNatTable("nft", rules=list(rules))], Lines().log)
    assert [each.announces_to_port for each in followers] == ([] if port == "none" else [port])
    assert [each.rules for each in followers] == ([] if port == "none" else [list(rules)])
