"""How the API shows things: times as ISO 8601 in UTC with milliseconds, callers with their names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from imds_mock.callers.caller import is_address
from imds_mock.callers.target_matching import match_target
from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.kinds import AnyFault
from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import read_duration, read_instant
from imds_mock.state.journal import VERSION_NAMES

if TYPE_CHECKING:
    from imds_mock.callers.registry import CallerRegistry
    from imds_mock.control.context import ControlContext
    from imds_mock.events.armed import ArmedEvent
    from imds_mock.faults.armed import ArmedFault
    from imds_mock.state.journal import Entry
    from imds_mock.state.journal_queries import Occurrences


class ShownEvent(msgspec.Struct, frozen=True):
    """An event on the timeline.

    Attributes:
        id: Its name in the API.
        kind: What happens.
        state: `pending`, `active`, `ended` or `canceled`.
        starts: When it starts or started.
        ends: When it ends or ended; null if it stays.
        target: Who sees it; null for every caller.
        addresses: The addresses that the target has now; empty for every caller, and for a name that matches none.
        callers: How many callers the target matches now; null for every caller.
        warning: Why the target matches none or may miss some, and what to write instead; null where it does neither.
        event: The event as it was given.
    """

    id: str
    kind: str
    state: str
    starts: str
    ends: str | None
    target: str | None
    addresses: tuple[str, ...]
    callers: int | None
    warning: str | None
    event: AnyEvent


class ShownFault(msgspec.Struct, frozen=True):
    """An armed fault.

    Attributes:
        id: Its name in the API.
        kind: What goes wrong.
        state: `pending`, `active`, `spent` or `ended`.
        starts: When it starts or started.
        ends: When it ends or ended; null if it stays.
        hits: How many answers it has changed.
        target: Whom it hits; null for every caller.
        addresses: The addresses that the target has now.
        callers: How many callers the target matches now; null for every caller.
        warning: Why the target matches none or may miss some, and what to write instead; null where it does neither.
        fault: The fault as it was given.
    """

    id: str
    kind: str
    state: str
    starts: str
    ends: str | None
    hits: int
    target: str | None
    addresses: tuple[str, ...]
    callers: int | None
    warning: str | None
    fault: AnyFault


class ShownRequest(msgspec.Struct, frozen=True):
    """A request in the journal.

    Attributes:
        number: Order of arrival, from 1.
        time: When it came.
        caller: Address of the peer.
        names: Container and service name of the caller, where they are known.
        instance_id: The instance that the caller is on now; null where all callers are on one.
        method: Null for bytes that were no request.
        path: The path, decoded and with single slashes.
        written: The path as it was written, without a query.
        version: `v1` or `v2`, `ecs` or `eks` for an agent of containers; null for bytes that were no request.
        token: `absent`, `issued`, `valid`, `rejected` or `unchecked`.
        status: Null when there was no answer.
        microseconds: From receiving to writing.
        faults: The faults that made the answer.
    """

    number: int
    time: str
    caller: str
    names: tuple[str, ...]
    instance_id: str | None
    method: str | None
    path: str
    written: str
    version: str | None
    token: str
    status: int | None
    microseconds: int
    faults: tuple[str, ...]


class ShownOccurrences(msgspec.Struct, frozen=True):
    """What a caller did, and how often.

    Attributes:
        caller: Address of the peer.
        names: Container and service name of the caller, where they are known.
        instance_id: The instance that the caller is on now; null where all callers are on one.
        subject: What it was: a notice, or `imdsv1`.
        first: Time of the first one.
        last: Time of the last one.
        times: How many there were.
    """

    caller: str
    names: tuple[str, ...]
    instance_id: str | None
    subject: str
    first: str
    last: str
    times: int


def event(armed: ArmedEvent, now: float, callers: CallerRegistry) -> ShownEvent:
    """Show an armed event."""
    target = armed.event.target
    window = armed.course.window
    return ShownEvent(
        armed.id,
        armed.event.kind,
        armed.state(now).value,
        moment(window.start),
        None if math.isinf(window.end) else moment(window.end),
        target,
        *_matched(target, callers),
        armed.event,
    )


def fault(armed: ArmedFault, now: float, callers: CallerRegistry) -> ShownFault:
    """Show an armed fault."""
    target = armed.fault.target
    return ShownFault(
        armed.id,
        armed.fault.kind,
        armed.state(now).value,
        moment(armed.window.start),
        None if math.isinf(armed.window.end) else moment(armed.window.end),
        armed.hits,
        target,
        *_matched(target, callers),
        armed.fault,
    )


def request(entry: Entry, context: ControlContext) -> ShownRequest:
    """Show an entry of the journal."""
    return ShownRequest(
        entry.number,
        moment(entry.time),
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
    )


def occurrences(seen: Occurrences, context: ControlContext) -> ShownOccurrences:
    """Show who did something how often."""
    return ShownOccurrences(
        seen.caller,
        context.callers.last_names(seen.caller),
        context.own_instance_of(seen.caller),
        seen.subject,
        moment(seen.first),
        moment(seen.last),
        seen.times,
    )


def _matched(target: str | None, callers: CallerRegistry) -> tuple[tuple[str, ...], int | None, str | None]:
    """The addresses of a name, sorted, link-local ones included; how many callers match; what to say about that."""
    if target is None:
        return (), None, None
    found = match_target(callers, target)
    if is_address(target):
        return (), len(found.callers), found.warning
    known = (address for caller in found.callers.values() for address in caller.addresses)
    addresses = (callers.addresses(target) or found.callers.keys()) | set(filter(callers.is_link_local, known))
    return tuple(sorted(addresses)), len(found.callers), found.warning


def moment(seconds: float) -> str:
    """Write a time with milliseconds."""
    milliseconds = math.floor(seconds * 1000)
    return f"{iso8601(milliseconds // 1000)[:-1]}.{milliseconds % 1000:03}Z"


def past(field: str, text: str | None, now: float) -> float | None:
    """Read a time in the past: an instant, or a duration before now.

    Args:
        field: Name of the field, for the error.
        text: What was given.
        now: Seconds since the epoch.

    Raises:
        FieldError: It is neither.
    """
    if text is None:
        return None
    try:
        return now - read_duration(field, text)
    except FieldError:
        return read_instant(field, text)


def plain(value: Any) -> Any:
    """The plain values of a struct, as JSON has them."""
    return msgspec.to_builtins(value)
