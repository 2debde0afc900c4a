"""Latency and memory with 500 callers that are instances of their own, relative to one caller.

Mock, name server and callers run in network namespaces, so callers have addresses and names as on a container engine.
Both cases open the same number of connections; with one caller, all come from one address. Rounds alternate, and the
median of their ratios counts. The first request of each caller, which waits for its name and its instance, is measured
separately.

Usage: identity.py [--callers N] [--requests N] [--rounds N] [--limit RATIO]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from identity_asking import Figures
from netlab import Lab

if TYPE_CHECKING:
    from netlab import Namespace

HERE = Path(__file__).resolve().parent
IMDS_MOCK = Path(sys.executable).with_name("imds-mock")
MOCK = "10.77.0.1"
PORT = 1338
MAX_P99_RATIO = 1.5
MAX_MIB_FOR_ALL = 40.0


class Arguments(NamedTuple):
    """The parameters of the measurement."""

    callers: int
    requests: int
    rounds: int
    limit: float


def main() -> int:
    """Measure and print; the exit code is 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--callers", type=int, default=500)
    parser.add_argument("--requests", type=int, default=20_000, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=MAX_P99_RATIO, help="most of one caller's p99")
    given = Arguments(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        mock, apps = lab.namespace("mock"), lab.namespace("apps")
        _, link = lab.link(mock, apps, [f"{MOCK}/16"], ["10.77.0.2/16"])
        batch = "".join(f"address add {address}/16 dev {link}\n" for address in addresses(given.callers))
        apps.run(["ip", "-batch", "-"], input=batch)
        names = mock.popen([sys.executable, HERE / "identity_names.py"], stdout=subprocess.PIPE)
        try:
            server = names.stdout.readline().strip() if names.stdout else ""
            return 0 if measure(mock, apps, given, f"{folder}/mock.log", server) else 1
        finally:
            names.terminate()
            names.wait(10)


def addresses(count: int) -> list[str]:
    """The addresses of this many callers."""
    return [f"10.77.{1 + place // 250}.{1 + place % 250}" for place in range(count)]


def measure(mock: Namespace, apps: Namespace, given: Arguments, log: str, name_server: str) -> bool:
    """Print the figures; returns whether all are within their limits."""
    reached = True
    for identity in ("shared", "per-container"):
        process = mock.popen(
            [
                str(IMDS_MOCK),
                *("serve", "--host", MOCK, "--port", str(PORT), "--control", "off"),
                *("--set", f"identity={identity}", "--set", f"callers.name_server={name_server}"),
                *("--set", f"server.access_log_file={log}"),
            ],
            stderr=subprocess.PIPE,
        )
        try:
            if process.stderr is None or "answers on" not in process.stderr.readline():
                raise RuntimeError("imds-mock does not answer")
            time.sleep(2)  # the work after the start
            before = rss_mib(process.pid)
            pairs = [(asked(apps, given, 1), asked(apps, given, given.callers)) for _ in range(given.rounds)]
            grown = rss_mib(process.pid) - before
        finally:
            process.terminate()
            process.wait(20)
        ratio = statistics.median(many.p99 / one.p99 for one, many in pairs)
        p99s = [statistics.median(figures.p99 for figures in side) for side in zip(*pairs, strict=True)]
        one, many = pairs[0]
        print(f"identity {identity}: {one.instances} instance for one caller, {many.instances} for {given.callers}")
        print(f"  p99 {p99s[0]:.2f} ms and {p99s[1]:.2f} ms: x {ratio:.2f} (at most {given.limit:.1f})")
        print(f"  of the first requests, {given.callers} at once: {one.first:.1f} ms and {many.first:.1f} ms")
        print(f"  resident memory +{grown:.1f} MiB (at most {MAX_MIB_FOR_ALL:.0f})", flush=True)
        wanted = given.callers if identity == "per-container" else 1
        reached = reached and ratio <= given.limit and grown <= MAX_MIB_FOR_ALL and many.instances == wanted
    return reached


def asked(apps: Namespace, given: Arguments, callers: int) -> Figures:
    """Send requests from this many callers."""
    sources = addresses(callers)
    words = [sys.executable, str(HERE / "identity_asking.py"), MOCK, *map(str, (PORT, given.callers, given.requests))]
    return Figures(**json.loads(apps.run([*words, *sources], timeout=300).stdout))


def rss_mib(process_id: int) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
