"""Spot interruption notice.

Source: EC2 User Guide, "Spot Instance interruption notices": present two minutes ahead of a stop or termination;
hibernation begins at once. `termination-time` exists for terminations only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from imds_mock.events.kind import Course, Event, Notice
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.schedule import Duration, Instant, read_duration, read_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer

INSTANCE_ACTION: Final = "meta-data/spot/instance-action"
TERMINATION_TIME: Final = "meta-data/spot/termination-time"

_NOTICE_SECONDS: Final = {"terminate": 120.0, "stop": 120.0, "hibernate": 0.0}


class SpotInterruption(Event, frozen=True, kw_only=True, tag_field="kind", tag="spot"):
    """The instance is marked to be stopped, hibernated or terminated.

    Attributes:
        action: What EC2 is going to do.
        notice: How long before the action the notice appears; 2 minutes (hibernate: none) unless said otherwise.
        time: When the action happens, in place of `notice`.
    """

    action: Literal["terminate", "stop", "hibernate"] = "terminate"
    notice: Duration | None = None
    time: Instant | None = None

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """`spot/instance-action`, and `spot/termination-time` for a termination."""
        action_time = iso8601(self._action_time(course))
        document = f'{{"action": "{self.action}", "time": "{action_time}"}}'
        yield INSTANCE_ACTION, Notice(course.window, "2016-11-15", document.encode())
        if self.action == "terminate":
            yield TERMINATION_TIME, Notice(course.window, "2014-11-05", action_time.encode())

    def _action_time(self, course: Course) -> float:
        if self.time is not None:
            return read_instant("time", self.time)
        notice = _NOTICE_SECONDS[self.action] if self.notice is None else read_duration("notice", self.notice)
        return course.planned.start + notice
