"""Statistics of the latest requests: rate, durations, IMDSv1, tokens; and the memory of the mock."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta

from imds_mock.control.operations import Operation
from imds_mock.control.process_memory import memory_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.state.entries import Entry

WINDOW_SECONDS: Final = 10.0
MAX_ENTRIES: Final = 2000
"""More would delay metadata requests."""

_V1, _V2 = 1, 2


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the latest requests, at most those of the last 10 s, and of the mock."""

    requests: Annotated[int, Meta(description="Number of requests from which the durations and shares are computed.")]
    requests_per_second: Annotated[float, Meta(description="Requests per second.")]
    p50_microseconds: Annotated[int | None, Meta(description="Median duration; null without requests.")]
    p99_microseconds: Annotated[
        int | None, Meta(description="99th percentile of the durations; null without requests.")
    ]
    imdsv1_share: Annotated[
        float | None,
        Meta(description="Share of IMDSv1 among the metadata requests, from 0 to 1; null without requests."),
    ]
    tokens: Annotated[
        dict[str, int], Meta(description="Session tokens since the start by outcome: `issued`, `valid`, `rejected`.")
    ]
    memory_bytes: Annotated[int | None, Meta(description="Memory of the mock's process; null if it is unknown.")]
    uptime_seconds: Annotated[float, Meta(description="Real time since the control plane started.")]


class StatisticsRoutes:
    """The operation on statistics."""

    group: Final = "service"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._started = context.clock.real()

    def operations(self) -> list[Operation]:
        """List the operations."""
        return [Operation("GET", "/v1/statistics", "Show statistics of the requests", self.show, Statistics)]

    async def show(self, _call: Call) -> Statistics:
        """Show the statistics."""
        now = self._context.clock.real()
        latest, seconds = self._latest(now)
        durations = sorted(each.microseconds for each in latest)
        versions = [each.version for each in latest if each.version in {_V1, _V2}]
        return Statistics(
            requests=len(latest),
            requests_per_second=round(len(latest) / seconds, 3),
            p50_microseconds=_percentile(durations, 50),
            p99_microseconds=_percentile(durations, 99),
            imdsv1_share=round(versions.count(_V1) / len(versions), 4) if versions else None,
            tokens=dict(self._context.request_metrics.tokens),
            memory_bytes=memory_bytes(),
            uptime_seconds=round(now - self._started, 3),
        )

    def _latest(self, now: float) -> tuple[Sequence[Entry], float]:
        """The latest requests, and the seconds in which they arrived."""
        found: list[Entry] = []
        for entry in self._context.journal.latest():
            if now - entry.real_time > WINDOW_SECONDS:
                break
            found.append(entry)
            if len(found) == MAX_ENTRIES:
                return found, max(now - entry.real_time, 0.001)
        return found, WINDOW_SECONDS


def _percentile(ordered: Sequence[int], percent: int) -> int | None:
    """The nearest-rank percentile of ordered numbers; None without numbers."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if ordered else None
