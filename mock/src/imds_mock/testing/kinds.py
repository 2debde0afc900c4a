"""Typed methods for every kind of event and fault. Their arguments are the fields of the kinds' structures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypedDict, TypeVar, Unpack, get_args

from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.kinds import AnyFault
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.checking import read
from imds_mock.scheduling.fields import WrongField, raise_if_any
from imds_mock.violations.words import names_of, tag_of, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imds_mock.config.facts import LifecycleState

HandleT = TypeVar("HandleT")

Duration = float | str | timedelta
"""Seconds, text such as `90s` or `1h30m`, or a timedelta."""

Instant = float | str | datetime
"""Seconds since the epoch, ISO 8601 text, or a datetime with a time zone."""

_FIELDS: Final = {"in_seconds": "in", "for_seconds": "for"}
_ARGUMENTS: Final = {field: argument for argument, field in _FIELDS.items()}
_TEXT: Final = ("not_before", "not_after")


class When(TypedDict, total=False):
    """When an event or fault starts (default: now) and ends (default: never), and for which callers (default: all)."""

    in_seconds: Duration
    at: Instant
    for_seconds: Duration
    target: str


class Requested(When, total=False):
    """Which requests a fault affects: a pattern for the path, the share of them from 0 to 1, and how many."""

    path: str
    rate: float
    count: int


class Kinds(Generic[HandleT]):
    """Arms events or faults of any kind by name.

    Args:
        arm: Arms an event or fault that was read.
    """

    _kind: Any = AnyEvent

    def __init__(self, arm: Callable[[Any], HandleT]) -> None:
        self._arm = arm

    def add(self, kind: str, **fields: Any) -> HandleT:
        """Arm an event or fault of any kind.

        Args:
            kind: The kind as in the API, such as `spot` or `status`.
            fields: Its fields as in the API, with `in_seconds` and `for_seconds` for `in` and `for`.

        Raises:
            FieldError: The kind or a field is unknown, or a value is invalid.
        """
        self._require_names(kind, fields)
        return self._arm(read(self._kind, {"kind": kind, **_plain(fields)}))

    def _require_names(self, kind: str, fields: Mapping[str, Any]) -> None:
        structs = {tag_of(each): each for each in get_args(self._kind)}
        if kind not in structs:
            return
        names = {_ARGUMENTS.get(name, name) for name in names_of(structs[kind])} - {"kind"}
        problems = [WrongField("", unknown(f"argument of {kind}", name, names, "")) for name in fields.keys() - names]
        raise_if_any(problems)


class Spot(Kinds[HandleT]):
    """Notices about the spot instance."""

    def interrupt(
        self,
        action: Literal["terminate", "stop", "hibernate"] = "terminate",
        *,
        notice: Duration | None = None,
        time: Instant | None = None,
        **when: Unpack[When],
    ) -> HandleT:
        """Send a spot interruption notice.

        Args:
            action: What EC2 does to the instance.
            notice: Time from the notice to the action (default: 2 minutes; for hibernate 0 s).
            time: Time of the action, instead of `notice`.
            when: See `When`.
        """
        return self.add("spot", action=action, notice=notice, time=time, **when)

    def rebalance(self, **when: Unpack[When]) -> HandleT:
        """Send a rebalance recommendation."""
        return self.add("rebalance", **when)


class Credentials(Kinds[HandleT]):
    """The role's credentials."""

    def rotate(self, **when: Unpack[When]) -> HandleT:
        """Replace the keys of every role."""
        return self.add("credentials-rotation", **when)

    def expire(self, *, after: Duration = 0, renew: bool = True, **when: Unpack[When]) -> HandleT:
        """Expire the keys of every role early.

        Args:
            after: Time from the start to the expiration.
            renew: Replace the expired keys with new ones.
            when: See `When`.
        """
        return self.add("credentials-expiry", after=after, renew=renew, **when)


class Endpoint(Kinds[HandleT]):
    """The metadata service as a whole."""

    def off(self, **when: Unpack[When]) -> HandleT:
        """Turn the metadata service off: every request gets 403. End or remove the event to turn it on again."""
        return self.add("endpoint-disabled", **when)


class Events(Kinds[HandleT]):
    """Events of any kind, and those that have no group of their own."""

    def maintenance(
        self,
        code: Literal[
            "instance-reboot", "system-reboot", "system-maintenance", "instance-retirement", "instance-stop"
        ] = "system-reboot",
        *,
        not_before: Duration | datetime = "7d",
        not_after: Duration | datetime | None = "2h",
        description: str | None = None,
        event_id: str | None = None,
        **when: Unpack[When],
    ) -> HandleT:
        """Schedule a maintenance event.

        Args:
            code: Type of maintenance.
            not_before: Earliest time, or duration from the start.
            not_after: Latest time, or duration from `not_before`; None omits it.
            description: Text of the entry (default: the usual one for the code).
            event_id: Id of the entry (default: generated).
            when: See `When`.
        """
        return self.add(
            "maintenance",
            code=code,
            not_before=not_before,
            not_after=not_after,
            description=description,
            event_id=event_id,
            **when,
        )

    def lifecycle(self, state: LifecycleState, **when: Unpack[When]) -> HandleT:
        """Set the Auto Scaling target lifecycle state.

        Args:
            state: State that Auto Scaling moves the instance to.
            when: See `When`.
        """
        return self.add("lifecycle", state=state, **when)


class Faults(Kinds[HandleT]):
    """Faults: responses that are late, wrong or missing."""

    _kind = AnyFault

    def delay(self, delay: Duration, **requested: Unpack[Requested]) -> HandleT:
        """Delay responses by `delay`."""
        return self.add("delay", delay=delay, **requested)

    def status(self, status: int = 503, *, retry_after: int | None = None, **requested: Unpack[Requested]) -> HandleT:
        """Respond with an error.

        Args:
            status: Status code.
            retry_after: Seconds for a `Retry-After` header (default: no header).
            requested: See `Requested`.
        """
        return self.add("status", status=status, retry_after=retry_after, **requested)

    def reset(self, **requested: Unpack[Requested]) -> HandleT:
        """Reset the connection instead of responding."""
        return self.add("reset", **requested)

    def stall(self, **requested: Unpack[Requested]) -> HandleT:
        """Accept requests and never respond."""
        return self.add("stall", **requested)

    def truncate(self, keep_bytes: int = 0, **requested: Unpack[Requested]) -> HandleT:
        """Cut off bodies after `keep_bytes`."""
        return self.add("truncate", keep_bytes=keep_bytes, **requested)

    def revoke_tokens(self, **requested: Unpack[Requested]) -> HandleT:
        """Reject session tokens that were issued before the start."""
        return self.add("revoke-tokens", **requested)

    def clock_skew(self, seconds: float, **requested: Unpack[Requested]) -> HandleT:
        """Shift the times in role credentials by `seconds`; negative makes credentials look older."""
        return self.add("clock-skew", seconds=seconds, **requested)


def timestamp(moment: datetime) -> float:
    """Seconds since the epoch.

    Raises:
        ValueError: The datetime has no time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; write datetime(..., tzinfo=UTC)")
    return moment.timestamp()


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        _FIELDS.get(name, name): _plain_value(name, value)
        for name, value in fields.items()
        if value is not None or name == "not_after"
    }


def _plain_value(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    elif isinstance(value, datetime):
        value = iso8601(timestamp(value)) if name in _TEXT else timestamp(value)
    return str(value) if name in _TEXT and isinstance(value, int | float) else value
