"""How a script waits: for a mock (`serve --ready-file`, `health --wait`) and for a caller (`ctl assert`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from imds_mock.ctl.client import Client
from support.mockprogram import RunningProgram, running_program
from support.paths import IMDS_MOCK
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def imds_mock(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IMDS_MOCK, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )


def get(port: int, path: str) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/latest/{path}", timeout=60).close()


def test_the_ready_file_says_where_the_mock_answers_while_it_does(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text("left by an earlier run")
    with running_program(tmp_path, ["--ready-file", str(ready)]) as program:
        imds_mock("health", "--url", f"http://127.0.0.1:{program.port}", "--wait", "1m")
        control = int(program.await_line(r"control plane on .*127\.0\.0\.1:(\d+)")[1])
        while not ready.exists() or "left" in ready.read_text():
            program.ctl("status")
        assert json.loads(ready.read_text()) == {
            "pid": program.process.pid,
            "endpoint_url": f"http://127.0.0.1:{program.port}",
            "port": program.port,
            "control_url": f"http://127.0.0.1:{control}",
            "control_port": control,
        }
        assert ready.stat().st_mode & 0o777 == 0o644
        assert program.end() == 0
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_without_a_control_plane_the_ready_file_names_none(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with running_program(tmp_path, ["--control", "off", "--ready-file", str(ready)]) as program:
        while not ready.exists():
            get(program.port, "meta-data/instance-id")
        assert json.loads(ready.read_text())["control_url"] is None


@pytest.mark.parametrize("place", ["no-such-folder/ready.json", "folder", "link"])
def test_a_ready_file_that_cannot_be_written_ends_the_start(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/null")
    before = sorted(tmp_path.iterdir())
    done = imds_mock("serve", "--host", "127.0.0.1", "--port", "0", "--ready-file", tmp_path / place)
    assert (done.returncode, done.stdout) == (73, "")
    assert done.stderr.startswith(f"imds-mock: cannot write the ready file {tmp_path / place}: ")
    assert done.stderr.endswith("; choose another --ready-file\n")
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_the_ready_file_is_removed_if_the_start_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = imds_mock("serve", "--host", "127.0.0.1", "--port", port, "--ready-file", tmp_path / "ready.json")
    assert (done.returncode, list(tmp_path.iterdir())) == (69, [])


def test_health_waits_until_the_mock_answers(tmp_path: Path) -> None:
    with reserved_port() as port:
        command: list[str | Path] = [IMDS_MOCK, "health", "--url", f"http://127.0.0.1:{port}", "--wait", "1m"]
        health = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with running_program(tmp_path, ["--port", str(port)]):
            assert f"http://127.0.0.1:{port} is imds-mock" in health.communicate(timeout=60)[0]
        assert health.returncode == 0


def test_health_waits_no_longer_than_it_is_told_to() -> None:
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        done = imds_mock("health", "--url", url, "--wait", "100ms")
        assert done.returncode == 1
        assert done.stderr.endswith("Connection refused, after 0.1 s\n")
        assert imds_mock("health", "--url", url, "--wait", "soon").returncode == 64


def test_health_does_not_wait_for_an_invalid_url() -> None:
    assert imds_mock("health", "--url", "nowhere", "--wait", "1h").returncode == 1


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProgram]:
    with running_program(tmp_path_factory.mktemp("run"), ["--access-log", "off"]) as program:
        program.await_line("control plane on unix:")
        yield program


@pytest.fixture
def mock(running: RunningProgram) -> RunningProgram:
    assert running.ctl("reset").returncode == 0
    return running


def request_after_the_first_check(mock: RunningProgram, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Make `ctl` find a request only when it asks again."""
    counts = threading.Event()
    call = Client.call

    def call_then_request(client: Client, method: str, url: str, *arguments: object, **named: object) -> object:
        answer = call(client, method, url, *arguments, **named)  # type: ignore[arg-type]  # passed on as given
        if url == "/v1/requests/count" and not counts.is_set():
            counts.set()
        elif counts.is_set() and url == "/v1/requests/count":
            get(mock.port, path)
        return answer

    monkeypatch.setattr(Client, "call", call_then_request)


def test_an_assertion_waits_until_it_holds(mock: RunningProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mock.ctl("assert", "--asked", "*/ami-id", "--within", "10ms").returncode == 1
    request_after_the_first_check(mock, monkeypatch, "meta-data/ami-id")
    done = mock.ctl("assert", "--asked", "*/ami-id", "--at-least", "2", "--within", "30s")
    assert (done.returncode, done.stderr) == (0, "")
    assert "*/ami-id was requested" in done.stdout


def test_waiting_for_no_imdsv1_is_refused(mock: RunningProgram) -> None:
    done = mock.ctl("assert", "--no-imdsv1", "--within", "1s")
    sentence = "imds-mock: --within cannot be used with --no-imdsv1; leave out one or the other\n"
    assert (done.returncode, done.stderr) == (64, sentence)


@pytest.mark.parametrize(
    ("condition", "command", "path"),
    [
        ("spot-seen", "spot interrupt", "spot/instance-action"),
        ("rebalance-seen", "rebalance", "events/recommendations/rebalance"),
    ],
)
def test_wait_ends_when_a_caller_has_seen_the_notice(
    mock: RunningProgram, monkeypatch: pytest.MonkeyPatch, condition: str, command: str, path: str
) -> None:
    assert mock.ctl(*command.split()).returncode == 0
    done = mock.ctl("wait", condition, "--timeout", "10ms")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("imds-mock ctl wait: no request was recorded")
    request_after_the_first_check(mock, monkeypatch, f"meta-data/{path}")
    done = mock.ctl("wait", condition, "--by", "127.0.0.1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "was first seen by 127.0.0.1" in done.stdout


def test_wait_names_the_caller_that_does_not_exist(mock: RunningProgram) -> None:
    get(mock.port, "meta-data/ami-id")
    done = mock.ctl("wait", "spot-seen", "--by", "no-such-service", "--timeout", "10ms")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no-such-service" in done.stderr
