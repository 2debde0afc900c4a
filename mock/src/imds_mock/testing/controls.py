"""What a mock for tests can do, wherever it runs: the operations behind `ImdsMock` and its parts, as Protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from imds_mock.scheduling.patterns import PathPattern

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imds_mock.config.settings import Config
    from imds_mock.events.event import Period
    from imds_mock.events.kinds import AnyEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.kinds import AnyFault
    from imds_mock.testing.requests import Request, Requests

REMOVED: Final = "removed"
"""State of an event or fault that was removed."""

MAX_SEEN: Final = 1000
"""How many requests are kept that have met one event or fault."""

_OK: Final = 200


class Watch(Protocol):
    """An armed event or fault, and the requests that have met it."""

    @property
    def id(self) -> str:
        """Its id in the API, such as `spot-1`."""

    def seen(self) -> tuple[Request, ...]:
        """The requests that have met it, the first `MAX_SEEN`."""


class Controls(Protocol):
    """Operations on a running mock, in this process or over its control plane."""

    @property
    def endpoint_url(self) -> str:
        """URL of the metadata service."""

    @property
    def control_url(self) -> str:
        """URL of the control plane."""

    def config(self) -> Config:
        """The configuration in force."""

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Change settings by name, all of them or none; raises `ConfigError`."""

    def reset(self) -> None:
        """Restore configuration, events, faults, time and journal of the start."""

    def arm_event(self, event: AnyEvent) -> Watch:
        """Arm an event."""

    def arm_fault(self, fault: AnyFault) -> Watch:
        """Arm a fault."""

    def play(self, scenario: Scenario) -> tuple[Sequence[Watch], Sequence[Watch]]:
        """Arm the events and the faults of a scenario, or none."""

    def state_of(self, armed_id: str) -> str:
        """The state of an event or fault: as in the API, or `removed`."""

    def hits(self, fault_id: str) -> int:
        """Number of responses that a fault has changed; 0 once it was removed."""

    def cancel(self, event_id: str) -> None:
        """Cancel an event, unless it was removed."""

    def end(self, event_id: str) -> None:
        """End an active event, unless it was removed; raises `NotStartedError`."""

    def remove(self, armed_id: str) -> None:
        """Remove an event or fault, unless that was done already."""

    def requests(self) -> Requests:
        """All requests in the journal, the oldest first."""

    async def settled_requests(self) -> Requests:
        """All requests, with the names of their callers looked up."""

    def imdsv1_requests(self, caller: str | None) -> int:
        """Number of requests without a session token, of one caller or of all."""

    async def wait_until(self, is_met: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109 - a result, no error
        """Wait until a condition holds, at most `timeout` seconds; returns whether it holds."""

    def leaf(self, path: str) -> bytes | None:
        """The body of a leaf of the metadata; None if there is none."""

    def leaf_paths(self) -> list[str]:
        """The paths of all leaves, sorted."""

    def set_leaf(self, path: str, value: Any) -> bool:
        """Override a path; returns False, without an effect, if nothing exists there with that value."""

    def remove_leaf(self, path: str) -> bool:
        """Remove a leaf or a category; returns False if there is none."""

    def now(self) -> float:
        """The mock's time in seconds since the epoch."""

    def advance_clock(self, seconds: float) -> None:
        """Move the mock's time forward."""

    def set_clock(self, seconds: float) -> None:
        """Set the mock's time, in seconds since the epoch."""

    def use_real_time(self) -> None:
        """Return to the real time."""


def meets_event(event: AnyEvent, period: Period) -> Callable[[str, int | None], bool]:
    """Whether a response shows an event: a notice if it has one, otherwise any path that the event changes.

    Args:
        event: The event.
        period: When it is active.

    Returns:
        A function of a request's path and the response's status.
    """
    if event.endpoint_disabled(period) is not None:
        return lambda _path, _status: True
    paths = event.notice_paths or tuple(path for path, _layer in event.layers(period))
    patterns = [PathPattern(path).matches for path in paths]
    return lambda path, status: status == _OK and any(matches(path) for matches in patterns)
