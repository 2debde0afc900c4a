"""State and views: one swap a change, nothing half done, everybody sees what concerns him."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.build.built_config import BuiltConfig
from imds_mock.callers.caller import Caller
from imds_mock.config.errors import ConfigError
from imds_mock.config.settings import Config, MetadataOptions
from imds_mock.events.armed import ArmedEvents
from imds_mock.events.kinds import EVENTS, AnyEvent
from imds_mock.events.scenario import read_scenario
from imds_mock.faults.armed import ArmedFaults
from imds_mock.faults.kinds import AnyFault
from imds_mock.metadata.tree import Leaf
from imds_mock.service.snapshot import Snapshot
from imds_mock.state.snapshots import ConflictingPathsError, SnapshotCache, Views
from imds_mock.state.state import State
from imds_mock.violations.words import tag_of
from support.mockserver import INSTANCE_ID, LABELS, LEAVES, STARTED, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

APP, OTHER = "172.18.0.3", "172.18.0.4"
NOTICE = "meta-data/spot/instance-action"


@dataclass
class Names:
    """Callers without a name server."""

    known: dict[str, str] = field(default_factory=lambda: {"app": APP})

    def __post_init__(self) -> None:
        self.announcements: tuple[()] = ()
        self.on_change: Callable[[Collection[str] | None], None] = lambda _addresses: None

    def is_target(self, address: str, target: str) -> bool:
        return address == target or self.known.get(target) == address

    def invalidate(self) -> None:
        pass

    def caller(self, address: str) -> Caller:
        return Caller(address, (address,) if address else ())


def build(config: Config) -> BuiltConfig:
    if "forbidden" in config.metadata:
        raise ConfigError("metadata: forbidden")
    leaves = {**LEAVES, **{path: Leaf(str(value).encode()) for path, value in config.metadata.items()}}

    def build_snapshot(laid: Mapping[str, Leaf]) -> Snapshot:
        return Snapshot.build(laid, LABELS, config.metadata_options, instance_id=INSTANCE_ID, started=STARTED)

    return BuiltConfig(leaves, build_snapshot)


class FakeBuilder:
    def build(self, config: Config) -> BuiltConfig:
        return build(config)

    def reset(self) -> None:
        pass


def state(clock: Clock | None = None, names: Names | None = None) -> State:
    names = names or Names()
    faults = ArmedFaults(names.is_target, lambda: 0.0)
    return State(Config(), builder=FakeBuilder(), faults=faults, callers=names, clock=clock or Clock())


def event(kind: str, **fields: Any) -> AnyEvent:
    required = {"state": "Standby"} if kind == "lifecycle" else {}
    converted: AnyEvent = msgspec.convert({"kind": kind, **required, **fields}, AnyEvent)
    return converted


def arm(mock: State, *events: AnyEvent) -> None:
    timeline = mock.events
    for each in events:
        timeline = timeline.arm(each, mock.clock())
    mock.schedule(timeline)


def sees(mock: State, caller: str, path: str = NOTICE) -> bool:
    return mock.snapshot_for(caller).tree.lookup("latest", path, mock.clock()) is not None


def test_an_event_is_seen_by_the_next_request() -> None:
    mock = state()
    assert not sees(mock, APP)
    arm(mock, event("spot"))
    assert sees(mock, APP)
    assert sees(mock, OTHER)


@pytest.mark.parametrize("target", ["app", APP])
def test_a_targeted_event_is_seen_by_its_target_alone(target: str) -> None:
    mock = state()
    arm(mock, event("spot", target=target), event("rebalance"))
    assert (sees(mock, APP), sees(mock, OTHER)) == (True, False)
    assert sees(mock, OTHER, "meta-data/events/recommendations/rebalance")
    assert b"spot" not in listing(mock, OTHER)
    assert b"spot/" in listing(mock, APP)


def listing(mock: State, caller: str) -> bytes:
    found = mock.snapshot_for(caller).tree.lookup("latest", "meta-data", mock.clock())
    assert found is not None
    return found.body


def test_callers_with_the_same_events_share_a_snapshot() -> None:
    mock = state()
    arm(mock, event("spot", target="app"))
    assert mock.snapshot_for(OTHER) is mock.snapshot_for("172.18.0.5")
    assert mock.snapshot_for(OTHER) is not mock.snapshot_for(APP)


def test_what_an_event_does_not_concern_is_not_built_again() -> None:
    mock = state()
    before = mock.snapshot_for(OTHER)
    arm(mock, event("spot", target="app"))
    assert mock.snapshot_for(OTHER) is before
    mock.schedule(mock.events.clear())
    assert mock.snapshot_for(APP) is before


def test_ending_what_is_kept_ends_it_for_all_callers_and_builds_nothing() -> None:
    mock = state()
    arm(mock, event("spot", target="app"))
    callers = (APP, OTHER)
    before, revision = [mock.snapshot_for(each) for each in callers], mock.views.revision
    mock.end_kept()
    assert mock.views.revision is not revision
    for old, new in zip(before, map(mock.snapshot_for, callers), strict=True):
        assert new.responses is not old.responses
        assert new.mark is not old.mark
        assert new.tree is old.tree


def test_looks_are_bounded() -> None:
    built = build(Config())
    cache = SnapshotCache(built.leaves, built.build_snapshot)
    timeline = ArmedEvents()
    for _ in range(200):
        timeline = timeline.arm(event("rebalance"), STARTED)
        cache.under(timeline.events[-1:])
    assert len(cache._known) <= 64


def test_a_target_that_gets_another_address_takes_its_events_along() -> None:
    names = Names()
    mock = state(names=names)
    arm(mock, event("spot", target="app"))
    assert (sees(mock, APP), sees(mock, OTHER)) == (True, False)
    names.known["app"] = OTHER
    names.on_change(None)
    assert (sees(mock, APP), sees(mock, OTHER)) == (False, True)


def test_the_endpoint_is_off_for_a_while_and_for_its_target() -> None:
    clock = Clock()
    mock = state(clock)
    arm(mock, event("endpoint-disabled", target="app", **{"in": 5, "for": 10}))

    def endpoint(caller: str) -> str:
        return mock.snapshot_for(caller).options.http_endpoint

    assert endpoint(APP) == "enabled"
    clock.now += 5
    assert (endpoint(APP), endpoint(OTHER)) == ("disabled", "enabled")
    clock.now += 10
    assert endpoint(APP) == "enabled"


def test_the_endpoint_is_off_for_everybody() -> None:
    clock = Clock()
    mock = state(clock)
    arm(mock, event("endpoint-disabled", **{"in": 5}))
    assert mock.snapshot_for(APP).options.http_endpoint == "enabled"
    clock.now += 5
    assert mock.snapshot_for(APP).options.http_endpoint == "disabled"


def test_a_configuration_that_cannot_be_changes_nothing() -> None:
    mock = state()
    arm(mock, event("spot"))
    before = (mock.config, mock.events, mock.snapshot_for(APP))
    with pytest.raises(ConfigError):
        mock.configure(Config(metadata={"forbidden": "x"}))
    with pytest.raises(ConflictingPathsError):
        mock.configure(Config(metadata={"meta-data/spot": "x"}))
    with pytest.raises(ConfigError):
        list(mock.restarting_from(Config(metadata={"forbidden": "x"})))
    assert (mock.config, mock.events, mock.snapshot_for(APP)) == before


@pytest.mark.parametrize("target", [None, "app", "nobody"])
def test_an_event_that_cannot_be_changes_nothing(target: str | None) -> None:
    mock = state()
    mock.configure(Config(metadata={"meta-data/spot": "x"}))
    before = mock.snapshot_for(APP)
    with pytest.raises(ConflictingPathsError, match="meta-data/spot"):
        arm(mock, event("spot", target=target))
    assert mock.events == ArmedEvents()
    assert mock.snapshot_for(APP) is before


def setting(path: str) -> Callable[[Config], Config]:
    """A change of one path that keeps what was said about others."""
    return lambda config: msgspec.structs.replace(config, metadata={**config.metadata, path: path})


def test_a_change_in_steps_shows_nothing_before_the_last_one() -> None:
    mock = state()
    arm(mock, event("spot", target=APP))
    before, config = mock.snapshot_for(APP), mock.config
    steps = 0
    for _ in mock.configuring(setting("added")):
        steps += 1
        assert mock.snapshot_for(APP) is before
        assert mock.config is config
    assert steps > 1
    assert {"added", NOTICE} <= set(mock.snapshot_for(APP).tree.leaves)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_nobodys_change_is_lost_to_one_that_is_made_in_steps(steps: int) -> None:
    mock = state()
    change = mock.configuring(setting("slow"))
    for _ in range(steps):
        next(change)
    mock.configure(setting("quick")(mock.config))
    arm(mock, event("spot"))
    for _ in change:
        pass
    assert set(mock.config.metadata) == {"slow", "quick"}
    assert {"slow", "quick", NOTICE} <= set(mock.snapshot_for(APP).tree.leaves)


def test_a_change_in_steps_comes_to_an_end_among_changes_without_end() -> None:
    mock = state()
    for step, _ in enumerate(mock.configuring(setting("slow"))):
        assert step < 10
        mock.configure(setting(f"quick{step}")(mock.config))
    assert "slow" in mock.config.metadata
    assert "quick0" in mock.config.metadata


def test_reset_leads_back_to_the_start() -> None:
    mock = state()
    mock.configure(Config(metadata={"meta-data/x": 1}))
    arm(mock, event("spot"))
    mock.faults.arm(msgspec.convert({"kind": "reset"}, AnyFault), mock.clock())
    assert sees(mock, APP, "meta-data/x")
    mock.reset()
    assert (sees(mock, APP, "meta-data/x"), sees(mock, APP)) == (False, False)
    assert (mock.config, mock.events.events, mock.faults.armed) == (Config(), (), ())


def test_reset_begins_the_scenario_of_the_start_again() -> None:
    clock = Clock()
    mock = state(clock)
    scenario = read_scenario(
        {"steps": [{"at": "10s", "event": {"kind": "spot"}}, {"fault": {"kind": "stall", "count": 1}}]}
    )
    mock.begin(scenario)
    clock.now += 20
    assert sees(mock, APP)
    arm(mock, event("rebalance"))
    mock.faults.armed[0].hits = 1
    mock.reset()
    assert not sees(mock, APP)
    assert [each.id for each in mock.events.events] == ["spot-3"]
    assert [(each.id, each.hits) for each in mock.faults.armed] == [("stall-2", 0)]
    clock.now += 11
    assert sees(mock, APP)


def test_a_reloaded_configuration_is_the_new_start_and_events_stay() -> None:
    mock = state()
    arm(mock, event("spot"))
    reloaded = Config(metadata_options=MetadataOptions(http_tokens="required"))
    list(mock.restarting_from(reloaded))
    assert sees(mock, APP)
    mock.reset()
    assert mock.config is reloaded


def test_events_that_are_over_cost_nothing_but_maintenance_stays_in_history() -> None:
    clock = Clock()
    mock = state(clock)
    arm(mock, event("spot", **{"for": 1}), event("maintenance", **{"for": 1}))
    clock.now += 2
    mock.refresh()
    leaves = mock.snapshot_for(APP).tree.leaves
    assert NOTICE not in leaves
    assert "meta-data/events/maintenance/history" in leaves


def test_a_configuration_over_an_event_that_is_over_stays_when_the_clock_is_set_back() -> None:
    clock = Clock()
    mock = state(clock)
    arm(mock, event("spot", **{"for": 10}))
    clock.now += 20
    mock.configure(Config(metadata={"meta-data/spot": "a leaf"}))
    clock.now -= 15
    mock.check_clock()
    assert sees(mock, APP, "meta-data/spot")
    assert not sees(mock, APP)


def test_targets_are_those_of_events_and_faults() -> None:
    mock = state()
    arm(mock, event("spot", target="app"), event("rebalance"))
    mock.faults.arm(msgspec.convert({"kind": "reset", "target": "db"}, AnyFault), 0.0)
    assert mock.targets() == {"app", "db"}


CHANGES: Mapping[str, Callable[[State, Names, Clock], None]] = {
    "event": lambda mock, _names, _clock: arm(mock, event("spot", target="app")),
    "event for all": lambda mock, _names, _clock: arm(mock, event("rebalance")),
    "endpoint off for a while": lambda mock, _names, _clock: arm(
        mock, event("endpoint-disabled", target="app", **{"in": 1, "for": 1})
    ),
    "no events": lambda mock, _names, _clock: mock.schedule(mock.events.clear()),
    "configuration": lambda mock, _names, _clock: mock.configure(Config(metadata={"meta-data/ami-id": "ami-1"})),
    "reset": lambda mock, _names, _clock: mock.reset(),
    "target moves": lambda _mock, names, _clock: move(names),
    "caller changes": lambda _mock, names, _clock: names.on_change([APP]),
    "later": lambda _mock, _names, clock: pass_time(clock),
    "nothing": lambda _mock, _names, _clock: None,
}


def move(names: Names) -> None:
    """Let the target get another address."""
    names.known["app"] = OTHER if names.known["app"] == APP else APP
    names.on_change(None)


def pass_time(clock: Clock) -> None:
    """Let 0.6 s pass."""
    clock.now += 0.6


@given(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=30))
def test_while_the_revision_is_the_same_each_caller_sees_the_same_snapshot(changes: list[str]) -> None:
    clock, names = Clock(), Names()
    mock = state(clock, names)
    for change in changes:
        before = mock.views.revision, [mock.snapshot_for(caller).mark for caller in (APP, OTHER)]
        CHANGES[change](mock, names, clock)
        after = mock.views.revision, [mock.snapshot_for(caller).mark for caller in (APP, OTHER)]
        assert before[0] is None or before[0] is not after[0] or before[1] == after[1]
        assert change not in {"nothing", "later"} or before[0] is after[0]


def test_a_caller_that_becomes_another_one_begins_a_revision() -> None:
    first, second = (SnapshotCache(each.leaves, each.build_snapshot) for each in (build(Config()), build(Config())))
    current = first
    views = Views(first, (), lambda _address, _target: False, Clock(), lambda _caller: current)
    before = views.revision, views.of(APP)
    current = second
    assert (views.revision, views.of(APP)) == before
    views.forget([APP])
    assert views.of(APP) is not before[1]
    assert views.revision is not before[0]


def test_there_is_no_revision_while_an_event_disables_the_endpoint_for_a_while() -> None:
    mock = state()
    assert mock.views.revision is not None
    arm(mock, event("endpoint-disabled", target="app"))
    mock.refresh([APP])
    assert mock.views.revision is None


CALLERS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")


@given(
    st.lists(
        st.tuples(st.sampled_from([tag_of(kind) for kind in EVENTS]), st.sampled_from((None, *CALLERS))), max_size=5
    ),
    st.sampled_from(CALLERS),
)
def test_what_a_caller_sees_is_what_he_would_see_alone(events: list[tuple[str, str | None]], caller: str) -> None:
    """A view with targets equals the view that has only the caller's own events, said to everybody."""
    clock = Clock()
    instance = build(Config())
    timeline = own = ArmedEvents()
    for kind, target in events:
        timeline = timeline.arm(event(kind, target=target), clock.now)
        # Ids count every event that was armed, and maintenance shows them.
        own = (
            own.arm(event(kind), clock.now)
            if target in {None, caller}
            else ArmedEvents(own.events, timeline.last_number)
        )

    def seen(armed: ArmedEvents) -> tuple[dict[str, Any], str]:
        cache = SnapshotCache(instance.leaves, instance.build_snapshot)
        views = Views(cache, armed.events, lambda address, name: address == name, clock)
        snapshot = views.of(caller)
        tree = snapshot.tree
        bodies = {path: tree.lookup("latest", path, clock.now) for path in (*tree.leaves, "meta-data")}
        return {path: found.body for path, found in bodies.items() if found}, snapshot.options.http_endpoint

    assert seen(timeline) == seen(own)
