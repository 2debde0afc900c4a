"""Requests a second and latency against nginx in the same run; time to the first answer; memory at rest.

The yardstick is nginx with one worker that returns the same body with its access log on, as ours is. Both are asked by
wrk over connections that ask to stay open (the real service closes them otherwise, and so do both programs' clients).
Rounds alternate between the two, and the median of their ratios counts. Usage: server.py [--seconds S] [--rounds N].
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
    from collections.abc import Iterator, Sequence

CONNECTIONS = (16, 64)
MAX_P99_RATIO = 3.0
MAX_START_SECONDS = 0.25
MAX_RSS_MIB = 40.0
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


class Load(NamedTuple):
    """What is asked.

    Attributes:
        name: What it is called in the table.
        floor: The least ratio of requests a second that counts as reached.
        wrk: Arguments of wrk.
        path: Request path.
    """

    name: str
    floor: float
    wrk: tuple[str, ...]
    path: str


class Figures(NamedTuple):
    """What wrk measured: requests a second, and the 99th percentile of the latency in milliseconds."""

    rate: float
    p99: float


def main() -> int:
    """Measure and print; the exit code is 1 when a figure is missed."""
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
        reached = [measure_start(folder), measure_load(folder, arguments.seconds, arguments.rounds)]
    return 0 if all(reached) else 1


def measure_start(folder: Path) -> bool:
    """Print time to the first answer and memory at rest, medians of nine starts."""
    starts, sizes = [], []
    for _ in range(STARTS):
        with mockprocess.running(folder / "start.log") as mock:
            starts.append(mock.seconds_to_first_answer)
            time.sleep(1)  # what is left to do after the first answer counts as well
            sizes.append(mock.rss_mib())
    start, size = statistics.median(starts), statistics.median(sizes)
    print(f"start to first 200: {start * 1000:.0f} ms (at most {MAX_START_SECONDS * 1000:.0f})")
    print(f"resident memory at rest: {size:.1f} MiB (at most {MAX_RSS_MIB:.0f})")
    return start <= MAX_START_SECONDS and size <= MAX_RSS_MIB


def measure_load(folder: Path, seconds: int, rounds: int) -> bool:
    """Print a line for each kind of request and number of connections."""
    print(f"{'request':<22}{'conns':>6}{'nginx/s':>10}{'mock/s':>10}{'ratio':>7}{'least':>7}{'p99 x':>7}{'most':>6}")
    reached = True
    with mockprocess.running(folder / "mock.log") as mock, nginx(folder, mock.token()) as nginx_port:
        for load in loads(folder, mock):
            for connections in CONNECTIONS:
                pairs = [
                    (wrk(load, connections, seconds, nginx_port), wrk(load, connections, seconds, mock.port))
                    for _ in range(rounds)
                ]
                ratio = statistics.median(ours.rate / theirs.rate for theirs, ours in pairs)
                p99 = statistics.median(ours.p99 / theirs.p99 for theirs, ours in pairs)
                theirs, ours = (statistics.median(pair[side].rate for pair in pairs) for side in (0, 1))
                print(
                    f"{load.name:<22}{connections:>6}{theirs:>10.0f}{ours:>10.0f}{ratio:>7.2f}{load.floor:>7.1f}"
                    f"{p99:>7.2f}{MAX_P99_RATIO:>6.0f}",
                    flush=True,
                )
                reached = reached and ratio >= load.floor and p99 <= MAX_P99_RATIO
    return reached


def loads(folder: Path, mock: MockProcess) -> Sequence[Load]:
    """The kinds of requests."""
    put = folder / "put.lua"
    put.write_text(f'wrk.method = "PUT"\nwrk.headers["{TTL_HEADER}"] = "21600"\n')
    return (
        Load("v1 leaf", 0.5, (), LEAF),
        Load("leaf with a token", 0.4, ("-H", f"X-aws-ec2-metadata-token: {mock.token()}"), LEAF),
        Load("token PUT", 0.3, ("-s", str(put)), TOKEN_PATH),
    )


def wrk(load: Load, connections: int, seconds: int, port: int) -> Figures:
    """Run wrk once, with one thread."""
    result = subprocess.run(
        [
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-H", "Connection: keep-alive"),
            *(*load.wrk, f"http://127.0.0.1:{port}{load.path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", result)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", result)
    if rate is None or p99 is None or "Non-2xx" in result or "Socket errors" in result:
        raise RuntimeError(f"wrk failed:\n{result}")
    return Figures(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


@contextlib.contextmanager
def nginx(folder: Path, token: str) -> Iterator[int]:
    """Run nginx until the block ends; gives its port."""
    port = mockprocess.free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONFIGURATION.format(folder=folder, port=port, token=token))
    process = subprocess.Popen(["nginx", "-e", folder / "error.log", "-c", configuration])
    try:
        while subprocess.run(["curl", "-so", "/dev/null", f"http://127.0.0.1:{port}/"], check=False).returncode:
            if process.poll() is not None:
                raise RuntimeError((folder / "error.log").read_text())
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    sys.exit(main())
