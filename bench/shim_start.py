"""Measures the time from exec of the entrypoint to exec of the command: the shim against a common bash entrypoint.

Runs both in turn, many times, in one container on the network of a running mock, and prints the ratio of the medians.
Then prints the shim's steps with their times. Exits with 1 if the ratio exceeds the limit.

    bench/shim_start.py [--pairs N]
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from engine import EngineError, engine  # noqa: E402 - found by the path set above

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT = 3.0
PREFIX = "imds-bench"


def main(argv: Sequence[str]) -> int:
    """Measure, print the results, and return 1 if the ratio exceeds the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=25, help="starts of each kind (default: 25)")
    pairs = parser.parse_args(argv).pairs
    try:
        with engine() as environment:
            samples = measure(environment, pairs)
            steps = dissect(environment, pairs)
    except EngineError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    medians = {name: statistics.median(values) for name, values in samples.items()}
    ratio = medians["shim"] / medians["pasted"]
    print(f"{'what':34} {'median ms':>9} {'min':>7} {'max':>7}")
    for name, title in (
        ("shim", "imds-shim"),
        ("pasted", "bash + dig + iptables"),
        ("floor", "the command alone"),
    ):
        values = samples[name]
        print(f"{title:34} {medians[name] / 1000:9.1f} {min(values) / 1000:7.1f} {max(values) / 1000:7.1f}")
    print(f"ratio shim / bash: {ratio:.2f} (aim 1.0, limit {LIMIT})\n")
    print("steps of the shim, median ms since exec of the launcher:")
    before = 0.0
    for title, moments in steps.items():
        reached = statistics.median(moments)
        print(f"  {reached:7.1f}  (+{reached - before:5.1f})  {title}")
        before = reached
    return int(ratio > LIMIT)


def measure(environment: Mapping[str, str], pairs: int) -> dict[str, list[int]]:
    """Build the images, run both entrypoints in turn in one container; returns microseconds by entrypoint."""
    docker(environment, "build", "--quiet", "--tag", "imds-mock", ".")
    docker(
        environment, "build", "--quiet", "--tag", "imds-shim-debug", "-f", "Dockerfile.shim", "--target", "debug", "."
    )
    docker(environment, "build", "--quiet", "--tag", PREFIX, "bench/shim_start")
    return read(with_mock(environment, "bash", "/bench/measure.sh", str(pairs)))


def read(output: str) -> dict[str, list[int]]:
    """Read lines of `NAME MICROSECONDS`."""
    samples: defaultdict[str, list[int]] = defaultdict(list)
    for line in output.splitlines():
        name, microseconds = line.split()
        samples[name].append(int(microseconds))
    return samples


def dissect(environment: Mapping[str, str], runs: int) -> dict[str, list[float]]:
    """Run the shim under strace; returns milliseconds since exec by step."""
    steps: dict[str, list[float]] = {title: [] for title, _ in MARKS}
    traced = with_mock(environment, "bash", "/bench/dissect.sh", str(runs), "--cap-add", "SYS_PTRACE")
    for run in traced.split("=== run ===\n")[1:]:
        started = None
        pending = list(MARKS)
        for line in run.splitlines():
            moment = re.match(r"(?:\d+ +)?(\d+\.\d+) (.*)", line)
            if moment is None:
                continue
            at = float(moment[1])
            started = at if started is None else started
            if pending and re.search(pending[0][1], moment[2]):
                steps[pending.pop(0)[0]].append((at - started) * 1000)
    return {title: values for title, values in steps.items() if values}


# The steps of a start, in order, and the system calls that show them.
MARKS = (
    ("interpreter begins", r"execve\(\".*/lib/loader"),
    ("our code begins", r"openat\(.*lib/modules"),
    ("name asked", r"(connect|sendto)\(.*sin_port=htons\(53\)"),
    ("mock asked", r"connect\(.*sin_port=htons\(80\)"),
    ("nat table opened", r"socket\(AF_INET, SOCK_RAW|socket\(AF_NETLINK, SOCK_RAW.*NETLINK_NETFILTER"),
    ("asked through 169.254.169.254", r"connect\(.*inet_addr\(\"169\.254\.169\.254\"\)"),
    ("command begins", r"execve\(\"/usr/bin/true"),
)


def with_mock(environment: Mapping[str, str], *words: str) -> str:
    """Run a program of the bench image with three words beside a mock; further words are options of `docker run`."""
    program = words[:3]
    network, mock = f"{PREFIX}-network", f"{PREFIX}-mock"
    docker(environment, "network", "create", network)
    try:
        attached = ("--network", network, "--network-alias", "mock_metadata")
        docker(environment, "run", "--detach", "--name", mock, *attached, "imds-mock")
        options = ("--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata", *words[3:])
        return docker(environment, "run", "--rm", *options, "--entrypoint", program[0], PREFIX, *program[1:])
    finally:
        for undo in (("rm", "--force", mock), ("network", "rm", network)):
            subprocess.run(["docker", *undo], env=dict(environment), check=False, capture_output=True)


def docker(environment: Mapping[str, str], *words: str) -> str:
    """Run `docker WORDS...` and return its output; errors go to the terminal."""
    done = subprocess.run(
        ["docker", *words], env=dict(environment), cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
