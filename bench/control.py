"""Latency of the data plane while the control plane makes 100 changes per second, relative to none.

Rounds alternate; the median of their ratios counts. The changes are those of a busy test: arm and remove an event, set
a leaf, switch an option, all over one connection.

Usage: control.py [--seconds S] [--rounds N] [--changes PER_SECOND]
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import mockprocess
from server import Effort, Load, Server, wrk

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_P99_RATIO: Final = 2.0
CONNECTIONS: Final = (4, 16, 64)


class Changes(threading.Thread):
    """Makes changes at a steady rate until `end`.

    Attributes:
        made: Number of changes made.
    """

    def __init__(self, port: int, changes_per_second: int) -> None:
        super().__init__()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._pause = 1 / changes_per_second
        self._stopped = threading.Event()
        self.made = 0

    def run(self) -> None:
        """Make changes; late ones are not made up for."""
        changes = self._changes()
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            next(changes)
            self.made += 1
            due = max(due + self._pause, time.monotonic())
        self._connection.close()

    def end(self) -> None:
        """Stop the thread."""
        self._stopped.set()
        self.join()

    def _changes(self) -> Iterator[None]:
        for number in itertools.count():
            event = self._call("POST", "/v1/events", {"kind": "spot", "in": "1h", "target": f"10.9.8.{number % 4}"})
            yield
            self._call("PUT", "/v1/metadata/meta-data/bench", {"value": str(number)})
            yield
            self._call("PATCH", "/v1/metadata-options", {"http_put_response_hop_limit": number % 2 + 2})
            yield
            self._call("DELETE", f"/v1/events/{event['id']}", None)
            yield

    def _call(self, method: str, path: str, body: object) -> dict[str, str]:
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, {} if content is None else {"Content-Type": media})
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status >= 300:  # noqa: PLR2004 - not a success
            raise RuntimeError(f"{method} {path}: {answer.status} {received!r}")
        read: dict[str, str] = json.loads(received) if received else {}
        return read


def main() -> int:
    """Measure and print; the exit code is 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=2, help="length of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--changes", type=int, default=100, help="per second")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None:
        print("not measured: wrk missing; apt-get install wrk")
        return 1
    control_port = mockprocess.free_port()
    reached = True
    with tempfile.TemporaryDirectory() as name:
        options = ("--control", "on", "--control-port", str(control_port))
        with mockprocess.running(Path(name) / "mock.log", *options) as mock:
            server, load = Server(mock.port, mock.cpu_seconds), Load("v1 leaf", 0, (), mockprocess.LEAF)
            effort = Effort(arguments.seconds, arguments.rounds)
            print(f"{'conns':>6}{'p99 quiet ms':>14}{'p99 change ms':>15}{'ratio':>7}{'most':>6}{'changes/s':>11}")
            for connections in CONNECTIONS:
                quiet, busy, rates = [], [], []
                for _ in range(arguments.rounds):
                    quiet.append(wrk(load, connections, effort, server).p99)
                    changes_made = Changes(control_port, arguments.changes)
                    changes_made.start()
                    busy.append(wrk(load, connections, effort, server).p99)
                    changes_made.end()
                    rates.append(changes_made.made / arguments.seconds)
                ratio = statistics.median(late / soon for soon, late in zip(quiet, busy, strict=True))
                print(
                    f"{connections:>6}{statistics.median(quiet):>14.2f}{statistics.median(busy):>15.2f}"
                    f"{ratio:>7.2f}{MAX_P99_RATIO:>6.1f}{statistics.median(rates):>11.0f}",
                    flush=True,
                )
                reached = reached and ratio <= MAX_P99_RATIO
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
