"""Standard error that is closed, full, stalled or left by its reader: it neither ends nor delays the mock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.mockserver import Answer, head, read_all
from support.paths import IMDS_MOCK
from support.ports import reserved_port

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAF = "/latest/meta-data/instance-id"
MALFORMED = b"NO HTTP\x00\r\n\r\n"
REFUSED, ASKED = 300, 4000


class Unheard:
    """A mock whose standard error is wherever a test wants it."""

    def __init__(self, ports: tuple[int, int], folder: Path, redirect: str, stderr: int | None = None) -> None:
        self.port, self.control_port = ports
        self.file = folder / "mock.yaml"
        self.file.write_text("instance: {role: first}\n")
        command = (
            f'exec "{IMDS_MOCK}" serve --host 127.0.0.1 --port {self.port} --control-port {self.control_port}'
            f' --config "{self.file}" --set server.stop_grace_seconds=1 {redirect}'
        )
        environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(folder)}
        self.process = subprocess.Popen(["/bin/sh", "-c", command], env=environment, stderr=stderr)

    def await_answer(self, port: int) -> None:
        """Wait until a port is listened on; the process must live meanwhile."""
        for _ in range(1200):
            assert self.process.poll() is None
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 60):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        raise AssertionError(port)

    def get(self, path: str) -> Answer:
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(head("GET", path).encode())
            return Answer.parse(read_all(client))

    def control(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.control_port), 60) as client:
            client.sendall(request)
            return read_all(client)

    def await_role(self, role: str) -> None:
        """Wait until a reload is in force."""
        for _ in range(1200):
            assert self.process.poll() is None
            if self.get("/latest/meta-data/iam/security-credentials/").body.decode() == role:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        raise AssertionError(role)


@contextlib.contextmanager
def unheard(folder: Path, redirect: str, stderr: int | None = None) -> Iterator[Unheard]:
    with reserved_port() as port, reserved_port() as control_port:
        mock = Unheard((port, control_port), folder, redirect, stderr)
        try:
            mock.await_answer(port)
            mock.await_answer(control_port)
            yield mock
        finally:
            mock.process.kill()
            mock.process.wait()


def use(mock: Unheard) -> None:
    """Do everything that is logged, and end it."""
    assert mock.get(LEAF).status == 200
    assert mock.control(MALFORMED).startswith(b"HTTP/1.1 400")
    for role in ("second", "third"):
        mock.file.write_text(f"instance: {{role: {role}}}\n")
        mock.process.send_signal(signal.SIGHUP)
        mock.await_role(role)
    mock.file.write_text("nonsense: true\n")
    mock.process.send_signal(signal.SIGHUP)
    assert mock.get(LEAF).status == 200
    mock.process.send_signal(signal.SIGTERM)
    assert mock.process.wait(60) == 0


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_a_mock_without_standard_error_serves_until_it_is_told_to_end(tmp_path: Path, redirect: str) -> None:
    with unheard(tmp_path, redirect) as mock:
        use(mock)


def test_a_closed_descriptor_is_not_given_to_a_client(tmp_path: Path) -> None:
    with unheard(tmp_path, "2>&-") as mock:
        assert Path(f"/proc/{mock.process.pid}/fd/2").readlink() == Path("/dev/null")


def test_a_reader_that_goes_away_does_not_end_the_mock(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with unheard(tmp_path, "", write_end) as mock:
        os.close(write_end)
        os.close(read_end)
        use(mock)


@pytest.mark.parametrize("kind", ["pipe", "non-blocking pipe", "socket", "terminal"])
def test_a_reader_that_stalls_delays_nothing_and_learns_how_many_lines_it_lost(tmp_path: Path, kind: str) -> None:
    read_end, write_end = _channel(kind)
    os.set_blocking(write_end, kind != "non-blocking pipe")
    with unheard(tmp_path, "", write_end) as mock:
        for _ in range(REFUSED):
            assert mock.control(MALFORMED).startswith(b"HTTP/1.1 400")
            mock.process.send_signal(signal.SIGHUP)
        with socket.create_connection(("127.0.0.1", mock.port), 60) as client:
            asked = head("GET", f"/{'x' * 1000}", Connection="keep-alive").encode()
            answers = threading.Thread(target=read_all, args=(client,))
            answers.start()
            for _ in range(ASKED):
                client.sendall(asked)
            client.shutdown(socket.SHUT_WR)
            answers.join(60)
            assert not answers.is_alive()
        assert mock.get(LEAF).status == 200
        assert mock.control(MALFORMED).startswith(b"HTTP/1.1 400")
        log = _read_until(read_end, r"imds-mock: [0-9]+ log lines were lost")
        assert "Invalid HTTP request" not in log
        assert log.count("\n") < 2 * ASKED
        mock.process.send_signal(signal.SIGTERM)
        assert mock.process.wait(60) == 0
        os.close(write_end)
    os.close(read_end)


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
def test_a_reader_that_stalls_does_not_keep_the_mock_from_ending(tmp_path: Path, kind: str) -> None:
    read_end, write_end = _channel(kind)
    with unheard(tmp_path, "", write_end) as mock:
        for _ in range(100):
            mock.get(f"/{'x' * 1000}")
        mock.process.send_signal(signal.SIGTERM)
        assert mock.process.wait(60) == 0
    os.close(write_end)
    os.close(read_end)


def _channel(kind: str) -> tuple[int, int]:
    if kind == "socket":
        ours, theirs = socket.socketpair()
        return ours.detach(), theirs.detach()
    if kind == "terminal":
        return os.openpty()
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    return read_end, write_end


def _read_until(descriptor: int, pattern: str) -> str:
    received = ""
    while not re.search(pattern, received):
        ready, _, _ = select.select([descriptor], [], [], 60)
        part = os.read(descriptor, 65536).decode() if ready else ""
        assert part, received[-2000:]
        received += part
    return received
