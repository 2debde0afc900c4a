"""Times as a terminal shows them: how long ago, or how long until then."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import argparse

    from imds_mock.ctl.client import Client

_UNITS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_LONGEST_IN_UNIT: Final = {"h": 48 * 3600, "m": 3600, "s": 60}


class Now(NamedTuple):
    """The present time, in seconds since the epoch.

    Attributes:
        mock: On the mock's clock, which events and faults follow.
        real: On the machine that runs the mock.
    """

    mock: float
    real: float


def reference(client: Client, arguments: argparse.Namespace) -> Now | None:
    """The present time if times are shown relative to it: on a terminal without `--utc`; None if not."""
    if arguments.utc or arguments.json or not sys.stdout.isatty():
        return None
    clock = client.call("GET", "/v1/clock")
    return Now(seconds(clock["time"]), seconds(clock["real_time"]))


def seconds(instant: str) -> float:
    """Seconds since the epoch, from ISO 8601 text."""
    return datetime.fromisoformat(instant).timestamp()


def ago(instant: str, now: float) -> str:
    """How long ago a time was, in one unit, such as `12s ago`; a time to come as `in 12s`."""
    passed = now - seconds(instant)
    return f"in {_in_one_unit(-passed)}" if passed <= -1 else f"{_in_one_unit(max(passed, 0.0))} ago"


def countdown(left: float) -> str:
    """A duration in at most two units, such as `1m 48s`."""
    rest = max(int(left), 0)
    parts: list[str] = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def both_times(entry: dict[str, Any], name: str, now: Now | None) -> str:
    """A time on the mock's clock, and the real time if it differs; with `now`, how long ago it really was."""
    time, real = entry[name], entry[f"real_{name}"]
    if now is not None:
        return ago(real, now.real)
    return str(time) if time == real else f"{time} (real {real})"


def _in_one_unit(duration: float) -> str:
    for unit, size in reversed(_UNITS):
        if duration < _LONGEST_IN_UNIT.get(unit, float("inf")):
            return f"{int(duration // size)}{unit}"
    raise AssertionError
