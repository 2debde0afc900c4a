"""Events as clients see them: bodies, absence before and after, and how they move (IMDSv2 documentation forms)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.events.armed import (
    MAX_EVENTS,
    ArmedEvents,
    EventState,
    TooManyEventsError,
    UnknownEventError,
)
from imds_mock.events.kinds import EVENTS, AnyEvent
from imds_mock.metadata.layers import apply_layers
from imds_mock.metadata.tree import Leaf, Tree
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations.words import tag_of
from support.timelines import BASE, HISTORY, ROLE, T0, armed, event, seen


def test_a_termination_is_announced_two_minutes_ahead_in_both_places() -> None:
    timeline = armed(event("spot", **{"in": "60s"}))
    assert seen(timeline, "meta-data/spot", T0 + 59.9) is None
    assert seen(timeline, "meta-data/spot/instance-action", T0 + 59.9) is None
    assert seen(timeline, "meta-data/spot", T0 + 60) == b"instance-action\ntermination-time"
    assert seen(timeline, "meta-data/spot/instance-action", T0 + 60) == (
        b'{"action": "terminate", "time": "2026-01-31T12:03:00Z"}'
    )
    assert seen(timeline, "meta-data/spot/termination-time", T0 + 400) == b"2026-01-31T12:03:00Z"


def test_a_stop_has_no_termination_time_and_hibernation_starts_at_once() -> None:
    stop = armed(event("spot", action="stop"))
    assert seen(stop, "meta-data/spot", T0) == b"instance-action"
    assert seen(stop, "meta-data/spot/instance-action", T0) == b'{"action": "stop", "time": "2026-01-31T12:02:00Z"}'
    hibernate = armed(event("spot", action="hibernate"))
    assert seen(hibernate, "meta-data/spot/instance-action", T0) == (
        b'{"action": "hibernate", "time": "2026-01-31T12:00:00Z"}'
    )


def test_the_time_of_the_action_can_be_given() -> None:
    by_notice = armed(event("spot", notice="30s"))
    by_time = armed(event("spot", time="2026-01-31T12:00:30Z"))
    for timeline in (by_notice, by_time):
        assert seen(timeline, "meta-data/spot/termination-time", T0) == b"2026-01-31T12:00:30Z"


def test_a_notice_that_is_over_or_canceled_is_gone_with_its_category() -> None:
    over = armed(event("spot", **{"for": "3m"}))
    assert seen(over, "meta-data/spot", T0 + 179) is not None
    assert seen(over, "meta-data/spot", T0 + 180) is None
    canceled = armed(event("spot")).cancel("spot-1", T0 + 5)
    assert seen(canceled, "meta-data/spot", T0 + 4) is not None
    assert seen(canceled, "meta-data/spot", T0 + 5) is None
    assert canceled.get("spot-1").state(T0 + 5) is EventState.CANCELED


@pytest.mark.parametrize(
    ("kind", "path", "first", "last_without"),
    [
        ("spot", "meta-data/spot/termination-time", "2014-11-05", "2014-02-25"),
        ("spot", "meta-data/spot/instance-action", "2018-03-28", "2016-09-02"),
        ("rebalance", "meta-data/events/recommendations/rebalance", "2020-10-27", "2019-10-01"),
        ("lifecycle", "meta-data/autoscaling/target-lifecycle-state", "2021-07-15", "2021-03-23"),
    ],
)
def test_a_notice_appears_from_the_metadata_version_that_introduced_it(
    kind: str, path: str, first: str, last_without: str
) -> None:
    fields = {"state": "Terminated"} if kind == "lifecycle" else {}
    (each,) = armed(event(kind, **fields)).events
    tree = Tree(apply_layers({}, each.event.layers(each.period)))
    assert [tree.lookup(version, path, T0) is None for version in (first, last_without)] == [False, True]


def test_a_rebalance_recommendation_shows_its_time_and_stays() -> None:
    timeline = armed(event("rebalance", **{"in": 10}))
    assert seen(timeline, "meta-data/events", T0) == b"maintenance/"
    assert seen(timeline, "meta-data/events", T0 + 10) == b"maintenance/\nrecommendations/"
    assert seen(timeline, "meta-data/events/recommendations/rebalance", T0 + 9999) == (
        b'{"noticeTime": "2026-01-31T12:00:10Z"}'
    )


def test_the_lifecycle_state_changes_and_changes_back() -> None:
    base = {"meta-data/autoscaling/target-lifecycle-state": Leaf(b"InService")}
    timeline = armed(event("lifecycle", state="Terminated", **{"in": 5, "for": 10}))
    path = "meta-data/autoscaling/target-lifecycle-state"
    assert [seen(timeline, path, T0 + at, base) for at in (0, 5, 15)] == [b"InService", b"Terminated", b"InService"]
    assert [seen(timeline, path, T0 + at, {}) for at in (0, 5, 15)] == [None, b"Terminated", None]


def test_a_rearmed_event_covers_those_that_were_armed_later() -> None:
    path = "meta-data/autoscaling/target-lifecycle-state"
    timeline = armed(event("lifecycle", state="Standby"), event("lifecycle", state="Terminated"))
    assert seen(timeline, path, T0) == b"Terminated"
    assert seen(timeline.rearm("lifecycle-1", T0), path, T0) == b"Standby"


def test_a_rearmed_event_starts_again() -> None:
    timeline = armed(event("spot", **{"for": "3m"})).cancel("spot-1", T0 + 1)
    timeline = timeline.rearm("spot-1", T0 + 1000, in_="10s")
    assert [seen(timeline, "meta-data/spot/termination-time", T0 + at) for at in (1009, 1010, 1190)] == [
        None,
        b"2026-01-31T12:18:50Z",
        None,
    ]


def test_a_removed_event_leaves_no_trace_and_its_id_is_not_reused() -> None:
    timeline = armed(event("maintenance")).cancel("maintenance-1", T0 + 1).remove("maintenance-1")
    assert seen(timeline, HISTORY, T0 + 2) == b"[]"
    assert timeline.arm(event("spot"), T0).events[-1].id == "spot-2"
    assert armed(event("spot"), event("spot")).clear().events == ()


def test_an_unknown_event_is_answered_with_the_armed_ones() -> None:
    with pytest.raises(UnknownEventError, match=r"unknown event 'x'; expected one of spot-1, rebalance-2$"):
        armed(event("spot"), event("rebalance")).get("x")
    with pytest.raises(UnknownEventError, match=r"unknown event 'x'; no event is armed$"):
        armed().get("x")


@pytest.mark.parametrize("verb", ["cancel", "end", "rearm", "remove"])
def test_an_unknown_event_is_named(verb: str) -> None:
    arguments = () if verb == "remove" else (T0,)
    with pytest.raises(UnknownEventError, match="unknown event 'spot-9'; did you mean spot-1\\?"):
        getattr(armed(event("spot")), verb)("spot-9", *arguments)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "spot", "in": "soon"}, "in"),
        ({"kind": "spot", "notice": "x"}, "notice"),
        ({"kind": "spot", "time": "x"}, "time"),
        ({"kind": "maintenance", "not_before": "x"}, "not_before"),
        ({"kind": "maintenance", "not_after": "x"}, "not_after"),
        ({"kind": "credentials-expiry", "after": "x"}, "after"),
    ],
)
def test_an_invalid_time_is_rejected_when_the_event_is_armed(fields: dict[str, str], field: str) -> None:
    with pytest.raises(FieldError) as raised:
        ArmedEvents().arm(msgspec.convert(fields, AnyEvent), T0)
    assert raised.value.field == field


def test_the_number_of_events_is_limited() -> None:
    timeline = ArmedEvents(armed(event("spot")).events * MAX_EVENTS, MAX_EVENTS)
    with pytest.raises(TooManyEventsError, match="remove some first"):
        timeline.arm(event("spot"), T0)


SIMPLE = st.sampled_from([kind for kind in map(tag_of, EVENTS) if kind != "lifecycle"])


@given(SIMPLE, st.integers(0, 100), st.integers(1, 100), st.integers(0, 300), st.none() | st.integers(0, 300))
def test_outside_its_window_an_event_changes_only_history(
    kind: str, start: int, length: int, now: int, canceled: int | None
) -> None:
    timeline = armed(event(kind, **{"in": start, "for": length}))
    armed_id = timeline.events[0].id
    if canceled is not None:
        timeline = timeline.cancel(armed_id, T0 + canceled)
    end = start + length if canceled is None else min(start + length, canceled)
    active = start <= now < end
    if kind == "maintenance" and end == canceled != start + length:
        active = False  # it stays canceled whatever the clock says
    for path, leaf in BASE.items():
        if not active and path != HISTORY:
            assert seen(timeline, path, T0 + now) == leaf.body
    if kind != "endpoint-disabled":
        assert active == any(
            seen(timeline, path, T0 + now) != _base(path) for path in _touched(timeline) if path != HISTORY
        )


def _base(path: str) -> bytes | None:
    leaf = BASE.get(path)
    return leaf.body if leaf is not None and isinstance(leaf.body, bytes) else None


def _touched(timeline: ArmedEvents) -> set[str]:
    patterns = {path for each in timeline.events for path, _ in each.event.layers(each.period)}
    return {ROLE if path.endswith("/security-credentials/*") else path for path in patterns}
