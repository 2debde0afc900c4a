"""The file of announcements: what it takes over, what it leaves out, and what it says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.callers.announcements import Announcement
from imds_mock.callers.caller import Announced
from imds_mock.run import announced_file
from imds_mock.run.announced_file import AnnouncedFile, AnnouncedFileError
from support.callers import FakeNetwork

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.callers.registry import CallerRegistry

HERE, SIX, THERE = "172.18.0.5", "fd00::5", "172.18.0.6"
KEY = "0" * 32
WORKER = Announced("worker", '{"role": "worker-role"}')
MAC = "a6:00:00:00:00:05"


def registry(own: str = "172.18.0.2/16") -> CallerRegistry:
    return FakeNetwork(own_addresses=(own,), is_down=True).registry(0.01)


def written(path: Path, *announcements: tuple[str, Announcement]) -> list[str]:
    """The sentences of a run that announces and ends."""
    reports: list[str] = []

    async def run() -> None:
        callers = registry()
        file = AnnouncedFile(path, callers, reports.append)
        file.load()
        for address, announcement in announcements:
            callers.announcements.put(address, announcement)
        file.close()

    asyncio.run(run())
    return reports


def loaded(path: Path, own: str = "172.18.0.2/16") -> tuple[CallerRegistry, list[str]]:
    """The callers after a start, and the sentences."""
    reports: list[str] = []
    callers = registry(own)

    async def run() -> None:
        AnnouncedFile(path, callers, reports.append).load()

    asyncio.run(run())
    return callers, reports


def test_the_addresses_of_one_start_are_one_container_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    one = Announcement(KEY, WORKER, MAC, "shop-worker-1")
    assert written(path, (HERE, one), (SIX, one), (THERE, Announcement("1" * 32, None))) == []
    callers, reports = loaded(path)
    assert reports == []
    assert dict(callers.announcements.items()) == {HERE: one, SIX: one, THERE: Announcement("1" * 32, None)}
    assert callers.caller(HERE) == callers.caller(SIX)
    assert (callers.caller(SIX).addresses, callers.caller(SIX).key) == ((HERE, SIX), "worker")
    assert [each.caller.names for each in callers.known_callers()] == [("worker",), ("worker",)]


def test_the_mock_at_a_former_container_s_address_is_not_that_container(tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    written(path, (HERE, Announcement(KEY, WORKER, MAC)))
    assert loaded(path, own=f"{HERE}/16")[0].caller(HERE).announced is None


@pytest.mark.parametrize(
    "content",
    [
        "[{]",
        '[{"address": "172.18.0.5"}]',
        '[{"address": "worker", "key": "0"}]',
        '[{"address": "172.18.0.5", "key": "0", "more": 1}]',
        '[{"address": "172.18.0.5", "key": "0", "instance": ' + '{"a": ' * 5000,
        "instance: {region: eu-west-1}\n",
        "[" + " " * announced_file.MAX_BYTES + "]",
    ],
)
def test_a_file_that_cannot_be_read_is_put_aside_in_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "announced.json"
    path.write_text(content)
    callers, reports = loaded(path)
    assert reports == [f"{path} has no announcements that this mock can read; renamed it to announced.json.unreadable"]
    assert len(callers.announcements.items()) == 0
    assert json.loads(path.read_text()) == []
    assert (tmp_path / "announced.json.unreadable").read_text() == content


def test_a_path_that_is_not_a_regular_file_ends_the_start_and_stays(tmp_path: Path) -> None:
    path, pipe = tmp_path / "announced.json", tmp_path / "pipe"
    os.mkfifo(pipe)
    path.symlink_to(pipe)
    for special in (pipe, path):
        before = special.lstat()
        with pytest.raises(AnnouncedFileError) as raised:
            loaded(special)
        assert str(raised.value) == (
            f"cannot keep announcements in {special}: it exists and is not a regular file; "
            "choose another callers.announced_file"
        )
        assert (special.lstat().st_ino, special.lstat().st_mode) == (before.st_ino, before.st_mode)


def test_the_oldest_announcements_are_left_out_of_a_full_file(tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    large = Announced(None, json.dumps({"user_data": "x" * 8000}))
    many = [(f"10.0.{number // 256}.{number % 256}", Announcement(f"{number:032x}", large)) for number in range(600)]
    (sentence,) = written(path, *many)
    left = [each for each, _ in loaded(path)[0].announcements.items()]
    assert path.stat().st_size <= announced_file.MAX_BYTES
    assert left == [address for address, _ in many[-len(left) :]]
    assert sentence == f"{path} has no room for the {600 - len(left)} oldest announcements"
    assert 500 < len(left) < 600


def test_a_folder_that_cannot_be_written_ends_the_start_with_73(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file/announced.json"
    with pytest.raises(AnnouncedFileError) as raised:
        loaded(path)
    assert raised.value.exit_code == 73
    assert str(raised.value).startswith(f"cannot keep announcements in {path}: ")
    assert str(raised.value).endswith("; choose another callers.announced_file")


def test_a_write_that_fails_later_is_reported_and_tried_again_with_the_next_change(tmp_path: Path) -> None:
    path = tmp_path / "folder/announced.json"
    reports: list[str] = []

    async def run() -> None:
        callers, reported = registry(), asyncio.Event()

        def report(sentence: str) -> None:
            reports.append(sentence)
            reported.set()

        file = AnnouncedFile(path, callers, report)
        file.load()
        keeping = asyncio.create_task(file.keep())
        path.unlink()
        path.parent.rmdir()
        callers.announcements.put(HERE, Announcement(KEY, WORKER))
        await asyncio.wait_for(reported.wait(), 60)
        path.parent.mkdir()
        callers.announcements.put(THERE, Announcement(KEY, None))
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
        file.close()

    asyncio.run(run())
    assert reports == [
        f"cannot keep announcements in {path}: No such file or directory; choose another callers.announced_file"
    ]
    assert [each["address"] for each in json.loads(path.read_text())] == [HERE, THERE]


def test_a_write_under_way_at_the_end_does_not_replace_later_announcements(tmp_path: Path) -> None:
    path = tmp_path / "announced.json"
    is_writing, may_write = threading.Event(), threading.Event()

    class SlowToWrite(Announced):
        @property
        def instance(self) -> dict[str, Any]:
            if threading.current_thread() is not threading.main_thread():
                is_writing.set()
                assert may_write.wait(60)
            return {"role": "worker-role"}

    async def run() -> None:
        callers = registry()
        file = AnnouncedFile(path, callers, print)
        file.load()
        keeping = asyncio.create_task(file.keep())
        callers.announcements.put(HERE, Announcement(KEY, SlowToWrite(*WORKER)))
        await asyncio.to_thread(is_writing.wait, 60)
        callers.announcements.put(THERE, Announcement(KEY, None))
        keeping.cancel()
        # If the end does not wait for the thread, the thread is the last one to write.
        await asyncio.wait({keeping}, timeout=0.1)
        if not keeping.done():
            may_write.set()
            await asyncio.wait({keeping})
        file.close()
        may_write.set()
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(run())
    assert [each["address"] for each in json.loads(path.read_text())] == [HERE, THERE]
