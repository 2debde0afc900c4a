"""Requests as values: their filters, and the table in messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from imds_mock.scheduling.fields import FieldError
from imds_mock.service.messages import TOKEN_HEADER
from imds_mock.state.entries import Entry
from imds_mock.testing.requests import Request, Requests, failure

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def entry(number: int, path: str, version: int = 2, status: int = 200, caller: str = "10.0.0.1") -> Entry:
    moment = NOON.timestamp() + number
    token = "valid" if version == 2 else "absent"
    return Entry(number, moment, caller, "GET", path, path, version, token, status, 250, ())


def names(address: str) -> tuple[str, ...]:
    return ("worker",) if address == "10.0.0.2" else ()


REQUESTS = Requests(
    Request.of(each, names)
    for each in (
        entry(1, "/latest/meta-data/instance-id"),
        entry(2, "/latest/meta-data/iam/info", version=1),
        entry(3, "/2021-07-15/meta-data/iam/info", status=404, caller="10.0.0.2"),
    )
)


def test_requests_are_filtered_by_every_condition() -> None:
    def numbers(found: Requests) -> list[int]:
        return [each.number for each in found]

    assert numbers(REQUESTS.filter("meta-data/iam/*")) == [2, 3]
    assert numbers(REQUESTS.filter(caller="10.0.0.1")) == [1, 2]
    assert numbers(REQUESTS.filter(caller="worker")) == [3]
    assert numbers(REQUESTS.filter(version="v1")) == [2]
    assert numbers(REQUESTS.filter(status=404)) == [3]
    assert numbers(REQUESTS.filter(method="get")) == [1, 2, 3]
    assert numbers(REQUESTS.filter(since=NOON + timedelta(seconds=2))) == [2, 3]
    assert numbers(REQUESTS.filter("meta-data/iam/*").filter(status=200)) == [2]


def test_a_pattern_that_no_path_begins_like_is_refused() -> None:
    with pytest.raises(FieldError, match="no path begins with 'metadata'"):
        REQUESTS.filter("metadata/iam")


def test_a_failure_shows_the_requests_as_a_table() -> None:
    assert str(failure("nothing was read", REQUESTS)).splitlines() == [
        "nothing was read",
        "",
        "Requests that were made:",
        "no.  time (UTC)    caller             request                             version  token   status  faults",
        "1    12:00:01.000  10.0.0.1           GET /latest/meta-data/instance-id   v2       valid   200     -",
        "2    12:00:02.000  10.0.0.1           GET /latest/meta-data/iam/info      v1       absent  200     -",
        "3    12:00:03.000  10.0.0.2 (worker)  GET /2021-07-15/meta-data/iam/info  v2       valid   404     -",
    ]


def test_no_requests_and_many_are_said_in_words() -> None:
    assert str(Requests()) == "(no requests)"
    many = Requests(Request.of(entry(number, "/latest/"), names) for number in range(1, 51))
    assert str(many).splitlines()[1] == "... 10 earlier requests"


def test_a_request_holds_no_token() -> None:
    assert TOKEN_HEADER not in repr(REQUESTS[0])
