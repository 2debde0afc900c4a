"""The access log: its forms, what never stands in it, and that it cannot be forged."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imds_mock.config.settings import ServerSettings
from imds_mock.errors import LogFileError
from imds_mock.log import Outlet
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Delivery, Head, Request, Response
from imds_mock.service.responses import probed, refusal
from imds_mock.wire.accesslog import GATHER_SECONDS, AccessLog, open_access_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NOW = 1_767_323_045.625


class Loop:
    """Keeps what is to be called later until a test says that it is later."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.due.append((seconds, call))


class Log:
    """An access log that is read back."""

    def __init__(self, form: str = "text") -> None:
        self.read_end, self.write_end = os.pipe()
        self.loop = Loop()
        loop: Any = self.loop
        self.outlet = Outlet(self.write_end)
        self.log = AccessLog(self.outlet, form, loop)

    def lines(self) -> list[str]:
        self.log.flush()
        self.outlet.close(20)
        os.close(self.write_end)
        with os.fdopen(self.read_end, encoding="ascii") as read:
            return read.read().splitlines()


def request(target: str = "/latest/meta-data/instance-id", method: str = "GET", **headers: str) -> Request:
    return Request(method, target, target, headers=headers)


def test_a_line_of_text() -> None:
    log = Log()
    log.log.record(NOW, Exchange("172.18.0.3", request(), refusal(403)), 85)
    assert log.lines() == ["2026-01-02T03:04:05.625Z 172.18.0.3 GET /latest/meta-data/instance-id 403 v1 85"]


def test_a_line_of_json() -> None:
    log = Log("json")
    log.log.record(NOW, Exchange("fd00::3", request(), refusal(403)), 85)
    assert json.loads(log.lines()[0]) == {
        "time": "2026-01-02T03:04:05.625Z",
        "caller": "fd00::3",
        "method": "GET",
        "path": "/latest/meta-data/instance-id",
        "status": 403,
        "version": "v1",
        "microseconds": 85,
    }


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        (request(), "v1"),
        (request(**{"x-aws-ec2-metadata-token": "wrong"}), "v2"),
        (request("/latest/api/token", "PUT"), "v2"),
        (None, "-"),
    ],
)
def test_the_version_of_the_protocol(asked: Request | None, version: str) -> None:
    log = Log()
    log.log.record(NOW, Exchange("::1", asked, refusal(401)), 1)
    assert log.lines()[0].split()[5] == version


@pytest.mark.parametrize("delivery", [Delivery.STALL, Delivery.RESET])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_answer_that_was_kept_back_says_so(form: str, delivery: Delivery) -> None:
    log = Log(form)
    log.log.record(NOW, Exchange("::1", request(), Response(Head.build(200), delivery=delivery)), 1)
    assert delivery.value in log.lines()[0]


def test_probes_are_not_logged() -> None:
    log = Log()
    log.log.record(NOW, Exchange("::1", request("/"), probed("id")), 1)
    assert log.loop.due == []
    assert log.lines() == []


@pytest.mark.parametrize("form", ["text", "json"])
@given(
    target=st.text(max_size=3000),
    secret=st.text("ABCDEFGH", min_size=20, max_size=60),
    status=st.sampled_from([200, 401]),
)
def test_one_request_is_one_line_without_its_secrets(form: str, target: str, secret: str, status: int) -> None:
    assume(secret not in target)
    log = Log(form)
    headers = {"x-aws-ec2-metadata-token": secret, "authorization": secret}
    log.log.record(NOW, Exchange("::1", request(target, **headers), Response(Head.build(status), secret.encode())), 1)
    [line] = log.lines()
    assert line.isprintable()
    assert secret not in line
    assert len(line) < 8000
    if form == "text":
        assert len(line.split(" ")) == 7
    else:
        assert json.loads(line)["status"] == status


def test_lines_are_gathered_and_written_soon() -> None:
    log = Log()
    for _ in range(3):
        log.log.record(NOW, Exchange("::1", request(), refusal(403)), 1)
    [(seconds, flush)] = log.loop.due
    assert seconds == GATHER_SECONDS <= 0.05
    flush()
    log.log.record(NOW, Exchange("::1", request(), refusal(403)), 1)
    assert len(log.loop.due) == 2
    assert len(log.lines()) == 4


def test_a_pipe_that_nothing_reads_ends_the_start_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    settings = ServerSettings(access_log_file=str(tmp_path / "log"))
    with contextlib.ExitStack() as resources, pytest.raises(LogFileError, match="no program reads this pipe; choose"):
        open_access_log(settings, None, resources)
