"""Requests per second and latency relative to nginx in the same run; time to the first response; memory at rest.

The reference is nginx with one worker that returns the same body and, like the mock, writes an access log. wrk sends
requests to both with `Connection: keep-alive`, because the mock otherwise closes connections, like the real service.
Rounds alternate between the two, and the median of their ratios counts. Processor time per request is printed, too: it
does not depend on the machine's load. The last lines show the effect of the control plane's journal.

Usage: server.py [--seconds S] [--rounds N]
"""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import mockprocess
from mockprocess import LEAF, TOKEN_PATH, TTL_HEADER, MockProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CONNECTIONS = (16, 64)
MAX_P99_RATIO = 3.0
MAX_START_SECONDS = 0.25
MAX_RSS_MIB = {"off": 40.0, "on": 60.0}
STARTS = 9

NGINX_CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/nginx.log; default_type text/plain; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{ return 200 'i-1234567890abcdef0'; }}
    location = /latest/api/token {{ return 200 '{token}'; }}
  }}
}}
"""


class Effort(NamedTuple):
    """Seconds per measurement, and number of measurements."""

    seconds: int
    rounds: int


class Load(NamedTuple):
    """A kind of request.

    Attributes:
        name: Its name in the table.
        floor: Minimum ratio of requests per second.
        wrk: Arguments of wrk.
        path: Request path.
    """

    name: str
    floor: float
    wrk: tuple[str, ...]
    path: str


class Server(NamedTuple):
    """A server: its port on 127.0.0.1, and a function that returns its processor time."""

    port: int
    cpu_seconds: Callable[[], float]


class Figures(NamedTuple):
    """The results of one run of wrk.

    Attributes:
        rate: Requests per second.
        p99: 99th percentile of the latency in milliseconds.
        cpu: Processor time of the server per request in microseconds.
    """

    rate: float
    p99: float
    cpu: float


def main() -> int:
    """Measure and print; the exit code is 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    missing = [name for name in ("nginx", "wrk") if shutil.which(name) is None]
    if missing:
        print(f"not measured: {' and '.join(missing)} missing; apt-get install {' '.join(missing)}")
        return 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reached = [measure_start(folder), measure_load(folder, Effort(arguments.seconds, arguments.rounds))]
    return 0 if all(reached) else 1


def measure_start(folder: Path) -> bool:
    """Print start time and memory at rest, as medians of nine starts with and nine without control plane."""
    starts: list[float] = []
    reached = True
    for control, most in MAX_RSS_MIB.items():
        sizes = []
        for _ in range(STARTS):
            with mockprocess.running(folder / "start.log", "--control", control) as mock:
                starts.append(mock.seconds_to_first_answer)
                time.sleep(2)  # the work after the first response counts as well
                sizes.append(mock.rss_mib())
        size = statistics.median(sizes)
        print(f"resident memory at rest, control plane {control}: {size:.1f} MiB (at most {most:.0f})", flush=True)
        reached = reached and size <= most
    start = statistics.median(starts)
    print(f"start to first 200: {start * 1000:.0f} ms (at most {MAX_START_SECONDS * 1000:.0f})", flush=True)
    return reached and start <= MAX_START_SECONDS


def measure_load(folder: Path, effort: Effort) -> bool:
    """Print a line per kind of request and number of connections."""
    print(
        f"{'request':<19}{'conns':>6}{'nginx/s':>9}{'mock/s':>8}{'ratio':>7}{'least':>6}{'p99 x':>7}{'most':>5}"
        f"{'nginx us':>10}{'mock us':>9}"
    )
    reached = []
    for control, chosen in (("off", slice(None)), ("on", slice(1))):
        print(f"-- control plane {control}")
        with (
            mockprocess.running(folder / "mock.log", "--control", control) as mock,
            nginx(folder, mock.token()) as reference,
        ):
            ours = Server(mock.port, mock.cpu_seconds)
            reached += [
                compare(load, connections, effort, reference, ours)
                for load in loads(folder, mock)[chosen]
                for connections in CONNECTIONS
            ]
    return all(reached)


def compare(load: Load, connections: int, effort: Effort, reference: Server, mock: Server) -> bool:
    """Print one line; returns whether the limits are met."""
    pairs = [
        (wrk(load, connections, effort, reference), wrk(load, connections, effort, mock)) for _ in range(effort.rounds)
    ]
    ratio = statistics.median(ours.rate / theirs.rate for theirs, ours in pairs)
    p99 = statistics.median(ours.p99 / theirs.p99 for theirs, ours in pairs)
    theirs, ours = (Figures(*map(statistics.median, zip(*side, strict=True))) for side in zip(*pairs, strict=True))
    print(
        f"{load.name:<19}{connections:>6}{theirs.rate:>9.0f}{ours.rate:>8.0f}{ratio:>7.2f}{load.floor:>6.1f}"
        f"{p99:>7.2f}{MAX_P99_RATIO:>5.0f}{theirs.cpu:>10.1f}{ours.cpu:>9.1f}",
        flush=True,
    )
    return ratio >= load.floor and p99 <= MAX_P99_RATIO


def loads(folder: Path, mock: MockProcess) -> Sequence[Load]:
    """The kinds of requests to measure."""
    put = folder / "put.lua"
    put.write_text(f'wrk.method = "PUT"\nwrk.headers["{TTL_HEADER}"] = "21600"\n')
    return (
        Load("v1 leaf", 0.5, (), LEAF),
        Load("leaf with a token", 0.4, ("-H", f"X-aws-ec2-metadata-token: {mock.token()}"), LEAF),
        Load("token PUT", 0.3, ("-s", str(put)), TOKEN_PATH),
    )


def wrk(load: Load, connections: int, effort: Effort, server: Server) -> Figures:
    """Run wrk once, with one thread."""
    before = server.cpu_seconds()
    result = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{effort.seconds}", "--latency", "-H", "Connection: keep-alive"),
            *(*load.wrk, f"http://127.0.0.1:{server.port}{load.path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", result)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", result)
    count = re.search(r"(\d+) requests in", result)
    if rate is None or count is None or p99 is None or "Non-2xx" in result or "Socket errors" in result:
        raise RuntimeError(f"wrk failed:\n{result}")
    spent = (server.cpu_seconds() - before) / int(count[1]) * 1_000_000
    return Figures(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]], spent)


@contextlib.contextmanager
def nginx(folder: Path, token: str) -> Iterator[Server]:
    """Run nginx until the block ends."""
    port = mockprocess.free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, port=port, token=token))
    process = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", configuration])
    try:
        while subprocess.run(["curl", "-so", "/dev/null", f"http://127.0.0.1:{port}/"], check=False).returncode:
            if process.poll() is not None:
                raise RuntimeError((folder / "error.log").read_text())
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server(port, lambda: mockprocess.cpu_seconds(int(children[0])))
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
