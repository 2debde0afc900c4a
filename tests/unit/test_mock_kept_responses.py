"""Responses that are kept for a span of time: none is sent after its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from imds_mock.build.builder import SnapshotBuilder
from imds_mock.build.loading import from_document
from imds_mock.credentials.values import KEPT_SECONDS, RoleCredentials
from imds_mock.events.armed import ArmedEvent, ArmedEvents
from imds_mock.events.kinds import AnyEvent
from imds_mock.scheduling.window import ALWAYS, Window
from imds_mock.service.messages import Request
from imds_mock.service.rules import Service
from imds_mock.service.tokens import Tokens
from imds_mock.state.snapshots import SnapshotCache
from support.mockserver import PROBE_ID, FixedSnapshot

if TYPE_CHECKING:
    from imds_mock.service.messages import Response
    from imds_mock.service.snapshot import Snapshot
    from imds_mock.signing.signer import Signer

STARTED: Final = 1_750_000_000.25
ROLE: Final = "/latest/meta-data/iam/security-credentials/imds-mock-role"
PATHS: Final = (
    *("/", "/latest", "/latest/meta-data", "/2016-09-02/meta-data", "/2021-03-23/meta-data", "/latest/nothing"),
    *("/latest/meta-data/iam", "/latest/meta-data/iam/info", "/latest/meta-data/iam/security-credentials", ROLE),
    "/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
    *("/latest/meta-data/identity-credentials/ec2/info", "/latest/meta-data/identity-credentials/ec2"),
    *("/latest/meta-data/spot", "/latest/meta-data/spot/instance-action", "/latest/meta-data/spot/termination-time"),
    *("/latest/meta-data/events/maintenance/scheduled", "/latest/meta-data/events/maintenance/history"),
    *("/latest/meta-data/events/recommendations/rebalance", "/latest/meta-data/events/recommendations"),
    *("/latest/meta-data/events", "/latest/meta-data/autoscaling/target-lifecycle-state", "/2099-01-01/meta-data/spot"),
    *("/latest/dynamic/instance-identity", "/latest/dynamic/instance-identity/document"),
)
ABOUT_ROLES: Final = ("/latest/meta-data", *(path for path in PATHS if "/meta-data/i" in path))

seconds = st.integers(0, 8000) | st.floats(0, 8000)
moments = seconds.map(lambda offset: STARTED - 500 + offset)
schedules = st.fixed_dictionaries({"at": moments.map(lambda at: round(at, 3))}, optional={"for": seconds})
kinds = st.one_of(
    st.fixed_dictionaries({"kind": st.just("spot"), "action": st.sampled_from(["terminate", "stop", "hibernate"])}),
    st.just({"kind": "rebalance"}),
    st.fixed_dictionaries(
        {"kind": st.just("maintenance")}, optional={"not_before": st.sampled_from(["5m", "2h"]), "not_after": st.none()}
    ),
    st.just({"kind": "lifecycle", "state": "Terminated"}),
    st.just({"kind": "credentials-rotation"}),
    st.fixed_dictionaries({"kind": st.just("credentials-expiry")}, optional={"after": seconds, "renew": st.booleans()}),
)
timelines = st.lists(st.tuples(kinds, schedules, st.none() | moments), max_size=5)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "credentials": st.fixed_dictionaries(
            {},
            optional={
                "renew_seconds": st.sampled_from([1, 60, 3600]),
                "failure": st.sampled_from(["AssumeRoleUnauthorizedAccess", "InstanceProfileNotFound"]),
                "extended": st.just(True),
            },
        ),
        "compatibility": st.just("aemm"),
        "metadata": st.just({"meta-data/iam/security-credentials/imds-mock-role": "not a document"}),
    },
)


def snapshot_under(signer: Signer, document: dict[str, Any], timeline: list[tuple[Any, Any, float | None]]) -> Snapshot:
    """The snapshot of a configuration under the events of a timeline."""
    builder = SnapshotBuilder(started=STARTED, signer=signer, reason="")
    return cache_of(builder, document).under(armed_under(timeline)).enabled


def cache_of(builder: SnapshotBuilder, document: dict[str, Any]) -> SnapshotCache:
    built = builder.build(from_document(document))
    return SnapshotCache(built.leaves, built.build_snapshot)


def armed_under(timeline: list[tuple[Any, Any, float | None]]) -> tuple[ArmedEvent, ...]:
    """The events of a timeline, each canceled at its moment if it has one."""
    armed = ArmedEvents()
    for kind, schedule, canceled_at in timeline:
        armed = armed.arm(msgspec.convert({**kind, **schedule}, AnyEvent), STARTED)
        if canceled_at is not None:
            armed = armed.cancel(armed.events[-1].id, canceled_at)
    return armed.events


def answer(snapshot: Snapshot, path: str, now: float) -> Response:
    request = Request("GET", path, path, trailing_slash=False, headers={})
    return Service(FixedSnapshot(snapshot), Tokens(), PROBE_ID).respond(request, "10.1.2.3", now)


def shown(response: Response) -> Response:
    """A response without the span of time in which it is valid."""
    return msgspec.structs.replace(response, start=0.0, end=0.0)


def fresh(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, responses={}, mark=object())


def near_changes(timeline: list[tuple[Any, Any, float | None]]) -> list[float]:
    """Times on both sides of everything that the events schedule."""
    changes = [STARTED]
    for kind, schedule, canceled_at in timeline:
        start = schedule["at"]
        changes += [start, start + schedule.get("for", 0), start + kind.get("after", 0)]
        changes += [] if canceled_at is None else [canceled_at]
    return [each for moment in changes for each in (math.nextafter(moment, -math.inf), moment)]


@settings(max_examples=150)
@given(configurations, timelines, st.lists(st.tuples(st.sampled_from(PATHS), moments), min_size=1, max_size=20))
def test_a_kept_response_is_the_one_that_would_be_made(
    signer: Signer,
    document: dict[str, Any],
    timeline: list[tuple[Any, Any, float | None]],
    requests: list[tuple[str, float]],
) -> None:
    snapshot = snapshot_under(signer, document, timeline)
    at_changes = [(path, moment) for moment in near_changes(timeline) for path, _ in requests[:4]]
    for path, now in [*requests, *at_changes, *reversed(requests)]:
        assert shown(answer(snapshot, path, now)) == shown(answer(fresh(snapshot), path, now)), (path, now)


@pytest.mark.parametrize("compatibility", ["imds", "aemm"])
@pytest.mark.parametrize("canceled_at", [None, STARTED + 90.0])
@pytest.mark.parametrize(
    "kind",
    [
        {"kind": "spot"},
        {"kind": "rebalance"},
        {"kind": "maintenance"},
        {"kind": "lifecycle", "state": "Terminated"},
        {"kind": "credentials-rotation"},
        {"kind": "credentials-expiry", "after": 50.0},
        {"kind": "credentials-expiry", "after": 50.0, "renew": False},
    ],
)
def test_no_response_outlives_a_change_of_its_event(
    signer: Signer, kind: dict[str, Any], canceled_at: float | None, compatibility: str
) -> None:
    timeline = [(kind, {"at": STARTED + 60.0, "for": 120}, canceled_at)]
    snapshot = snapshot_under(signer, {"compatibility": compatibility}, timeline)
    changes = sorted(near_changes(timeline))
    for path in PATHS:
        for now in [*changes, *reversed(changes)]:
            assert shown(answer(snapshot, path, now)) == shown(answer(fresh(snapshot), path, now)), (path, now)


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/2099-01-01/meta-data/spot"])
def test_a_second_request_gets_the_kept_response(signer: Signer, path: str) -> None:
    events: list[tuple[Any, Any, float | None]] = [({"kind": "spot"}, {"at": STARTED + 60.0, "for": 120}, None)]
    snapshot = snapshot_under(signer, {}, events)
    first, second = answer(snapshot, path, STARTED + 5), answer(snapshot, path, STARTED + 6)
    assert first.start <= STARTED + 6 < first.end
    is_never_there = first.status == 404 and first.end == math.inf
    assert (first is second) != is_never_there
    assert first == second


FETCHED: Final = {"credentials": {"source": "profile"}, "instance": {"role": "imds-mock-role"}}


class Fetched:
    """Fetched credentials: those of the last fetch, or its refusal."""

    def __init__(self) -> None:
        self.credentials: RoleCredentials | None = None
        self.refused_at: float | None = None

    def valid_at(self, now: float) -> RoleCredentials | None:
        held = self.credentials
        return held if held is not None and now < held.expiration else None

    def renew_after(self, moment: float) -> None:
        """Fetches are steps of the test."""

    def fetch(self, now: float, number: int, life: float) -> None:
        if number == 0:
            self.refused_at = now
        else:
            self.refused_at = None
            self.credentials = RoleCredentials(f"ASIA{number}", "secret", "token", math.floor(now), now + life)


offsets = st.sampled_from([0.0, 5.0, 30.0, KEPT_SECONDS, 2 * KEPT_SECONDS])
fetches = st.tuples(offsets, st.tuples(st.integers(0, 3), st.sampled_from([1.0, 30.0, 3600.0])), st.just(ABOUT_ROLES))
asks = st.tuples(offsets, st.none(), st.tuples(st.sampled_from(ABOUT_ROLES)))


@settings(max_examples=150)
@given(
    timelines,
    st.sampled_from([{}, {"compatibility": "aemm"}]),
    moments,
    st.lists(fetches | asks, min_size=2, max_size=20),
)
def test_no_kept_response_outlives_a_fetch(
    signer: Signer,
    timeline: list[tuple[Any, Any, float | None]],
    document: dict[str, Any],
    begin: float,
    steps: list[tuple[float, tuple[int, float] | None, tuple[str, ...]]],
) -> None:
    fetched = Fetched()
    builder = SnapshotBuilder(started=STARTED, signer=signer, reason="", refreshable_for=lambda _request: fetched)
    cache, events = cache_of(builder, FETCHED | document), armed_under(timeline)
    for offset, fetch, paths in steps:
        now = begin + offset
        if fetch is not None:
            fetched.fetch(now, *fetch)
            cache.end_kept()
        for path in paths:
            snapshot = cache.under(events).enabled
            assert shown(answer(snapshot, path, now)) == shown(answer(fresh(snapshot), path, now)), (path, now)


@pytest.mark.parametrize("number", [0, 1, None])
def test_a_second_request_gets_the_kept_response_with_fetched_credentials(signer: Signer, number: int | None) -> None:
    fetched = Fetched()
    if number is not None:
        fetched.fetch(STARTED, number, 3600)
    builder = SnapshotBuilder(started=STARTED, signer=signer, reason="", refreshable_for=lambda _request: fetched)
    snapshot = cache_of(builder, FETCHED).under(()).enabled
    roles = "/latest/meta-data/iam/security-credentials"
    for path in ("/latest/meta-data", "/latest/meta-data/iam/info", roles, ROLE):
        assert answer(snapshot, path, STARTED + 5) is answer(snapshot, path, STARTED + 6)
    assert answer(snapshot, ROLE, STARTED + 6).status == (404 if number is None else 200)


def test_a_kept_notice_ends_with_its_event(signer: Signer) -> None:
    snapshot = snapshot_under(signer, {}, [({"kind": "spot"}, {"at": STARTED + 60.0, "for": 120}, None)])
    path = "/latest/meta-data/spot/instance-action"
    times = (59, 59.999, 60, 179.999, 180, 60, 59)
    statuses = [answer(snapshot, path, STARTED + seconds).status for seconds in times]
    assert statuses == [404, 404, 200, 200, 404, 200, 404]


def test_clients_cannot_fill_the_memory_with_paths_that_do_not_exist(signer: Signer) -> None:
    snapshot = snapshot_under(signer, {}, [({"kind": "spot"}, {"at": STARTED + 60.0}, None)])
    for number in range(50):
        answer(snapshot, f"/latest/meta-data/nothing-{number}", STARTED)
        answer(snapshot, f"/30{number}-01-01/meta-data/spot/instance-action", STARTED)
    assert snapshot.responses == {}


def test_the_window_around_a_time_ends_at_the_nearest_moments() -> None:
    assert Window.between([5.0, 1.0, 9.0], 5.0) == Window(5.0, 9.0)
    assert Window.between([5.0, 1.0, 9.0], 4.0) == Window(1.0, 5.0)
    assert Window.between([], 4.0) == ALWAYS
    assert Window(1.0, 5.0).intersection(Window(3.0, 9.0)) == Window(3.0, 5.0)
