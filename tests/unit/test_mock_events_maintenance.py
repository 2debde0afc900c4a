"""Scheduled maintenance as clients see it: its list and its history."""

from __future__ import annotations

import pytest

from imds_mock.events.armed import (
    EventState,
    NotStartedError,
)
from imds_mock.scheduling.fields import FieldError
from support.timelines import HISTORY, SCHEDULED, T0, armed, entries, event, modified, seen


def test_maintenance_is_written_as_the_documentation_shows_it() -> None:
    timeline = armed(
        event(
            "maintenance",
            code="system-reboot",
            not_before="2026-02-01T09:00:43Z",
            not_after="2026-02-01T09:17:23Z",
            event_id="instance-event-0d59937288b749b32",
        )
    )
    assert seen(timeline, SCHEDULED, T0) == (
        b'[\n  {\n    "NotBefore" : "1 Feb 2026 09:00:43 GMT",\n    "Code" : "system-reboot",\n'
        b'    "Description" : "scheduled reboot",\n    "EventId" : "instance-event-0d59937288b749b32",\n'
        b'    "NotAfter" : "1 Feb 2026 09:17:23 GMT",\n    "State" : "active"\n  }\n]'
    )
    assert seen(timeline, HISTORY, T0) == b"[]"


def test_maintenance_that_ends_is_completed_and_moves_to_history() -> None:
    timeline = armed(event("maintenance", **{"for": "1h"}))
    assert entries(timeline, SCHEDULED, T0 + 3599)[0]["State"] == "active"
    assert seen(timeline, SCHEDULED, T0 + 3600) == b"[]"
    past = entries(timeline, HISTORY, T0 + 3600)
    assert [(entry["State"], entry["Description"]) for entry in past] == [("completed", "[Completed] scheduled reboot")]
    ended = armed(event("maintenance")).end("maintenance-1", T0 + 7)
    assert entries(ended, HISTORY, T0 + 8)[0]["State"] == "completed"


def test_an_event_that_has_not_started_cannot_be_ended() -> None:
    timeline = armed(event("maintenance", **{"in": "10s"}))
    with pytest.raises(NotStartedError, match="cannot end maintenance-1: it has not started; cancel it, or rearm it"):
        timeline.end("maintenance-1", T0 + 9.999)
    assert timeline.end("maintenance-1", T0 + 10).events[0].state(T0 + 10) is EventState.ENDED
    canceled = timeline.cancel("maintenance-1", T0 + 1)
    assert canceled.end("maintenance-1", T0 + 11) == canceled


def test_maintenance_that_is_canceled_moves_to_history_and_keeps_its_id() -> None:
    timeline = armed(event("maintenance", code="instance-stop"))
    event_id = entries(timeline, SCHEDULED, T0)[0]["EventId"]
    timeline = timeline.cancel("maintenance-1", T0 + 60)
    assert seen(timeline, SCHEDULED, T0 + 60) == b"[]"
    entry = entries(timeline, HISTORY, T0 + 60)[0]
    assert (entry["State"], entry["EventId"]) == ("canceled", event_id)
    assert entry["Description"] == "[Canceled] The instance is running on degraded hardware"


def test_canceled_maintenance_stays_in_history_when_the_clock_is_set_back() -> None:
    timeline = armed(event("maintenance")).cancel("maintenance-1", T0 + 60)
    (entry,) = entries(timeline, HISTORY, T0 + 30)
    assert entry["State"] == "canceled"
    assert entries(timeline, SCHEDULED, T0 + 30) == []


def test_a_maintenance_list_is_modified_when_an_entry_comes_or_goes() -> None:
    timeline = armed(event("maintenance", **{"in": 10, "for": 20}))
    assert [modified(timeline, SCHEDULED, T0 + at) for at in (9, 10, 29, 30)] == [None, T0 + 10, T0 + 10, T0 + 30]
    assert [modified(timeline, HISTORY, T0 + at) for at in (29, 30)] == [None, T0 + 30]


def test_maintenance_canceled_before_it_was_announced_leaves_no_trace() -> None:
    timeline = armed(event("maintenance", **{"in": "1h"})).cancel("maintenance-1", T0 + 1)
    assert seen(timeline, SCHEDULED, T0 + 7200) == seen(timeline, HISTORY, T0 + 7200) == b"[]"


@pytest.mark.parametrize("now", [T0 - 1, T0, T0 + 1e6])
def test_the_maintenance_lists_are_never_absent(now: float) -> None:
    timeline = armed(event("maintenance", **{"for": "1h"}))
    assert seen(timeline, SCHEDULED, now, {}) is not None
    assert seen(timeline, HISTORY, now, {}) is not None


def test_several_maintenance_events_are_listed_together() -> None:
    codes = ("instance-reboot", "system-maintenance", "instance-retirement")
    timeline = armed(*(event("maintenance", code=code) for code in codes), event("rebalance"), event("spot"))
    assert [entry["Code"] for entry in entries(timeline, SCHEDULED, T0)] == list(codes)
    assert len({entry["EventId"] for entry in entries(timeline, SCHEDULED, T0)}) == 3
    assert seen(timeline, "meta-data/spot/instance-action", T0) is not None


def test_an_invalid_moment_is_answered_with_both_forms() -> None:
    reason = r"^not_before: expected a duration such as 30s, .*, or a time such as 2026-01-31T12:00:00Z, got '3x'$"
    with pytest.raises(FieldError, match=reason):
        armed(event("maintenance", not_before="3x"))


def test_not_after_is_optional_and_not_before_not_before() -> None:
    assert "NotAfter" not in entries(armed(event("maintenance", not_after=None)), SCHEDULED, T0)[0]
    (entry,) = entries(armed(event("maintenance", not_after="0s")), SCHEDULED, T0)
    assert entry["NotAfter"] == entry["NotBefore"]
    with pytest.raises(FieldError, match=r"not_after: .* is before not_before"):
        armed(event("maintenance", not_before="2026-02-02T00:00:00Z", not_after="2026-02-01T00:00:00Z"))
