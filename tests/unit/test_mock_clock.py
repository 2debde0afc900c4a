"""The mock's own time: it is advanced, set and returned to the real one, and wakes what sleeps."""

from __future__ import annotations

import ast
import asyncio
import math
import time
from datetime import UTC, datetime, timedelta, timezone
from itertools import count

import pytest

from imds_mock.clock import END_SECONDS, ClockRangeError, MockClock
from support.mockserver import STARTED, Clock
from support.paths import ROOT

HOUR = 3600.0
SOURCES = ROOT / "mock" / "src" / "imds_mock"


def test_the_time_is_real_until_it_is_moved_and_runs_on_from_there() -> None:
    real = Clock()
    clock = MockClock(real)
    assert (clock(), clock.now(), clock.offset, clock.is_real) == (STARTED, STARTED, 0.0, True)
    clock.advance(6 * HOUR)
    assert (clock(), clock.now(), clock.offset, clock.is_real) == (STARTED + 6 * HOUR,) * 2 + (6 * HOUR, False)
    real.now += 5
    assert (clock(), clock.real()) == (STARTED + 6 * HOUR + 5, STARTED + 5)
    clock.advance(1)
    assert clock.offset == 6 * HOUR + 1
    clock.set(1_000.0)
    assert (clock(), clock.offset) == (1_000.0, 1_000.0 - STARTED - 5)
    clock.use_real_time()
    assert (clock(), clock.offset, clock.is_real) == (STARTED + 5, 0.0, True)


def test_reading_real_time_costs_no_more_than_reading_it_from_the_system() -> None:
    clock = MockClock()
    assert clock.now is time.time
    clock.advance(1)
    clock.use_real_time()
    assert clock.now is time.time


def test_units_are_added() -> None:
    clock = MockClock(Clock())
    clock.advance(1, minutes=2, hours=3, days=4)
    assert clock.offset == timedelta(days=4, hours=3, minutes=2, seconds=1).total_seconds()


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2027, 1, 1, tzinfo=UTC),
        datetime(2027, 1, 1),  # noqa: DTZ001 - a date without a zone is UTC
        datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        1_798_761_600,
    ],
)
def test_dates_and_seconds_are_times(moment: float | datetime) -> None:
    clock = MockClock(Clock())
    clock.set(moment)
    assert clock() == 1_798_761_600


@pytest.mark.parametrize("moment", [-1.0, END_SECONDS, 1e300, math.inf, math.nan])
def test_times_before_1970_and_after_2299_are_refused(moment: float) -> None:
    clock = MockClock(Clock())
    with pytest.raises(ClockRangeError, match=r"^the clock can be set to times from 1970 to 2299, not to "):
        clock.set(moment)
    assert clock.is_real
    clock.set(0.0)
    clock.set(END_SECONDS - 1)
    with pytest.raises(ClockRangeError):
        clock.advance(1)
    assert clock() == END_SECONDS - 1


@pytest.mark.parametrize("seconds", [-1.0, math.nan])
def test_the_time_is_advanced_forward_only(seconds: float) -> None:
    clock = MockClock(Clock())
    with pytest.raises(ClockRangeError, match=r"set an earlier time instead$"):
        clock.advance(seconds)
    assert clock.is_real


def test_listeners_get_the_time_before_and_after_in_order() -> None:
    clock = MockClock(Clock())
    heard: list[tuple[str, float, float]] = []
    clock.on_move(lambda before, now: heard.append(("first", before, now)))
    clock.on_move(lambda before, now: heard.append(("second", before, now)))
    clock.advance(10)
    clock.use_real_time()
    assert heard == [
        ("first", STARTED, STARTED + 10),
        ("second", STARTED, STARTED + 10),
        ("first", STARTED + 10, STARTED),
        ("second", STARTED + 10, STARTED),
    ]


def test_the_offset_of_a_request_that_began_before_a_move_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count(100.0, 10.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    clock = MockClock(Clock())
    assert clock.offset_ago(5.0) == 0.0  # asked at 100
    clock.advance(60)  # at 110
    clock.advance(60)  # at 120
    assert clock.offset_ago(25.0) == 0.0  # asked at 130
    assert clock.offset_ago(25.0) == 60.0  # asked at 140
    assert clock.offset_ago(25.0) == 120.0  # asked at 150


def test_a_move_wakes_what_sleeps() -> None:
    async def scenario() -> None:
        clock = MockClock(Clock())
        sleeping = [asyncio.create_task(clock.sleep(1000)) for _ in range(2)]
        canceled = asyncio.create_task(clock.sleep(1000))
        due = asyncio.create_task(clock.sleep_until(STARTED + 50))
        await asyncio.sleep(0)
        canceled.cancel()
        clock.advance(49)
        await asyncio.gather(*sleeping)
        assert not due.done(), "it sleeps again, because its time has not come"
        clock.advance(1)
        await due
        await clock.sleep(0.0)
        await clock.sleep_until(STARTED)
        assert clock._asleep == set()

    asyncio.run(asyncio.wait_for(scenario(), 20))


WALL_CLOCK = {
    ("clock.py", "time.time"): "the real time that a mock's clock starts from",
    ("run/dependencies.py", "time.time"): "the real time, unless the program around a mock passes another clock",
}
"""Where the product may read the system's clock, and why; everything else asks the mock's clock."""

READS = {"time.time", "time.time_ns", "time.localtime", "time.ctime", "time.asctime", "datetime.now", "datetime.utcnow",
         "datetime.today", "date.today", "time.clock_gettime"}  # fmt: skip


def test_only_the_clock_reads_the_systems_wall_clock() -> None:
    found = set()
    for file in sorted(SOURCES.rglob("*.py")):
        name = str(file.relative_to(SOURCES))
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (read := ".".join(ast.unparse(node).split(".")[-2:])) in READS:
                found.add((name, read))
            elif isinstance(node, ast.ImportFrom) and node.module in {"time", "datetime"}:
                found |= {(name, f"{node.module}.{each.name}") for each in node.names} & {
                    (name, each) for each in READS
                }
            elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.gmtime", "time.strftime"}:
                # Without their last argument they read the clock.
                needed = 1 if ast.unparse(node.func) == "time.gmtime" else 2
                assert len(node.args) == needed, (name, ast.unparse(node))
    assert found == set(WALL_CLOCK), "ask the mock's clock instead, or list the use with its reason"
