"""The wall clock jumps while the mock runs, beyond the validity of certificates and tokens."""

from __future__ import annotations

import http.client
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from support.attack_programs import HERE
from support.attacked_mock import CONTROL_TOKEN, AttackedMock, assert_log_is_clean, attacked_mock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.attack_report import Row

DAY = 86_400
JUMPS = {
    "an hour ahead": 3600,
    "an hour back": -3600,
    "a day ahead": DAY,
    "a year back": -365 * DAY,
    "after 2038": 20 * 365 * DAY,
    "after 2300": 300 * 365 * DAY,
    "before 1970": -60 * 365 * DAY,
    "the year 9000": 6974 * 365 * DAY,
    "now": 0,
}
PATHS = (
    "/latest/meta-data/instance-id",
    "/latest/meta-data/",
    "/latest/meta-data/iam/info",
    "/latest/meta-data/spot/instance-action",
    "/latest/dynamic/instance-identity/document",
    "/latest/dynamic/instance-identity/rsa2048",
    "/latest/meta-data/iam/security-credentials/my-role",
)


@pytest.fixture
def shift(tmp_path: Path) -> Path:
    file = tmp_path / "shift"
    file.write_text("0")
    return file


@pytest.fixture
def mock(tmp_path: Path, shift: Path) -> Iterator[AttackedMock]:
    launcher = (sys.executable, str(HERE / "shifted_clock.py"), str(shift))
    with attacked_mock(tmp_path, configuration={"control": {"token": CONTROL_TOKEN}}, launcher=launcher) as running:
        yield running


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        content = None if body is None else json.dumps(body)
        media = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, content, {**media, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_clock_jumps(mock: AttackedMock, shift: Path, row: Row) -> None:
    token_header, ttl = "X-aws-ec2-metadata-token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
    answers: dict[str, list[int]] = {}
    for name, seconds in JUMPS.items():
        shift.write_text(str(seconds))
        status, token = ask(mock.port, "PUT", "/latest/api/token", ttl)
        assert status == 200, name
        answers[name] = [ask(mock.port, "GET", path, {token_header: token})[0] for path in PATHS]
        row.inputs += len(PATHS) + 4
        event = {"kind": "spot", "action": "terminate", "in": "1s"}
        assert ask(mock.control_port, "POST", "/v1/events", body=event)[0] in {201, 422}, name
        for path in ("/v1/events", "/v1/status", "/v1/requests?limit=3"):
            assert ask(mock.control_port, "GET", path)[0] == 200, (name, path)
        assert ask(mock.control_port, "POST", "/v1/reset")[0] in {200, 204}, name
    row.figures["moments"] = ", ".join(JUMPS)
    expected = answers["now"]
    assert expected == [200, 200, 200, 404, 200, 200, 200]
    assert answers == dict.fromkeys(JUMPS, expected)
    assert mock.stop() == 0
    assert_log_is_clean(mock.log())
