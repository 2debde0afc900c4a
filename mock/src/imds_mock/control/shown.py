"""Values as the API shows them: times in ISO 8601, UTC, with milliseconds; callers with their names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from imds_mock.callers.caller import is_address
from imds_mock.callers.target_matching import match_target
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import read_duration, read_instant
from imds_mock.state.entries import VERSION_NAMES

if TYPE_CHECKING:
    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.control.context import ControlContext
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.faults.armed import ArmedFault
    from imds_mock.scheduling.schedule import Scheduled
    from imds_mock.scheduling.window import Window
    from imds_mock.state.entries import Entry
    from imds_mock.state.first_reads import FirstRead
    from imds_mock.state.journal_queries import Occurrences


class ShownArmed(msgspec.Struct, frozen=True, kw_only=True):
    """What an armed event and an armed fault have in common."""

    id: Annotated[str, Meta(description="Id in the API.")]
    kind: Annotated[str, Meta(description="Kind of event or fault.")]
    state: Annotated[str, Meta(description="`pending`, `active` or `ended`; events: `canceled`; faults: `spent`.")]
    starts: Annotated[str, Meta(description="Time of the start.")]
    ends: Annotated[str | None, Meta(description="Time of the end; null: no end.")]
    target: Annotated[str | None, Meta(description="The target; null: every caller.")]
    addresses: Annotated[
        tuple[str, ...], Meta(description="Addresses of a target that is a name; empty if it matches no caller.")
    ]
    callers: Annotated[
        int | None, Meta(description="Number of callers that the target matches now; null: every caller.")
    ]
    warning: Annotated[
        str | None, Meta(description="Why the target matches no caller or may miss some, and what to do.")
    ]


class ShownRequest(msgspec.Struct, frozen=True):
    """A request in the journal."""

    number: Annotated[int, Meta(description="Order of arrival, from 1.")]
    time: Annotated[str, Meta(description="Time of arrival on the mock's clock.")]
    real_time: Annotated[str, Meta(description="Real time of arrival; differs if the mock's clock was moved.")]
    caller: Annotated[str, Meta(description="The caller's IP address.")]
    names: Annotated[tuple[str, ...], Meta(description="Container and service name of the caller, if known.")]
    instance_id: Annotated[
        str | None, Meta(description="Instance of the caller; null if all callers share one instance.")
    ]
    method: Annotated[str | None, Meta(description="HTTP method; null if the bytes were not a request.")]
    path: Annotated[str, Meta(description="Path, decoded, with single slashes.")]
    written: Annotated[str, Meta(description="Path as the client wrote it, without the query.")]
    version: Annotated[
        str | None,
        Meta(description="`v1`, `v2`, or `ecs` or `eks` for a container agent; null if the bytes were not a request."),
    ]
    token: Annotated[str, Meta(description="`absent`, `issued`, `valid`, `rejected` or `unchecked`.")]
    status: Annotated[int | None, Meta(description="Status of the response; null if there was none.")]
    microseconds: Annotated[int, Meta(description="Time from receiving the request to writing the response.")]
    faults: Annotated[tuple[str, ...], Meta(description="Ids of the faults that changed the response.")]
    user_agent: Annotated[
        str, Meta(description="User agent of the client, cut after 256 characters; empty if it sent none.")
    ]


class ShownOccurrences(msgspec.Struct, frozen=True):
    """How often a caller read a notice or used IMDSv1."""

    caller: Annotated[str, Meta(description="The caller's IP address.")]
    names: Annotated[tuple[str, ...], Meta(description="Container and service name of the caller, if known.")]
    instance_id: Annotated[
        str | None, Meta(description="Instance of the caller; null if all callers share one instance.")
    ]
    subject: Annotated[str, Meta(description="Name of the notice, or path of the first IMDSv1 request.")]
    first: Annotated[str, Meta(description="Time of the first occurrence on the mock's clock.")]
    last: Annotated[str, Meta(description="Time of the last occurrence on the mock's clock.")]
    times: Annotated[int, Meta(description="Number of occurrences.")]
    real_first: Annotated[str, Meta(description="Real time of the first occurrence.")]
    real_last: Annotated[str, Meta(description="Real time of the last occurrence.")]


class ShownFirstRead(msgspec.Struct, frozen=True):
    """A caller's first read of what an event changes."""

    event: Annotated[str, Meta(description="Id of the event.")]
    caller: Annotated[str, Meta(description="The caller's IP address.")]
    names: Annotated[tuple[str, ...], Meta(description="Container and service name of the caller, if known.")]
    path: Annotated[str, Meta(description="Path that it read, without the version.")]
    number: Annotated[int, Meta(description="Number of the request.")]
    time: Annotated[str, Meta(description="Time of the request on the mock's clock.")]
    seconds: Annotated[float, Meta(description="Time from the start of the event to the request.")]


def armed_fields(
    armed: ArmedEvent | ArmedFault, scheduled: Scheduled, window: Window, now: float, callers: CallerRegistry
) -> dict[str, Any]:
    """The fields of `ShownArmed` for an event or fault.

    Args:
        armed: The armed event or fault.
        scheduled: The event or fault as it was given.
        window: When it is planned to be active.
        now: Seconds since the epoch.
        callers: The known callers.
    """
    addresses, count, warning = _matched(scheduled.target, callers)
    return {
        "id": armed.id,
        "kind": scheduled.kind,
        "state": armed.state(now).value,
        "starts": moment(window.start),
        "ends": None if math.isinf(window.end) else moment(window.end),
        "target": scheduled.target,
        "addresses": addresses,
        "callers": count,
        "warning": warning,
    }


def request(entry: Entry, context: ControlContext) -> ShownRequest:
    """A journal entry as the API shows it."""
    time = moment(entry.time)
    return ShownRequest(
        entry.number,
        time,
        time if entry.clock_offset == 0.0 else moment(entry.real_time),
        entry.caller,
        context.callers.last_names(entry.caller),
        context.own_instance_of(entry.caller),
        entry.method or None,
        entry.path,
        entry.written,
        VERSION_NAMES.get(entry.version),
        entry.token,
        entry.status or None,
        entry.microseconds,
        entry.faults,
        entry.user_agent,
    )


def occurrences(seen: Occurrences, context: ControlContext) -> ShownOccurrences:
    """Occurrences as the API shows them."""
    return ShownOccurrences(
        seen.caller,
        context.callers.last_names(seen.caller),
        context.own_instance_of(seen.caller),
        seen.subject,
        moment(seen.first),
        moment(seen.last),
        seen.times,
        moment(seen.real_first),
        moment(seen.real_last),
    )


def first_read(read: FirstRead, context: ControlContext) -> ShownFirstRead:
    """A first read as the API shows it."""
    names = context.callers.last_names(read.caller)
    seconds = round(read.seconds, 3)
    return ShownFirstRead(read.event, read.caller, names, read.path, read.number, moment(read.time), seconds)


def _matched(target: str | None, callers: CallerRegistry) -> tuple[tuple[str, ...], int | None, str | None]:
    """A target's sorted addresses including link-local ones, the number of matching callers, and the warning."""
    if target is None:
        return (), None, None
    found = match_target(callers, target)
    if is_address(target):
        return (), len(found.callers), found.warning
    known = (address for caller in found.callers.values() for address in caller.addresses)
    addresses = (callers.addresses(target) or found.callers.keys()) | set(filter(callers.is_link_local, known))
    return tuple(sorted(addresses)), len(found.callers), found.warning


def moment(seconds: float) -> str:
    """A time as ISO 8601 text with milliseconds."""
    milliseconds = math.floor(seconds * 1000)
    return f"{iso8601(milliseconds // 1000)[:-1]}.{milliseconds % 1000:03}Z"


def past(field: str, text: str | None, now: float) -> float | None:
    """Seconds since the epoch of a time in the past: an instant, or a duration before `now`.

    Args:
        field: Name of the field, for the error.
        text: The text; None gives None.
        now: Seconds since the epoch.

    Raises:
        FieldError: The text is neither.
    """
    if text is None:
        return None
    try:
        return now - read_duration(field, text)
    except FieldError:
        return read_instant(field, text)
