"""Events as clients see them: bodies, absence before and after, and how they move (IMDSv2 documentation forms)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imds_mock.events.armed import (
    MAX_EVENTS,
    ArmedEvents,
    EventState,
    NotStartedError,
    TooManyEventsError,
    UnknownEventError,
)
from imds_mock.events.kinds import EVENTS, AnyEvent
from imds_mock.metadata import documents
from imds_mock.metadata.documents import RenewableDocument
from imds_mock.metadata.layers import apply_layers
from imds_mock.metadata.tree import Leaf, Tree
from imds_mock.scheduling.fields import FieldError
from imds_mock.violations.words import tag_of

if TYPE_CHECKING:
    from collections.abc import Mapping

T0 = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()
ROLE = "meta-data/iam/security-credentials/app"
SCHEDULED = "meta-data/events/maintenance/scheduled"
HISTORY = "meta-data/events/maintenance/history"
BASE = {
    "meta-data/instance-id": Leaf(b"i-1"),
    SCHEDULED: Leaf(b"[]", since="2018-08-17"),
    HISTORY: Leaf(b"[]", since="2018-08-17"),
    ROLE: Leaf(
        documents.write(
            {
                "Code": "Success",
                "LastUpdated": "2026-01-31T11:00:00Z",
                "Type": "AWS-HMAC",
                "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
                "SecretAccessKey": "s" * 40,
                "Token": "IQoJb3JpZ2luX2Vj",
                "Expiration": "2026-01-31T17:00:00Z",
            }
        )
    ),
}


def event(kind: str, **fields: Any) -> AnyEvent:
    converted: AnyEvent = msgspec.convert({"kind": kind, **fields}, AnyEvent)
    return converted


def armed(*events: AnyEvent, now: float = T0) -> ArmedEvents:
    timeline = ArmedEvents()
    for each in events:
        timeline = timeline.arm(each, now)
    return timeline


def seen(timeline: ArmedEvents, path: str, now: float, base: Mapping[str, Leaf] = BASE) -> bytes | None:
    layers = [layer for each in timeline.events for layer in each.event.layers(each.period)]
    found = Tree(apply_layers(base, layers)).lookup("latest", path, now)
    return None if found is None else found.body


def modified(timeline: ArmedEvents, path: str, now: float, base: Mapping[str, Leaf] = BASE) -> float | None:
    layers = [layer for each in timeline.events for layer in each.event.layers(each.period)]
    changed = apply_layers(base, layers)[path].modified
    return changed(now) if callable(changed) else changed


def entries(timeline: ArmedEvents, path: str, now: float) -> list[dict[str, str]]:
    body = seen(timeline, path, now)
    assert body is not None
    read: list[dict[str, str]] = json.loads(body)
    return read


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


def test_the_lifecycle_state_changes_and_changes_back() -> None:
    base = {"meta-data/autoscaling/target-lifecycle-state": Leaf(b"InService")}
    timeline = armed(event("lifecycle", state="Terminated", **{"in": 5, "for": 10}))
    path = "meta-data/autoscaling/target-lifecycle-state"
    assert [seen(timeline, path, T0 + at, base) for at in (0, 5, 15)] == [b"InService", b"Terminated", b"InService"]
    assert [seen(timeline, path, T0 + at, {}) for at in (0, 5, 15)] == [None, b"Terminated", None]


def credentials(timeline: ArmedEvents, now: float) -> dict[str, str]:
    body = seen(timeline, ROLE, now)
    assert body is not None
    read: dict[str, str] = json.loads(body)
    return read


def test_rotated_credentials_are_new_realistic_and_constant() -> None:
    timeline = armed(event("credentials-rotation"))
    before, after, later = (credentials(timeline, T0 + at) for at in (-1, 0, 60))
    assert before["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE"
    assert after == later
    assert list(after) == list(before)
    assert (after["LastUpdated"], after["Expiration"]) == ("2026-01-31T12:00:00Z", "2026-01-31T18:00:00Z")
    assert after["AccessKeyId"].startswith("ASIA")
    assert after["Token"].startswith("IQoJb3JpZ2luX2Vj")
    assert (len(after["AccessKeyId"]), len(after["SecretAccessKey"])) == (20, 40)
    assert not set(after.values()) & {before[key] for key in ("AccessKeyId", "SecretAccessKey", "Token")}


def test_each_role_gets_keys_of_its_own() -> None:
    other = ROLE.replace("app", "other")
    document = BASE[ROLE].body
    assert isinstance(document, bytes)
    base = {**BASE, other: Leaf(document.replace(b"ASIAIOSFODNN7EXAMPLE", b"ASIAIOSFODNN7ANOTHER"))}
    timeline = armed(event("credentials-rotation"))
    assert seen(timeline, ROLE, T0, base) != seen(timeline, other, T0, base)


@pytest.mark.parametrize(
    ("kind", "fields", "times"),
    [
        ("credentials-rotation", {}, [50, 100, 100, 200]),
        ("credentials-expiry", {"after": 100}, [50, 100, 200, 200]),
        ("credentials-expiry", {"after": 100, "renew": False}, [50, 100, 100, 200]),
    ],
)
def test_credentials_are_modified_by_the_latest_change(kind: str, fields: dict[str, Any], times: list[float]) -> None:
    base = {**BASE, ROLE: replace(BASE[ROLE], modified=lambda now: T0 + (200 if now >= T0 + 250 else 50))}
    timeline = armed(event(kind, **{"in": 100}, **fields))
    assert [modified(timeline, ROLE, T0 + at, base) for at in (99, 100, 210, 250)] == [T0 + each for each in times]


def test_credentials_expire_early_and_are_renewed_then() -> None:
    timeline = armed(event("credentials-expiry", after="30s"))
    first = credentials(timeline, T0)
    assert (first["AccessKeyId"], first["Expiration"]) == ("ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z")
    second = credentials(timeline, T0 + 30)
    assert second["AccessKeyId"] != first["AccessKeyId"]
    assert (second["LastUpdated"], second["Expiration"]) == ("2026-01-31T12:00:30Z", "2026-01-31T18:00:30Z")


def test_credentials_may_stay_expired_until_the_event_is_over() -> None:
    timeline = armed(event("credentials-expiry", renew=False, **{"for": "5m"}))
    assert credentials(timeline, T0 + 299)["Expiration"] == "2026-01-31T12:00:00Z"
    assert credentials(timeline, T0 + 300)["Expiration"] == "2026-01-31T17:00:00Z"


@pytest.mark.parametrize("body", [b'{\n  "Code" : "AssumeRoleUnauthorizedAccess"\n}', b"not json", b"[1]"])
@pytest.mark.parametrize("kind", ["credentials-rotation", "credentials-expiry"])
def test_documents_without_credentials_stay_as_they_are(kind: str, body: bytes) -> None:
    assert seen(armed(event(kind)), ROLE, T0 + 1, {ROLE: Leaf(body)}) == body


@pytest.mark.parametrize("updated", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"])
def test_a_regular_rotation_at_the_same_time_or_later_wins(updated: str) -> None:
    newer = documents.write(
        {
            "Code": "Success",
            "LastUpdated": updated,
            "AccessKeyId": "ASIANEWER",
            "Expiration": "2026-01-31T19:00:00Z",
        }
    )
    assert seen(armed(event("credentials-rotation")), ROLE, T0 + 4000, {ROLE: Leaf(newer)}) == newer


class Issuer:
    """Who issues keys that work; new ones when they are asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.document: dict[str, str] = credentials(armed(), T0)

    def renew_after(self, moment: float) -> None:
        self.asked.append(moment)

    def issue(self, number: int, at: str) -> None:
        self.document |= {"AccessKeyId": f"ASIA{number}", "LastUpdated": at}

    def body(self, _now: float) -> bytes:
        return RenewableDocument.of(documents.write(self.document), self.renew_after)


def shown(timeline: ArmedEvents, issuer: Issuer, now: float) -> list[str]:
    read = json.loads(seen(timeline, ROLE, now, {ROLE: Leaf(issuer.body)}) or b"")
    return [read["AccessKeyId"], read["Expiration"]]


def test_fetched_keys_are_rotated_by_fetching_new_ones() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-rotation", **{"in": 10}))
    assert shown(timeline, issuer, T0) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T17:00:00Z"]
    assert issuer.asked == []
    assert shown(timeline, issuer, T0 + 10)[0] == "ASIAIOSFODNN7EXAMPLE"
    assert issuer.asked == [T0 + 10]
    issuer.issue(2, "2026-01-31T12:00:11Z")
    assert shown(timeline, issuer, T0 + 11)[0] == "ASIA2"


def test_fetched_keys_show_an_early_expiration_and_are_fetched_again_then() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-rotation"), event("credentials-expiry", after="30s"))
    assert shown(timeline, issuer, T0 + 29) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z"]
    assert issuer.asked == [T0]
    assert shown(timeline, issuer, T0 + 30) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:30Z"]
    assert issuer.asked == [T0, T0, T0 + 30]
    issuer.issue(2, "2026-01-31T12:00:30Z")
    assert shown(timeline, issuer, T0 + 31) == ["ASIA2", "2026-01-31T17:00:00Z"]


def test_fetched_keys_may_stay_expired() -> None:
    issuer = Issuer()
    timeline = armed(event("credentials-expiry", renew=False))
    assert shown(timeline, issuer, T0 + 99) == ["ASIAIOSFODNN7EXAMPLE", "2026-01-31T12:00:00Z"]
    assert issuer.asked == []


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
