"""Auto Scaling target lifecycle state: where the group is taking the instance.

Source: EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance metadata".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.config.facts import LifecycleState
from imds_mock.events.kind import Course, Event, Notice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer

TARGET_LIFECYCLE_STATE: Final = "meta-data/autoscaling/target-lifecycle-state"


class TargetLifecycleState(Event, frozen=True, kw_only=True, tag_field="kind", tag="lifecycle"):
    """The state changes; an instance outside of any group gets one.

    Attributes:
        state: The state that the group moves the instance to.
    """

    state: LifecycleState

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:
        """`autoscaling/target-lifecycle-state`."""
        yield TARGET_LIFECYCLE_STATE, Notice(course.window, "2021-07-15", self.state.encode())
