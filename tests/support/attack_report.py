"""What an attack reports: how well-behaved clients fared meanwhile, and one row of the table at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MAX_P99_RATIO = 2.0


class Health(NamedTuple):
    """What a well-behaved client met: durations in milliseconds."""

    requests: int
    failures: int
    example: list[str]
    median: float
    p99: float
    slowest: float


class Comparison(NamedTuple):
    """What two well-behaved clients met at the same time: one at the mock under attack, one at a mock left alone.

    They share the machine with the attack and with whatever else runs, so that their difference is the mock's.
    """

    attacked: Health
    spared: Health

    @property
    def p99_ratio(self) -> float:
        """Of the attacked mock's 99th percentile to the other one's."""
        return self.attacked.p99 / self.spared.p99

    def assert_unharmed(self, slack_milliseconds: float) -> None:
        """No request failed, and the 99th percentile is at most doubled, or longer by no more than the slack.

        Args:
            slack_milliseconds: What the attacked program's share of a busy machine may add.
        """
        assert self.attacked.requests > 100
        assert self.attacked.failures == 0, self.attacked.example
        assert self.attacked.p99 <= max(MAX_P99_RATIO * self.spared.p99, self.spared.p99 + slack_milliseconds), self

    def figures(self) -> dict[str, str]:
        """For the table."""
        attacked, spared = self.attacked, self.spared
        return {
            "p99": f"{attacked.p99:.1f} ms, {self.p99_ratio:.1f} x spared",
            "slowest": f"{attacked.slowest:.0f} ms (spared {spared.slowest:.0f})",
        }


@dataclass
class Row:
    """One line of the table.

    Attributes:
        attack: What was done.
        inputs: How often.
        figures: What was measured, with units.
        held: Whether every claim of its test held.
    """

    attack: str
    inputs: int = 0
    figures: dict[str, str] = field(default_factory=dict)
    held: bool = False


def rendered(rows: list[Row]) -> list[str]:
    """The table, a line each."""
    width = max((len(row.attack) for row in rows), default=0)
    return [
        f"{'held' if row.held else 'FAILED':<6} {row.attack:<{width}} {row.inputs:>9,}  "
        + ", ".join(f"{name} {value}" for name, value in row.figures.items())
        for row in rows
    ]
