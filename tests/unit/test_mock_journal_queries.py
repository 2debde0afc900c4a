"""Queries of the journal: counts, IMDSv1 callers, notices that were seen, and what holds after entries were evicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import TOKEN_HEADER, Request, Response
from imds_mock.state.journal import Journal
from imds_mock.state.journal_filter import Filter
from imds_mock.state.journal_queries import JournalQueries

if TYPE_CHECKING:
    from collections.abc import Iterable

APP, OTHER = "172.18.0.3", "172.18.0.4"
NOTICE = "/latest/meta-data/spot/instance-action"
FOUND = Response.content(b"x", "text/plain", 0.0)


def is_target(address: str, name: str) -> bool:
    return name == address or (address, name) == (APP, "app")


def asked(calls: Iterable[dict[str, Any]], **bounds: int) -> JournalQueries:
    journal = Journal(**bounds)
    queries = JournalQueries(journal, is_target)
    for at, call in enumerate(calls, start=1):
        path = call.get("path", "/latest/meta-data/mac")
        request = Request("GET", path, path, headers={TOKEN_HEADER: "t"} if call.get("version") == 2 else {})
        exchange = Exchange(call.get("caller", APP), request, call.get("answer", FOUND))
        journal.record(call.get("at", float(at)), exchange, 1)
    return queries


def test_a_filter_takes_what_matches_in_every_respect() -> None:
    spoiled = Response(responses.refusal(503).head, faults=("status-1",))
    queries = asked(
        [
            {"path": "/latest/meta-data/iam/info"},
            {"path": "/latest/meta-data/iam/info", "caller": OTHER},
            {"path": "/latest/meta-data/mac", "version": 2},
            {"path": "/latest/user-data", "answer": spoiled},
        ]
    )

    def numbers(**wanted: Any) -> list[int]:
        return [entry.number for entry in queries.select(Filter(**wanted), 100)]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(path="*/iam/*") == [2, 1]
    assert numbers(path="/latest/meta-data/iam/info", caller="app") == [1]
    assert numbers(caller=OTHER) == [2]
    assert numbers(version=2) == [3]
    assert numbers(status=503) == numbers(fault="status-1") == [4]
    assert numbers(method="get", since=2.0, until=4.0) == [3, 2]
    assert numbers(after=3) == [4]
    assert numbers(method="PUT") == []


def test_the_newest_come_first_and_no_more_than_asked_for() -> None:
    queries = asked([{}] * 5)
    assert [entry.number for entry in queries.select(Filter(), 2)] == [5, 4]


@given(st.lists(st.sampled_from([APP, OTHER]), max_size=30), st.none() | st.integers(0, 31))
def test_a_count_is_the_number_of_matching_requests(callers: list[str], since: int | None) -> None:
    queries = asked([{"caller": caller} for caller in callers])
    count = queries.count(Filter(caller="app", since=since))
    times = [at for at, caller in enumerate(callers, start=1) if caller == APP and (since is None or at >= since)]
    assert (count.count, count.complete) == (len(times), True)
    assert (count.first, count.last) == (min(times, default=None), max(times, default=None))


@pytest.mark.parametrize(
    ("at_least", "at_most", "holds"),
    [
        (None, None, True),
        (3, None, True),
        (4, None, False),
        (None, 3, True),
        (None, 2, False),
        (3, 3, True),
        (0, 0, False),
    ],
)
def test_bounds_of_a_count(at_least: int | None, at_most: int | None, holds: bool) -> None:  # noqa: FBT001 - a table
    assert asked([{}] * 3).count(Filter()).holds(at_least, at_most) is holds


def test_nothing_asked_means_no_without_bounds() -> None:
    assert not asked([]).count(Filter()).holds(None, None)


def test_a_ring_that_has_forgotten_cannot_show_that_there_were_not_too_many() -> None:
    queries = asked([{}] * 20, max_entries=5)
    count = queries.count(Filter(path="/never"))
    assert (count.count, count.complete, count.holds(None, 0)) == (0, False, False)
    recent = queries.count(Filter(path="/never", since=16.0))
    assert (recent.complete, recent.holds(None, 0)) == (True, True)
    assert not queries.count(Filter(path="/never", since=15.0)).complete
    assert queries.count(Filter()).holds(5, None)


def test_imdsv1_callers_are_named_refused_calls_included() -> None:
    queries = asked([{"version": 2}, {}, {"caller": OTHER, "answer": responses.refusal(401)}, {}])
    calls = queries.imdsv1_calls()
    assert [(each.caller, each.first, each.last, each.times) for each in calls] == [
        (APP, 2.0, 4.0, 2),
        (OTHER, 3.0, 3.0, 1),
    ]
    assert [each.caller for each in queries.imdsv1_calls(since=4.0)] == [APP]
    assert queries.imdsv1_calls(since=5.0) == []


def test_only_those_who_got_the_notice_have_seen_it() -> None:
    missing = responses.page(404, "text/html")
    queries = asked(
        [
            {"path": NOTICE, "answer": missing},
            {"path": NOTICE, "caller": OTHER, "version": 2},
            {"path": "/2021-03-23/meta-data/spot/termination-time", "caller": OTHER},
            {"path": "/latest/meta-data/spot", "caller": APP},
            {"path": "/latest/meta-data/events/recommendations/rebalance", "caller": APP},
        ]
    )
    seen = [(each.subject, each.caller, each.first, each.times) for each in queries.notices()]
    assert seen == [("spot-interruption", OTHER, 2.0, 2), ("rebalance-recommendation", APP, 5.0, 1)]
    assert [each.caller for each in queries.notices(caller="app")] == [APP]


def test_what_the_ring_forgets_about_imdsv1_and_notices_stays_known() -> None:
    calls: list[dict[str, Any]] = [{"caller": OTHER}, {"path": NOTICE, "version": 2}]
    queries = asked([*calls, *[{"version": 2}] * 300], max_entries=10)
    assert [(each.caller, each.times) for each in queries.imdsv1_calls()] == [(OTHER, 1)]
    assert [(each.caller, each.first) for each in queries.notices()] == [(APP, 2.0)]
    queries.clear()
    assert queries.imdsv1_calls() == queries.notices() == []
    assert queries.count(Filter()).complete


@given(st.lists(st.sampled_from([APP, OTHER]), max_size=200), st.integers(1, 50))
def test_imdsv1_counts_do_not_depend_on_the_size_of_the_ring(callers: list[str], size: int) -> None:
    calls = [{"caller": caller} for caller in callers]
    assert asked(calls, max_entries=size).imdsv1_calls() == asked(calls).imdsv1_calls()


def test_evidence_is_bounded() -> None:
    queries = asked([{"caller": f"10.0.{at // 250}.{at % 250}"} for at in range(3000)], max_entries=1)
    assert len(queries.imdsv1_calls()) <= 1025
