"""The kinds of events. A new kind is one class, here or in a module of its own, and one line in `AnyEvent`.

Sources: EC2 User Guide, "Spot Instance interruption notices" (present two minutes ahead of a stop or termination;
hibernation begins at once; `termination-time` exists for terminations only) and "EC2 instance rebalance
recommendations"; EC2 Auto Scaling User Guide, "Retrieve the target lifecycle state through instance metadata".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, get_args

from msgspec import Meta

from imds_mock.config.facts import LifecycleState
from imds_mock.events.credentials import CredentialsExpiry, CredentialsRotation
from imds_mock.events.event import Event, Notice, Period
from imds_mock.events.maintenance import ScheduledMaintenance
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.options import POSITIONAL
from imds_mock.scheduling.schedule import Duration, Instant, read_duration, read_instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer
    from imds_mock.scheduling.window import Window

INSTANCE_ACTION: Final = "meta-data/spot/instance-action"
TERMINATION_TIME: Final = "meta-data/spot/termination-time"
REBALANCE: Final = "meta-data/events/recommendations/rebalance"
TARGET_LIFECYCLE_STATE: Final = "meta-data/autoscaling/target-lifecycle-state"

_NOTICE_SECONDS: Final = {"terminate": 120.0, "stop": 120.0, "hibernate": 0.0}


class SpotInterruption(Event, frozen=True, kw_only=True, tag="spot"):
    """Send a spot interruption notice.

    `spot/instance-action` appears, and for a termination `spot/termination-time`. The action follows two minutes after
    the notice, a hibernation at once.
    """

    command: ClassVar[str] = "spot interrupt"
    notice_name: ClassVar[str] = "spot-interruption"
    notice_paths: ClassVar[tuple[str, ...]] = (INSTANCE_ACTION, TERMINATION_TIME)

    action: Annotated[Literal["terminate", "stop", "hibernate"], Meta(description="What EC2 does to the instance.")] = (
        "terminate"
    )
    notice: Annotated[
        Duration | None, Meta(description="Time from the notice to the action (default: 2m; for hibernate 0s).")
    ] = None
    time: Annotated[Instant | None, Meta(description="Time of the action, instead of `notice`.")] = None

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """`spot/instance-action`, and `spot/termination-time` for a termination."""
        action_time = iso8601(self.consequence(period.planned.start)[1])
        document = f'{{"action": "{self.action}", "time": "{action_time}"}}'
        yield INSTANCE_ACTION, Notice(period.window, "2016-11-15", document.encode())
        if self.action == "terminate":
            yield TERMINATION_TIME, Notice(period.window, "2014-11-05", action_time.encode())

    def consequence(self, start: float) -> tuple[str, float]:
        """What EC2 does to the instance, and when."""
        if self.time is not None:
            return self.action, read_instant("time", self.time)
        notice = _NOTICE_SECONDS[self.action] if self.notice is None else read_duration("notice", self.notice)
        return self.action, start + notice


class RebalanceRecommendation(Event, frozen=True, kw_only=True, tag="rebalance"):
    """Send a rebalance recommendation.

    `events/recommendations/rebalance` appears.
    """

    notice_name: ClassVar[str] = "rebalance-recommendation"
    notice_paths: ClassVar[tuple[str, ...]] = (REBALANCE,)

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """`events/recommendations/rebalance`, with the time of the start."""
        document = f'{{"noticeTime": "{iso8601(period.planned.start)}"}}'
        yield REBALANCE, Notice(period.window, "2020-10-27", document.encode())


class TargetLifecycleState(Event, frozen=True, kw_only=True, tag="lifecycle"):
    """Set the Auto Scaling target lifecycle state.

    `autoscaling/target-lifecycle-state` shows the state, also on an instance outside any Auto Scaling group.
    """

    state: Annotated[
        LifecycleState, Meta(description="State that Auto Scaling moves the instance to.", extra={POSITIONAL: True})
    ]

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:
        """`autoscaling/target-lifecycle-state`."""
        yield TARGET_LIFECYCLE_STATE, Notice(period.window, "2021-07-15", self.state.encode())


class EndpointDisabled(Event, frozen=True, kw_only=True, tag="endpoint-disabled"):
    """Turn the metadata service off.

    Every request is answered with 403, token requests included, as with `http_endpoint: disabled`.
    """

    command: ClassVar[str] = "endpoint off"

    def endpoint_disabled(self, period: Period) -> Window | None:
        """The whole period."""
        return period.window


AnyEvent = (
    SpotInterruption
    | RebalanceRecommendation
    | ScheduledMaintenance
    | TargetLifecycleState
    | CredentialsRotation
    | CredentialsExpiry
    | EndpointDisabled
)
"""Any event; its field `kind` selects the structure."""

EVENTS: Final[tuple[type[Event], ...]] = get_args(AnyEvent)
"""The structures of all kinds."""

NOTICES: Final = {path: kind.notice_name for kind in EVENTS for path in kind.notice_paths}
"""Path of each notice to the name under which the journal reports its readers."""

COMMAND_GROUPS: Final = {
    "credentials": "rotate or expire role credentials early",
    "endpoint": "turn the metadata service off or on",
}
"""Help texts of commands such as `imds-mock ctl credentials`, which only group the commands of several kinds."""
