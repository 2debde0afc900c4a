"""Measure speed, latency and memory, relative to references in the same run; print a row for each figure.

A row beyond its limit makes the exit code 1. A complete run writes bench/results.json, and from it the tables of
docs/performance.md and its pictures.

    bench/run.py                measure everything, in about a quarter of an hour
    bench/run.py --quick        one short round of everything but containers, in about a minute
    bench/run.py paths page     measure groups of rows
    bench/run.py --redraw       write the page and the pictures again, from the results of the last complete run
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

# ruff: noqa: E402 - found by the path set above
import against_nginx
import containers
import control
import identity
import page
import paths
import references
import results
import soak
import start
import tables
from chart import picture
from diagrams import PALETTES
from effort import FULL, LEFT_OUT, QUICK
from outcomes import MET, MISSED, NOT_MEASURED, NotMeasuredError, verdict
from rows import GROUPS, ROWS
from standard_output import ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from effort import Effort
    from outcomes import Outcome, Outcomes

MEASUREMENTS: Final[Mapping[str, Callable[[Effort, Path], Outcomes]]] = {
    "paths": paths.measure,
    "nginx": against_nginx.measure,
    "control": control.measure,
    "page": page.measure,
    "identity": identity.measure,
    "start": start.measure,
    "soak": soak.measure,
    "shim": containers.measure,
}
"""The measurement of each group. It yields the outcome of each row that it measures."""

LOADED: Final = frozenset({"paths", "nginx", "control", "page"})
"""The groups that need wrk."""

_IDLE: Final = 1.0
PAGE: Final = "docs/performance.md"
PICTURES: Final = "docs/pictures/performance-{scheme}.svg"


def main(argv: Sequence[str]) -> int:
    """Measure; returns 1 if a row is beyond its limit or a measurement failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"groups of rows: {', '.join(GROUPS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="one short round, without containers")
    parser.add_argument(
        "--rounds", type=int, help="number of rounds (default: 5, of rows with a p99 11, with --quick 1)"
    )
    parser.add_argument("--tolerance", type=float, default=1.0, help="factor that loosens all limits (default: 1)")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="compare rates and the mock's start by processor time, for a machine that other programs use",
    )
    parser.add_argument("--redraw", action="store_true", help="only write the page and the pictures")
    given = parser.parse_args(argv)
    if unknown := set(given.groups) - set(GROUPS):
        parser.error(f"unknown group {', '.join(sorted(unknown))}; groups are {', '.join(GROUPS)}")
    if given.redraw:
        publish(results.load(results.FILE))
        return 0
    groups = [group for group in GROUPS if not given.groups or group in given.groups]
    if not LOADED.isdisjoint(groups):
        try:
            references.install_wrk()
        except NotMeasuredError as error:
            say(str(error))
            return 1
    if (load := os.getloadavg()[0]) > _IDLE:
        say(f"other programs use this machine (load average {load:.1f}); expect wrong figures")
    effort = QUICK if given.quick else FULL
    effort = effort._replace(
        rounds=given.rounds or effort.rounds,
        tail_rounds=given.rounds or effort.tail_rounds,
        by_processor_time=given.processor_time,
    )
    outcomes, failed = measure(groups, effort, given.tolerance)
    if len(groups) == len(GROUPS) and not (given.quick or given.rounds or given.processor_time or failed):
        results.save(results.Results(results.machine(), outcomes), results.FILE)
        publish(results.load(results.FILE))  # the rounded figures, as --redraw does
    return summarize(outcomes, failed, given.tolerance)


def measure(groups: Sequence[str], effort: Effort, tolerance: float) -> tuple[dict[str, Outcome], list[str]]:
    """Measure groups and print their rows; returns the outcomes by key, and the groups that failed."""
    outcomes: dict[str, Outcome] = {}
    failed: list[str] = []
    print(tables.line())
    for group in groups:
        print(f"-- {GROUPS[group]}", flush=True)
        rows = {row.key: row for row in ROWS if row.group == group}
        reason = LEFT_OUT
        try:
            with (
                tempfile.TemporaryDirectory() as folder,
                contextlib.closing(MEASUREMENTS[group](effort, Path(folder))) as measured,
            ):
                for key, outcome in measured:
                    outcomes[key] = outcome
                    print(tables.line(tables.cells(rows[key], outcome, tolerance)), flush=True)
        except NotMeasuredError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - the other groups are measured nevertheless
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            failed.append(group)
        missing = [row for key, row in rows.items() if key not in outcomes]
        for row in missing:
            outcomes[row.key] = reason
        if reason != LEFT_OUT:
            print(*(tables.line(tables.cells(row, reason)) for row in missing), sep="\n", flush=True)
        elif missing:
            print(f"({len(missing)} rows {reason})", flush=True)
    return outcomes, failed


def say(sentence: str) -> None:
    """Print a message to standard error."""
    print(f"bench: {sentence}", file=sys.stderr, flush=True)


def publish(found: results.Results) -> None:
    """Write the page and the pictures."""
    document = ROOT / PAGE
    document.write_text(tables.page(document.read_text(), found))
    for scheme in PALETTES:
        (ROOT / PICTURES.format(scheme=scheme)).write_text(picture(found.outcomes, scheme))


def summarize(outcomes: Mapping[str, Outcome], failed: Sequence[str], tolerance: float) -> int:
    """Print how many rows are within their limits, and those that are not; returns the exit code."""
    verdicts = {row: verdict(row, outcomes[row.key], tolerance) for row in ROWS if row.key in outcomes}
    count = {word: list(verdicts.values()).count(word) for word in (MET, MISSED, NOT_MEASURED)}
    print(f"\n{', '.join(f'{number} {word}' for word, number in count.items())}")
    for row, word in verdicts.items():
        if word == MISSED:
            print(tables.line(tables.cells(row, outcomes[row.key], tolerance)))
    for group in failed:
        print(f"the measurement {group} failed")
    return int(count[MISSED] > 0 or bool(failed))


if __name__ == "__main__":
    sys.exit(ended("bench", lambda: main(sys.argv[1:])))
