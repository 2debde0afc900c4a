"""Runs wrk, the load generator, reads what it prints, and compares runs."""

from __future__ import annotations

import contextlib
import re
import statistics
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import cores
from outcomes import ratios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outcomes import Figures

_PUT: Final = Path(__file__).with_name("put_token.lua")
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_OK: Final = 200
_ATTEMPTS: Final = 3


class UnansweredError(RuntimeError):
    """No request was answered; the next run may find the processors less busy."""


class Load(NamedTuple):
    """A kind of request.

    Attributes:
        path: Request path.
        token: Session token to send; empty for none.
        is_put: Whether it requests a token.
        status: Status of all responses.
    """

    path: str
    token: str = ""
    is_put: bool = False
    status: int = _OK


class Server(NamedTuple):
    """A running server.

    Attributes:
        port: TCP port on 127.0.0.1.
        process_id: Of the process that answers.
        log: Its access log.
    """

    port: int
    process_id: int
    log: Path


class Sample(NamedTuple):
    """The results of one run.

    Attributes:
        rate: Requests per second.
        p99: 99th percentile of the latency in milliseconds.
        processor_rate: Requests per second of the server's processor time.
        busy: Share of the time in which the server used a processor.
    """

    rate: float
    p99: float
    processor_rate: float
    busy: float


def compare(measured: Sequence[Sample], reference: Sequence[Sample], figure: str) -> Figures:
    """The figures of a row from the samples of each round.

    Args:
        measured: Samples of the measured side.
        reference: Samples of the reference.
        figure: Which attribute of a sample counts.
    """
    sides = [[getattr(sample, figure) for sample in side] for side in (measured, reference)]
    busy = min(statistics.median(sample.busy for sample in side) for side in (measured, reference))
    return ratios(*sides)._replace(busy=busy)


def run(load: Load, connections: int, seconds: int, server: Server) -> Sample:
    """Load a server with one thread. wrk knows only whole seconds.

    The requests have `Connection: keep-alive`, because the mock otherwise closes connections, like the real service.

    Raises:
        RuntimeError: wrk failed, a response has another status, or no request was answered three times in a row.
    """
    for _ in range(_ATTEMPTS - 1):
        with contextlib.suppress(UnansweredError):
            return _run(load, connections, seconds, server)
    return _run(load, connections, seconds, server)


def _run(load: Load, connections: int, seconds: int, server: Server) -> Sample:
    options = ["-H", "Connection: keep-alive"]
    if load.token:
        options += ["-H", f"X-aws-ec2-metadata-token: {load.token}"]
    if load.is_put:
        options += ["-s", str(_PUT)]
    url = f"http://127.0.0.1:{server.port}{load.path}"
    before = processor_seconds(server.process_id)
    with cores.on(cores.LOAD):
        output = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", *options, url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    spent = processor_seconds(server.process_id) - before
    # A run writes 10 MB and more, which nothing reads.
    server.log.write_bytes(b"")
    return parse(output, load.status, spent)


def parse(output: str, status: int, spent: float) -> Sample:
    """Read what wrk prints.

    Args:
        output: Standard output of wrk.
        status: Status that all responses should have.
        spent: The server's processor time in seconds.

    Raises:
        UnansweredError: No request was answered.
        RuntimeError: A request failed, a response has another status, or figures are missing.
    """
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", output)
    total = re.search(r"(\d+) requests in ([\d.]+)s", output)
    if rate is None or p99 is None or total is None or "Socket errors" in output:
        raise RuntimeError(f"wrk failed:\n{output}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    expected = int(total[1]) if status >= 400 else 0  # noqa: PLR2004 - wrk counts these
    if (int(refused[1]) if refused else 0) != expected:
        raise RuntimeError(f"not all responses have the status {status}:\n{output}")
    count = int(total[1])
    if not count or spent <= 0:
        raise UnansweredError("no request was answered; other programs use all of the processors")
    return Sample(float(rate[1]), float(p99[1]) * _MILLISECONDS[p99[2]], count / spent, spent / float(total[2]))


def processor_seconds(process_id: int) -> float:
    """Processor time of a process with its threads so far, to the nanosecond; the id is clock_getcpuclockid(3)'s."""
    return time.clock_gettime(~process_id << 3 | 2)
