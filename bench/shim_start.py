"""Prints the steps of a start of the shim with their times, from strace, and the time of the whole start without it.

bench/shim_start.py [--pairs N]
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from engine import EngineError, engine  # noqa: E402 - found by the path set above

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

IMAGE: Final = "imds-bench"
SHIM: Final = "/opt/imds-shim/bin/imds-shim"
PASTED: Final = "/bench/pasted-entrypoint.sh"

# The steps of a start, in order, and the system calls that show them.
MARKS: Final = (
    ("interpreter begins", r"execve\(\".*/lib/loader"),
    ("snapshot opened", r"openat\(.*lib/snapshot"),
    ("snapshot read", r"openat\(.*lib/modules"),
    ("nat tables open", r"openat\(.*/etc/hosts"),
    ("name asked", r"(connect|sendto)\(.*sin_port=htons\(53\)"),
    ("mock asked", r"connect\(.*sin_port=htons\(80\)"),
    ("rule changed", r"socket\(AF_INET, SOCK_RAW|socket\(AF_NETLINK, SOCK_RAW.*NETLINK_NETFILTER"),
    ("asked through 169.254.169.254", r"connect\(.*inet_addr\(\"169\.254\.169\.254\"\)"),
    ("command begins", r"execve\(\"/usr/bin/true"),
)


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=25, help="starts of each kind (default: 25)")
    pairs = parser.parse_args(argv).pairs
    try:
        with engine() as environment:
            build(environment)
            samples = times(environment, pairs)
            steps = dissect(environment, pairs)
    except EngineError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"{'what':34} {'median ms':>9} {'min':>7} {'max':>7}")
    for name, title in (("shim", "imds-shim"), ("pasted", "bash, dig and iptables"), ("floor", "the command alone")):
        values = samples[name]
        print(f"{title:34} {statistics.median(values):9.1f} {min(values):7.1f} {max(values):7.1f}")
    print("\nsteps of the shim, median ms since exec of the launcher:")
    before = 0.0
    for title, moments in steps.items():
        reached = statistics.median(moments)
        print(f"  {reached:7.1f}  (+{reached - before:5.1f})  {title}")
        before = reached
    return 0


def build(environment: Mapping[str, str]) -> None:
    """Build the images of the project, and an application image with both entrypoints."""
    for tag, *options in (
        ("imds-mock", "."),
        ("imds-shim", "-f", "Dockerfile.shim", "--target", "shim", "."),
        ("imds-shim-debug", "-f", "Dockerfile.shim", "--target", "debug", "."),
        (IMAGE, "bench/shim_start"),
    ):
        docker(environment, "build", "--quiet", "--tag", tag, *options)


def times(environment: Mapping[str, str], pairs: int) -> dict[str, list[float]]:
    """Run both entrypoints in turn in one container; returns milliseconds from exec to exec by entrypoint."""
    with beside_mock(environment) as options:
        program = ("--entrypoint", "bash", IMAGE, "/bench/measure.sh", str(pairs))
        return read(docker(environment, "run", "--rm", *options, *program))


def read(output: str) -> dict[str, list[float]]:
    """Milliseconds by name, from lines of `NAME MICROSECONDS`."""
    samples: defaultdict[str, list[float]] = defaultdict(list)
    for line in output.splitlines():
        name, microseconds = line.split()
        samples[name].append(int(microseconds) / 1000)
    return samples


def dissect(environment: Mapping[str, str], runs: int) -> dict[str, list[float]]:
    """Run the shim under strace; returns milliseconds since exec by step."""
    steps: dict[str, list[float]] = {title: [] for title, _ in MARKS}
    with beside_mock(environment) as options:
        program = ("--cap-add", "SYS_PTRACE", "--entrypoint", "bash", IMAGE, "/bench/dissect.sh", str(runs))
        traced = docker(environment, "run", "--rm", *options, *program)
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


@contextlib.contextmanager
def beside_mock(environment: Mapping[str, str]) -> Iterator[Sequence[str]]:
    """Run a mock in a network of its own; yields the options of `docker run` for an application beside it."""
    network, mock = f"{IMAGE}-network", f"{IMAGE}-mock"
    docker(environment, "network", "create", network)
    try:
        attached = ("--network", network, "--network-alias", "mock_metadata")
        docker(environment, "run", "--detach", "--name", mock, *attached, "imds-mock")
        yield "--network", network, "--cap-add", "NET_ADMIN", "--env", "MOCK_HOSTNAME=mock_metadata"
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
