"""Runs the mock as a program on loopback, for measurements."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

IMDS_MOCK = Path(sys.executable).with_name("imds-mock")
LEAF = "/latest/meta-data/instance-id"
TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"


class MockProcess:
    """A running `imds-mock serve`.

    Attributes:
        port: Port on 127.0.0.1.
        seconds_to_first_answer: From the start of the program to its first 200.
    """

    def __init__(self, log_file: Path, port: int, *options: str) -> None:
        self.port = port
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *(IMDS_MOCK, "serve", "--host", "127.0.0.1", "--port", str(port)),
                *("--set", f"server.access_log_file={log_file}", *options),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        # Waiting for its log line uses no processor time; polling would.
        line = self._process.stderr.readline() if self._process.stderr else ""
        if b" 200 " not in self.exchange(f"GET {LEAF} HTTP/1.1\r\n\r\n")[:16]:
            raise RuntimeError(f"imds-mock does not answer: {line}{self.close()}")
        self.seconds_to_first_answer = time.perf_counter() - began

    def rss_mib(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        return cpu_seconds(self._process.pid)

    def exchange(self, request: str) -> bytes:
        """Send a request on a new connection and read the whole response."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), 5) as client:
            client.sendall(request.encode())
            while part := client.recv(65536):
                answer += part
        return answer

    def token(self) -> str:
        """A session token that is valid for six hours."""
        answer = self.exchange(f"PUT {TOKEN_PATH} HTTP/1.1\r\n{TTL_HEADER}: 21600\r\n\r\n")
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


def cpu_seconds(process_id: int) -> float:
    """Processor time of a process so far (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A free TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
