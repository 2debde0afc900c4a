"""Runs the programs of an attack and its well-behaved clients, and compares what the clients measure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netlab import Namespace

HERE = Path(__file__).resolve().parent
MAX_P99_RATIO = 2.0


def program(name: str, *arguments: str | int, space: Namespace | None = None) -> list[str]:
    """The command line of a program next to this file, optionally in a network namespace."""
    argv = [sys.executable, str(HERE / name), *map(str, arguments)]
    return argv if space is None else space.command(argv)


def attack_bytes(
    host: str,
    port: int,
    plane: str,
    inputs: int,
    seed: int,
    secrets: Sequence[str],
    *,
    space: Namespace | None = None,
) -> dict[str, Any]:
    """Run the byte-level attack; returns its findings as `attack_bytes.py` prints them."""
    options = ("--plane", plane, "--inputs", inputs, "--seed", seed)
    found: dict[str, Any] = json.loads(
        subprocess.run(
            program(
                *("attack_bytes.py", host, port, *options),
                *(word for secret in secrets for word in ("--secret", secret)),
                space=space,
            ),
            capture_output=True,
            text=True,
            timeout=1800,
            check=True,
        ).stdout
    )
    return found


class Health(NamedTuple):
    """The requests of a well-behaved client; durations are in milliseconds."""

    requests: int
    failures: int
    example: list[str]
    median: float
    p99: float
    slowest: float


class HealthyClient:
    """A process that sends requests to a mock's data plane at a steady rate."""

    def __init__(self, host: str, port: int, space: Namespace | None) -> None:
        self._process = subprocess.Popen(
            program("healthy_client.py", host, port, space=space),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def report(self, requests: int = 0) -> Health:
        """The requests since the last report, once there are at least this many."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{requests}\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the healthy client has ended"
        return Health(**json.loads(line))

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()


class Comparison(NamedTuple):
    """Two well-behaved clients at the same time: one of the attacked mock, one of a mock that is not attacked.

    Both share the machine with the attack and with everything else, so only the attacked mock makes a difference.
    """

    attacked: Health
    baseline: Health

    @property
    def p99_ratio(self) -> float:
        """The attacked mock's 99th percentile, divided by the other mock's."""
        return self.attacked.p99 / self.baseline.p99

    def assert_unharmed(self, slack_milliseconds: float) -> None:
        """Fail if a request failed, or if the 99th percentile has more than doubled and grown by more than the slack.

        Args:
            slack_milliseconds: Allowance for a busy machine.
        """
        assert self.attacked.requests > 100
        assert self.attacked.failures == 0, self.attacked.example
        assert self.attacked.p99 <= max(MAX_P99_RATIO * self.baseline.p99, self.baseline.p99 + slack_milliseconds), self

    def figures(self) -> dict[str, str]:
        """The measurements as cells of the table."""
        attacked, baseline = self.attacked, self.baseline
        return {
            "p99": f"{attacked.p99:.1f} ms, {self.p99_ratio:.1f} x baseline",
            "slowest": f"{attacked.slowest:.0f} ms (baseline {baseline.slowest:.0f})",
        }


class Observed:
    """The client of the attacked mock and the client of the other one; `observed` creates it."""

    def __init__(self, attacked: HealthyClient, baseline: HealthyClient) -> None:
        self._clients = (attacked, baseline)

    def report(self) -> Comparison:
        """The requests since the last report."""
        return Comparison(*(client.report() for client in self._clients))

    def over(self, requests: int) -> Comparison:
        """The next requests, at least this many of each client."""
        self.report()
        return Comparison(*(client.report(requests) for client in self._clients))
