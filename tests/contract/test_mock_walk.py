"""The walks in the architecture page name the files that a request, a configuration key and an event pass."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imds_mock
from imds_mock import Mock
from imds_mock.cli import main
from imds_mock.run.program import LOOP_FACTORY
from support.mockcontrol import driven_mock

if TYPE_CHECKING:
    from types import FrameType

    import pytest

ROOT = Path(__file__).parents[2]
SOURCES = Path(imds_mock.__file__).parent
MOST = 8


def documented(title: str) -> tuple[list[str], set[str]]:
    """The files of a walk's numbered list, and those that are beside it."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    section = page.partition(f"## Walk: {title}\n")[2].partition("\n## ")[0]
    numbered = re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)
    return numbered, set(re.findall(r"`([\w/]+\.py)`", section)) - set(numbered)


async def get(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n".encode())
    response = await reader.read()
    writer.close()
    return response


async def passed(config: dict[str, Any]) -> list[str]:
    """The files that a GET of a path passes that was not requested before."""
    files: dict[str, None] = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(SOURCES):
            files[path.relative_to(SOURCES).as_posix()] = None

    async with Mock(config, port=0) as mock:
        await mock.control_ready.wait()
        await get(mock.addresses[0].port, "/latest/meta-data/ami-id")  # the caller is known after this
        before = sys.getprofile()
        sys.setprofile(note)
        try:
            response = await get(mock.addresses[0].port, "/latest/meta-data/instance-id")
        finally:
            sys.setprofile(before)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    return list(files)


def test_a_get_passes_the_files_that_the_page_lists(tmp_path: Path) -> None:
    config = {"server": {"hosts": ["127.0.0.1"]}, "control": {"socket": str(tmp_path / "control.sock")}}
    with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
        files = runner.run(passed(config))
    numbered, beside = documented("a GET from socket to bytes")
    assert len(numbered) <= MOST
    assert set(files) - beside == set(numbered)


def test_a_configuration_key_passes_at_most_ten_files() -> None:
    numbered, beside = documented("a configuration key to its leaf")
    assert 0 < len(numbered) <= 10
    assert all((SOURCES / file).is_file() for file in (*numbered, *beside))


def test_an_event_passes_at_most_fourteen_files_from_ctl_to_the_changed_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files: set[str] = set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(SOURCES):
            files.add(path.relative_to(SOURCES).as_posix())

    path = "/latest/meta-data/spot/instance-action"
    before = sys.getprofile()
    threading.setprofile(note)  # for the thread of the mock
    try:
        with driven_mock(tmp_path) as mock:
            assert mock.get(path).status == 404
            files.clear()
            sys.setprofile(note)
            assert main(["ctl", "spot", "interrupt", "--url", f"unix:{mock.socket_path}"]) == 0
            assert mock.get(path).status == 200
    finally:
        threading.setprofile(None)
        sys.setprofile(before)
    assert capsys.readouterr().out.startswith("spot-1 active: ")
    numbered, _ = documented("ctl spot interrupt to the changed answer")
    assert 0 < len(numbered) <= 14
    assert set(numbered) <= files
