"""The drop-in as a running program, started with amazon-ec2-metadata-mock's command line."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

from support.mockserver import Answer, head, read_all
from support.paths import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PATIENCE_SECONDS = 60


class Program:
    """A running program whose standard error is read continuously."""

    def __init__(self, argv: Sequence[str], environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [PROGRAMS / argv[0], *argv[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], **environ},
        )
        self.said: list[str] = []
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def await_line(self, part: str) -> str:
        """Wait for a line of standard error that contains a text; skip the lines before it."""
        while True:
            line = self._lines.get(timeout=_PATIENCE_SECONDS)
            assert line is not None, f"it ended without the line {part!r}: {self.said}"
            if part in line:
                return line

    def ports(self) -> dict[str, int]:
        """The ports that it listens on, by address."""
        line = self.await_line(" answers on ")
        return {host: int(port) for host, port in re.findall(r"(\S+):(\d+)(?=[, ]|$)", line.split(" answers on ")[1])}

    def end(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_SECONDS)

    def close(self) -> None:
        """Kill it if it is still running."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            self._lines.put(self.said[-1])
        self._lines.put(None)


@contextlib.contextmanager
def running(*argv: str, **environ: str) -> Iterator[Program]:
    """Run a program until the block ends."""
    program = Program(argv, environ)
    try:
        yield program
    finally:
        program.close()


def ended(*argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [PROGRAMS / argv[0], *argv[1:]],
        capture_output=True,
        text=True,
        timeout=_PATIENCE_SECONDS,
        check=False,
        env={"PATH": os.environ["PATH"], **environ},
    )


def ask(
    port: int, path: str, method: str = "GET", *, host: str = "127.0.0.1", source: str = "", **headers: str
) -> Answer:
    """Send a request to a program on loopback."""
    return exchange(port, head(method, path, **headers).encode("latin-1"), host=host, source=source)


def exchange(port: int, request: bytes, *, host: str = "127.0.0.1", source: str = "") -> Answer:
    """Send bytes and read until the server closes the connection."""
    with socket.create_connection((host, port), _PATIENCE_SECONDS, (source, 0) if source else None) as client:
        client.sendall(request)
        return Answer.parse(read_all(client))
