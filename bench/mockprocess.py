"""Runs the mock as a program on loopback, for measurements."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cores
from wrk import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

IMDS_MOCK: Final = Path(sys.executable).with_name("imds-mock")
LEAF: Final = "/latest/meta-data/instance-id"
TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105 - a path
TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"


class MockProcess:
    """A running `imds-mock serve`, on the servers' processor.

    Attributes:
        server: How to reach it.
        seconds_to_first_answer: From the start of the program to its first 200.
    """

    def __init__(self, log_file: Path, port: int, *options: str) -> None:
        began = time.perf_counter()
        with cores.on(cores.SERVER):
            self._process = subprocess.Popen(
                [
                    *(IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", str(port)),
                    *("--set", f"server.access_log_file={log_file}", *options),
                ],
                stderr=subprocess.PIPE,
                text=True,
            )
        self.server = Server(port, self._process.pid, log_file)
        # Waiting for its log line uses no processor time; polling would.
        line = self._process.stderr.readline() if self._process.stderr else ""
        answer = exchange(port, request(LEAF)) if "answers on" in line else b""
        self.seconds_to_first_answer = time.perf_counter() - began
        # If tokens are required, the answer is 401.
        if not answer.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 401 ")):
            raise RuntimeError(f"imds-mock does not answer: {line}{self.close()}")

    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        return rss_mib(self._process.pid)

    def token(self) -> str:
        """A session token that is valid for six hours."""
        answer = exchange(self.server.port, request(TOKEN_PATH, f"{TTL_HEADER}: 21600", method="PUT"))
        return answer.rpartition(b"\r\n\r\n")[2].decode()

    def close(self) -> str:
        """End it and return what it wrote to standard error."""
        self._process.terminate()
        _, errors = self._process.communicate(timeout=20)
        return errors


@contextlib.contextmanager
def running(log_file: Path, *options: str) -> Iterator[MockProcess]:
    """Run the mock until the block ends."""
    process = MockProcess(log_file, free_port(), *options)
    try:
        yield process
    finally:
        process.close()


def request(path: str, *headers: str, method: str = "GET") -> str:
    """The text of a request."""
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""))


def exchange(port: int, text: str) -> bytes:
    """Send a request to 127.0.0.1 on a new connection and read the whole response."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(text.encode())
        while part := client.recv(65536):
            answer += part
    return answer


def rss_mib(process_id: int) -> float:
    """Resident memory of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def free_port() -> int:
    """A free TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
