"""The journal: what it keeps, its bounds, and that no secret ever gets in."""

from __future__ import annotations

import itertools
import sys
import tracemalloc
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import TOKEN_HEADER, USER_AGENT_HEADER, Delivery, Request, Response
from imds_mock.state.entries import Entry
from imds_mock.state.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = "AQAEAsecretsecretsecret"  # noqa: S105 - what must not show up
FOUND = Response.content(b"i-1", "text/plain", 0.0)
WITH_TOKEN = {TOKEN_HEADER: SECRET}


def record(
    journal: Journal,
    path: str = "/latest/meta-data/instance-id",
    response: Response = FOUND,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    caller: str = "172.18.0.3",
    now: float = 1.0,
) -> None:
    journal.record(now, Exchange(caller, Request(method, path, path, headers=headers or {}), response), 85)


def only(journal: Journal) -> Entry:
    (entry,) = journal
    return entry


def test_an_entry_says_who_asked_what_and_how_it_was_answered() -> None:
    journal = Journal()
    asked = Request("GET", "//latest/meta-data/mac/", "/latest/meta-data/mac", trailing_slash=True)
    journal.record(7.5, Exchange("172.18.0.3", asked, FOUND), 85)
    assert only(journal) == Entry(
        1, 7.5, "172.18.0.3", "GET", "/latest/meta-data/mac", "//latest/meta-data/mac/", 1, "absent", 200, 85
    )


@pytest.mark.parametrize(
    ("method", "headers", "response", "version", "token"),
    [
        ("GET", {}, FOUND, 1, "absent"),
        ("GET", {}, responses.refusal(401), 1, "absent"),
        ("GET", WITH_TOKEN, Response(FOUND.head, b"", 60), 2, "valid"),
        ("GET", WITH_TOKEN, responses.refusal(401), 2, "rejected"),
        ("GET", WITH_TOKEN, responses.refusal(503), 2, "unchecked"),
        ("PUT", {}, Response(FOUND.head, b"AQAEA", 60), 2, "issued"),
        ("PUT", {}, responses.refusal(403), 2, "absent"),
    ],
)
def test_the_version_and_the_state_of_the_token(
    method: str, headers: dict[str, str], response: Response, version: int, token: str
) -> None:
    journal = Journal()
    record(journal, method=method, headers=headers, response=response)
    assert (only(journal).version, only(journal).token) == (version, token)


def test_an_answer_that_never_came_has_no_status() -> None:
    journal = Journal()
    spoiled = Response(FOUND.head, b"", delivery=Delivery.RESET, faults=("reset-1",))
    record(journal, response=spoiled)
    assert (only(journal).status, only(journal).faults) == (0, ("reset-1",))


def test_bytes_that_were_no_request_are_noted() -> None:
    journal = Journal()
    journal.record(1.0, Exchange("172.18.0.3", None, responses.refusal(431)), 9)
    assert (only(journal).version, only(journal).method, only(journal).status) == (0, "", 431)


def test_a_probe_is_not_noted() -> None:
    journal = Journal()
    record(journal, response=responses.probed("abc"))
    assert len(journal) == journal.last_number == 0


def test_no_secret_gets_in() -> None:
    journal = Journal()
    secret_answer = Response.content(SECRET.encode(), "text/plain", 0.0)
    record(journal, response=secret_answer, headers={TOKEN_HEADER: SECRET, "authorization": SECRET})
    record(journal, method="PUT", response=Response(secret_answer.head, SECRET.encode(), 60))
    written = msgspec.json.encode(list(journal)).decode()
    assert "instance-id" in written
    assert SECRET not in written


@given(st.integers(1, 2000), st.integers(0, 3000), st.integers(0, 3000), st.integers(1, 300))
def test_a_sample_is_even_and_ends_with_the_last_one(size: int, recorded: int, number: int, most: int) -> None:
    journal = Journal(max_entries=size)
    for _ in range(recorded):
        record(journal)
    every = [entry.number for entry in journal if entry.number > number]
    sample, total = journal.sample(number, most)
    found = [entry.number for entry in sample]
    assert total == len(every)
    assert len(found) <= most
    assert found[-1:] == every[-1:]
    if len(every) <= most:
        assert found == every
    else:
        assert len(found) > most // 2 - 1
        assert len({later - sooner for sooner, later in itertools.pairwise(found)}) <= 1


@given(st.integers(1, 400), st.integers(0, 900))
def test_the_ring_keeps_the_last_ones_in_order(size: int, recorded: int) -> None:
    journal = Journal(max_entries=size)
    evicted: list[int] = []
    journal.on_evict = lambda entries: evicted.extend(entry.number for entry in entries)
    for _ in range(recorded):
        record(journal)
    kept = [entry.number for entry in journal]
    assert kept == list(range(max(0, recorded - size) + 1, recorded + 1))
    assert evicted + kept == list(range(1, recorded + 1))
    assert [entry.number for entry in journal.latest()] == kept[::-1]
    assert journal.first_number == (kept[0] if kept else recorded + 1)


ENTRIES = st.tuples(
    st.floats(0, 4e9),
    st.sampled_from(["172.18.0.3", "fd00::3"]),
    st.sampled_from(["GET", "PUT"]),
    st.text("/ab%\u00e9", max_size=3),
    st.text("/ab%\u00e9", max_size=3),
    st.integers(0, 2**40),
    st.lists(st.sampled_from(["delay-1", "status-2", "reset-3"]), max_size=3).map(tuple),
    st.floats(-1e6, 1e6),
    st.sampled_from(["", "aws-cli/2"]),
)


@given(st.lists(ENTRIES, max_size=60), st.integers(1, 40), st.sets(st.integers(0, 60)))
def test_each_entry_keeps_its_values(
    given_entries: Sequence[tuple[float, str, str, str, str, int, tuple[str, ...], float, str]],
    size: int,
    read: set[int],
) -> None:
    journal = Journal(size)
    evicted: list[Entry] = []
    journal.on_evict = evicted.extend
    expected = []
    for number, (time, caller, method, path, written, microseconds, faults, offset, agent) in enumerate(
        given_entries, 1
    ):
        journal.offset_ago = {microseconds / 1_000_000: offset}.__getitem__
        response = Response(FOUND.head, FOUND.body, faults=faults)
        request = Request(method, written, path, headers={USER_AGENT_HEADER: agent})
        journal.record(time, Exchange(caller, request, response), microseconds)
        version, fixed = 2 if method == "PUT" else 1, ("absent", 200)
        expected.append(
            Entry(number, time, caller, method, path, written, version, *fixed, microseconds, faults, offset, agent)
        )
        if number in read:
            assert list(journal) == expected[-size:]
    kept = list(journal)
    assert kept == expected[-size:]
    assert list(journal.latest()) == kept[::-1]
    assert evicted + kept == expected
    for number in (0, *read):
        assert list(journal.after(number)) == [entry for entry in kept if entry.number > number]


def test_an_entry_takes_little_memory() -> None:
    paths = [f"/latest/meta-data/tags/instance/{number:05}" for number in range(12_000)]
    times = [1e9 + number for number in range(12_000)]
    journal = Journal()
    tracemalloc.start()
    try:
        for number, (path, time) in enumerate(zip(paths, times, strict=True)):
            record(journal, path, now=time, caller=("172.18.0.3", "172.18.0.4")[number % 2])
        del path, time
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(journal) == 10_000
    assert taken / len(journal) < 64


def test_bytes_that_are_no_request_take_little_memory() -> None:
    times = [1e9 + number for number in range(12_000)]
    refused = [responses.refusal(status) for status in (400, 431)]
    journal = Journal()
    tracemalloc.start()
    try:
        for number, time in enumerate(times):
            journal.record(time, Exchange("172.18.0.3", None, refused[number % 2]), 9)
        del time
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(journal) == 10_000
    assert taken / len(journal) < 64


@given(st.lists(st.sampled_from("a\u00e9\u20ac\U0001f600"), min_size=200, max_size=300), st.integers(1, 3000))
def test_memory_is_bounded_whatever_the_paths(characters: list[str], length: int) -> None:
    journal = Journal(max_bytes=100_000)
    for character in characters:
        record(journal, f"/{character * length}")
    assert sum(sys.getsizeof(entry.path) + sys.getsizeof(entry.written) for entry in journal) <= 100_000
    assert all(len(entry.path) <= 1024 for entry in journal)


@pytest.mark.parametrize("each", [0, 1, 3, 1000])
def test_memory_is_bounded_whatever_the_faults(each: int) -> None:
    journal = Journal(max_bytes=100_000)
    for number in range(300):
        # Faults come and go: in the worst case no two answers have one in common.
        faults = tuple(f"clock-skew-{number}-{place}" for place in range(each))
        record(journal, response=Response(FOUND.head, FOUND.body, faults=faults))
    kept = sum(sys.getsizeof(entry.faults) + sum(map(sys.getsizeof, entry.faults)) for entry in journal)
    assert 0 < len(journal) <= 125
    assert kept <= 100_000
    journal.clear()
    record(journal)
    assert len(journal) == 1


@given(st.lists(st.integers(1, 300), max_size=8))
def test_batch_observers_are_told_of_every_entry_once_and_in_order(bursts: list[int]) -> None:
    journal = Journal(max_entries=50)
    told: list[int] = []
    journal.batch_observers = (lambda batch, _: told.extend(entry.number for entry in batch),)
    for burst in bursts:
        for _ in range(burst):
            record(journal)
        len(journal)
        assert told == list(range(1, journal.last_number + 1))


def test_followers_are_told_at_once() -> None:
    journal = Journal()
    told: list[int] = []
    record(journal)
    journal.followers = (lambda entry: told.append(entry.number),)
    record(journal)
    assert told == [2]


def test_numbers_go_on_after_clearing() -> None:
    journal = Journal()
    record(journal)
    journal.clear()
    assert list(journal) == []
    record(journal)
    assert only(journal).number == 2


def test_entries_from_before_the_clock_was_moved_have_no_offset() -> None:
    journal = Journal()
    record(journal)
    record(journal)
    journal.offset_ago = lambda _seconds: 100.0
    record(journal)
    assert [entry.clock_offset for entry in journal] == [0.0, 0.0, 100.0]


def test_entries_that_are_read_one_by_one_still_share_batches() -> None:
    journal = Journal()
    for number in range(1000):
        record(journal)
        assert len(journal) == number + 1
    assert len(journal._ring) == 4
