"""What a table shows of an armed event or fault: its next time, and the fields without a column of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.ctl.times import ago, countdown, seconds
from imds_mock.events.kinds import EVENTS, AnyEvent
from imds_mock.faults.kinds import FAULTS
from imds_mock.scheduling.options import options_of
from imds_mock.violations.words import fields_of, tag_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_HIDDEN: Final = ("kind", "in", "at", "for")


def details_of(fields: dict[str, Any], columns: Sequence[str]) -> dict[str, Any] | None:
    """The fields of an event or fault without a column of their own, a maintenance event's code included.

    Args:
        fields: The event or fault as it was given; fields with their default are absent.
        columns: The columns of the table.

    Returns:
        None if there are no such fields.
    """
    given = {name: value for name, value in fields.items() if name not in {*_HIDDEN, *columns}}
    return {**_main_defaults(fields["kind"]), **given} or None


def when_of(armed: dict[str, Any], what: str, now: float) -> str:
    """The next time of an event or fault, counted from now.

    Args:
        armed: An event or fault as the API shows it.
        what: `event` or `fault`.
        now: The mock's time, in seconds since the epoch.
    """
    start = seconds(armed["starts"])
    if now < start:
        return f"starts in {countdown(start - now)}"
    if armed["state"] != "active":
        return armed["state"] if armed["ends"] is None else f"{armed['state']} {ago(armed['ends'], now)}"
    follows = msgspec.convert(armed[what], AnyEvent).consequence(start) if what == "event" else None
    if follows is not None and follows[1] > now:
        return f"{follows[0]} in {countdown(follows[1] - now)}"
    if armed["ends"] is not None:
        return f"ends in {countdown(seconds(armed['ends']) - now)}"
    return f"started {ago(armed['starts'], now)}"


def _main_defaults(kind: str) -> dict[str, Any]:
    """The defaults of the fields that a kind's command takes by position."""
    structure = next((each for each in (*EVENTS, *FAULTS) if tag_of(each) == kind), None)
    if structure is None:
        return {}
    by_position = {option.field for option in options_of(structure) if option.flag is None and not option.is_required}
    defaults = {field.encode_name: field.default for field in fields_of(structure)}
    return {name: value for name, value in defaults.items() if name in by_position and value is not None}
