"""Rebalance recommendation: the instance is at elevated risk of interruption.

Source: EC2 User Guide, "EC2 instance rebalance recommendations". It stays once it was emitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.events.kind import Course, Event, Notice
from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer

REBALANCE: Final = "meta-data/events/recommendations/rebalance"


class RebalanceRecommendation(Event, frozen=True, kw_only=True, tag_field="kind", tag="rebalance"):
    """The recommendation, with the time at which it was given."""

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """`events/recommendations/rebalance`."""
        document = f'{{"noticeTime": "{iso8601(course.planned.start)}"}}'
        yield REBALANCE, Notice(course.window, "2020-10-27", document.encode())
