"""The outlet of all log lines: nothing waits for it, and what is lost is counted and reported."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from imds_mock.log import LOST_JSON, MAX_LINES, MAX_WAITING_BYTES, WINDOW_SECONDS, Outlet, StandardError, say_limited

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = f"{'x' * 98}\n"


class Pipe:
    """An outlet into a pipe that a test reads or leaves unread."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.outlet = Outlet(self.write_end)

    def read_until(self, pattern: str) -> str:
        """Read until a line matches."""
        received = ""
        while not re.search(pattern, received):
            part = os.read(self.read_end, 65536).decode()
            assert part, received
            received += part
        return received

    def rest(self) -> str:
        """What is still to come, when nothing is written any more."""
        received: list[str] = []
        with os.fdopen(self.read_end) as read:
            # The outlet only ends when what it holds has been read.
            reader = threading.Thread(target=lambda: received.append(read.read()))
            reader.start()
            self.outlet.close(20)
            os.close(self.write_end)
            reader.join()
        return received[0]


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


@pytest.mark.parametrize("is_blocking", [True, False])
def test_an_unread_pipe_delays_no_writer_and_its_lost_lines_are_reported(pipe: Pipe, is_blocking: bool) -> None:  # noqa: FBT001 - both kinds
    os.set_blocking(pipe.write_end, is_blocking)
    count = 4 * MAX_WAITING_BYTES // len(LINE)
    for _ in range(count):
        pipe.outlet.write(LINE)
    lines = pipe.rest().splitlines()
    # Two notices if the outlet's thread first ran after the limit was reached.
    lost = sum(int(line.split()[1]) for line in lines if "lines were lost, because" in line)
    assert lost + lines.count(LINE.rstrip()) == count
    assert MAX_WAITING_BYTES - len(LINE) <= lines.count(LINE.rstrip()) * len(LINE) <= 2.2 * MAX_WAITING_BYTES


def test_lines_are_written_again_after_a_reader_that_stalled(pipe: Pipe) -> None:
    pipe.outlet.write(LINE * (2 * MAX_WAITING_BYTES // len(LINE)))
    pipe.read_until("lines were lost, because")
    pipe.outlet.write("after\n")
    assert pipe.rest() == "after\n"


def test_many_lines_at_once_are_kept_up_to_the_limit(pipe: Pipe) -> None:
    count = 4 * MAX_WAITING_BYTES // len(LINE)
    pipe.outlet.write(LINE * count)
    received = pipe.read_until("lines were lost, because") + pipe.rest()
    kept = received.count(LINE)
    assert kept == MAX_WAITING_BYTES // len(LINE)
    assert f"imds-mock: {count - kept} log lines were lost" in received


def test_an_unread_pipe_delays_the_end_only_for_the_given_time(pipe: Pipe) -> None:
    pipe.outlet.write(LINE * 10_000)
    pipe.outlet.close(0)
    assert pipe.read_until("x")


def test_the_end_waits_for_a_thread_that_has_not_got_a_processor_yet(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, join, joins = threading.Event(), pipe.outlet._thread.join, iter(range(10))
    write = pipe.outlet._write
    monkeypatch.setattr(pipe.outlet, "_write", lambda data: (may_write.wait(60), write(data))[1])

    def out_of_patience_at_first(_seconds: float) -> None:
        if next(joins) > 0:
            may_write.set()
            join(60)

    monkeypatch.setattr(pipe.outlet._thread, "join", out_of_patience_at_first)
    pipe.outlet.write(LINE)
    pipe.outlet.close()
    os.close(pipe.write_end)
    assert pipe.read_until("x") == LINE


def test_a_shared_description_stays_blocking(pipe: Pipe) -> None:
    pipe.outlet.write(LINE)
    assert os.get_blocking(pipe.write_end)
    assert pipe.rest() == LINE


def test_a_full_disk_costs_lines_until_there_is_room_again(monkeypatch: pytest.MonkeyPatch, pipe: Pipe) -> None:
    write, refuses = os.write, iter([28, 3, 0, 0])

    def full_at_first(descriptor: int, data: memoryview) -> int:
        """The first attempts write a part of a line or nothing, and then the disk is full."""
        room = next(refuses, None)
        if room is None:
            return write(descriptor, data)
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:room])

    monkeypatch.setattr(os, "write", full_at_first)
    pipe.outlet.write("the disk gets full in this line, or in the next\n")
    pipe.outlet.write("no room for this\n")
    pipe.outlet.write("room again\n")
    lines = pipe.rest().splitlines()
    assert lines[0] == "the disk gets full in this line"
    lost = sum(int(line.split()[1]) for line in lines if "were lost" in line)
    whole = [line for line in lines[1:] if "were lost" not in line]
    assert lost + len(whole) == 3
    assert set(whole) <= {"no room for this", "room again"}


def test_a_pipe_without_a_reader_disturbs_nothing(pipe: Pipe) -> None:
    os.close(pipe.read_end)
    for _ in range(3):
        pipe.outlet.write(LINE)
    pipe.outlet.close(20)
    assert pipe.outlet._lost == 3


def test_the_notice_may_be_json(pipe: Pipe) -> None:
    pipe.outlet.lost_notice = LOST_JSON
    pipe.outlet._lost = 7
    pipe.outlet.write(LINE)
    assert pipe.rest() == '{"lost":7}\n' + LINE


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def speech(pipe: Pipe) -> Iterator[tuple[StandardError, Clock]]:
    clock = Clock()
    yield StandardError(pipe.outlet, clock), clock
    pipe.outlet.close(20)


def test_lines_that_callers_cause_are_limited_and_notes_are_not(
    pipe: Pipe, speech: tuple[StandardError, Clock]
) -> None:
    stream, clock = speech
    for number in range(MAX_LINES + 50):
        stream.write(f"caused {number}\n")
    stream.note("a note")
    clock.now += WINDOW_SECONDS
    stream.write("later\n")
    lines = pipe.rest().splitlines()
    assert len([line for line in lines if line.startswith("caused")]) == MAX_LINES
    assert lines[MAX_LINES:] == [
        f"imds-mock: more than {MAX_LINES} log lines in 10 s; the rest is dropped",
        "a note",
        "imds-mock: dropped 50 log lines",
        "later",
    ]


def test_what_goes_wrong_in_requests_warnings_and_loggers_is_limited(
    monkeypatch: pytest.MonkeyPatch, pipe: Pipe, speech: tuple[StandardError, Clock]
) -> None:
    stream, _ = speech
    monkeypatch.setattr("sys.stderr", stream)
    logger = logging.Logger("of a library")  # noqa: LOG001 - one without the handlers of tests
    for _ in range(MAX_LINES):
        say_limited("one line")
        sys.excepthook(RuntimeError, RuntimeError("a traceback"), None)
        logger.warning("by a logger without a handler")
    assert len(pipe.rest().splitlines()) == MAX_LINES + 1


def test_a_line_in_parts_is_written_whole(pipe: Pipe, speech: tuple[StandardError, Clock]) -> None:
    stream, _ = speech
    print("one", "line", file=stream)
    stream.write("another ")
    stream.note("a note")
    stream.write("one\n")
    assert pipe.rest() == "one line\na note\nanother one\n"
