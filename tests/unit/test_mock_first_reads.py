"""When each caller first read what an event changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.events.armed import ArmedEvents
from imds_mock.events.credentials import CredentialsRotation
from imds_mock.events.kinds import EndpointDisabled, SpotInterruption, TargetLifecycleState
from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request, Response
from imds_mock.state.journal import Journal
from imds_mock.state.journal_queries import JournalQueries

if TYPE_CHECKING:
    from imds_mock.events.kinds import AnyEvent

APP, OTHER = "172.18.0.3", "172.18.0.4"
NOTICE = "/latest/meta-data/spot/instance-action"
TIME = "/2021-07-15/meta-data/spot/termination-time"
FOUND = Response.content(b"x", "text/plain", 0.0)
NOT_FOUND = responses.refusal(404)


def is_target(address: str, name: str) -> bool:
    return name == address or (address, name) == (APP, "app")


Asked = tuple[float, str, str, Response]


def reads(event: AnyEvent, *asked: Asked, entries: int = 100, end: float | None = None) -> list[tuple[str, str, float]]:
    """Caller, path and seconds of the first reads of an event that is armed at 10."""
    journal = Journal(max_entries=entries)
    queries = JournalQueries(journal, is_target)
    for at, caller, path, answer in asked:
        journal.record(at, Exchange(caller, Request("GET", path, path), answer), 1)
        journal.settle()
    armed = ArmedEvents().arm(event, 10.0)
    if end is not None:
        armed = armed.cancel(armed.events[0].id, end)
    found = queries.first_reads.of(armed.events)
    assert {each.event for each in found} <= {armed.events[0].id}
    return [(each.caller, each.path, each.seconds) for each in found]


def test_the_first_read_of_each_caller_counts() -> None:
    assert reads(
        SpotInterruption(),
        (9.0, APP, NOTICE, FOUND),
        (11.0, APP, NOTICE, NOT_FOUND),
        (12.0, APP, "/latest/meta-data/mac", FOUND),
        (14.5, OTHER, TIME, FOUND),
        (15.0, APP, NOTICE, FOUND),
        (16.0, OTHER, NOTICE, FOUND),
    ) == [(OTHER, "meta-data/spot/termination-time", 4.5), (APP, "meta-data/spot/instance-action", 5.0)]


def test_only_callers_that_the_event_is_for_count() -> None:
    asked = ((11.0, OTHER, NOTICE, FOUND), (12.0, APP, NOTICE, FOUND))
    assert [caller for caller, _path, _seconds in reads(SpotInterruption(target="app"), *asked)] == [APP]


def test_a_read_after_the_end_does_not_count() -> None:
    assert reads(SpotInterruption(for_=5), (15.0, APP, NOTICE, FOUND)) == []
    assert reads(SpotInterruption(), (15.0, APP, NOTICE, FOUND), end=14.0) == []


def test_reads_of_notices_outlive_the_journal() -> None:
    later = [(13.0, APP, "/latest/meta-data/mac", FOUND)] * 20
    assert reads(SpotInterruption(), (12.0, APP, NOTICE, FOUND), *later, entries=3) == [
        (APP, "meta-data/spot/instance-action", 2.0)
    ]


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (TargetLifecycleState(state="Terminated"), "meta-data/autoscaling/target-lifecycle-state"),
        (CredentialsRotation(), "meta-data/iam/security-credentials/app"),
    ],
)
def test_events_without_a_notice_count_by_the_leaves_that_they_change(event: AnyEvent, path: str) -> None:
    asked = ((11.0, APP, "/latest/meta-data/mac", FOUND), (13.0, APP, f"/latest/{path}", FOUND))
    assert reads(event, *asked) == [(APP, path, 3.0)]


def test_an_event_that_changes_no_leaf_has_no_reads() -> None:
    assert reads(EndpointDisabled(), (11.0, APP, NOTICE, FOUND)) == []
