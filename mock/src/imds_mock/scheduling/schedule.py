"""Instants and durations as users write them, and the base of all kinds of events and faults.

Instants are ISO 8601 in UTC, as everywhere in the metadata (`2017-09-18T08:22:00Z`). Durations are numbers with units
(`90s`, `2m`, `1h30m`, `250ms`) or a bare number of seconds.
"""

from __future__ import annotations

import contextlib
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import msgspec

from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.options import METAVAR
from imds_mock.scheduling.window import Window
from imds_mock.violations.marks import CHECK, EXPECTED
from imds_mock.violations.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ONE_START: Final = "give either `in` or `at`, not both"
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_LONGEST_SECONDS: Final = 10 * 365 * 86400.0
# The end of the year 9999, the last one with four digits.
_END_OF_TIME: Final = 253402300800

_A_DURATION: Final = "a duration such as 30s, 2m, 1h30m or 250ms"
_A_TIME: Final = "a time such as 2026-01-31T12:00:00Z"

# For the OpenAPI document. Reading accepts more than these patterns, such as `30m2h`.
_DAY: Final = r"((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
_TIME_OF_DAY: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z"
DURATION_PATTERN: Final = (
    r"^(([0-9]{1,8}|[12][0-9]{8})(\.[0-9]+)?(e-[0-9]{1,3})?|"
    r"(?=.)([0-9]{1,3}d)?([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,5}s)?([0-9]{1,6}ms)?)$"
)


def instant_pattern(years: str) -> str:
    """The regular expression of instants in the years that another one matches."""
    return rf"^({years})-{_DAY}(T{_TIME_OF_DAY})?$"


INSTANT_PATTERN: Final = instant_pattern("19[7-9][0-9]|[2-9][0-9]{3}")
_DURATION_TEXT: Final = msgspec.Meta(extra_json_schema={"pattern": DURATION_PATTERN, "examples": ["30s", "1h30m"]})
_INSTANT_TEXT: Final = msgspec.Meta(
    extra_json_schema={"pattern": INSTANT_PATTERN, "examples": ["2026-01-31T12:00:00Z"]}
)

Duration = Annotated[
    Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0, "maximum": _LONGEST_SECONDS})]
    | Annotated[str, _DURATION_TEXT],
    msgspec.Meta(extra={METAVAR: "DURATION", EXPECTED: _A_DURATION, CHECK: lambda value: read_duration("", value)}),
]
"""Seconds, or text such as `90s` or `1h30m`."""

Instant = Annotated[
    Annotated[float, msgspec.Meta(extra_json_schema={"minimum": 0, "exclusiveMaximum": _END_OF_TIME})]
    | Annotated[str, _INSTANT_TEXT],
    msgspec.Meta(extra={METAVAR: "TIME", EXPECTED: _A_TIME, CHECK: lambda value: read_instant("", value)}),
]
"""Seconds since the epoch, or ISO 8601 text."""

Moment = Annotated[
    str,
    msgspec.Meta(
        extra={
            METAVAR: "WHEN",
            EXPECTED: f"{_A_DURATION}, or {_A_TIME}",
            CHECK: lambda value: read_moment("", value, 0.0),
        },
        extra_json_schema={
            "anyOf": [{"pattern": DURATION_PATTERN}, {"pattern": INSTANT_PATTERN}],
            "examples": ["2h", "2026-01-31T12:00:00Z"],
        },
    ),
]
"""Text: a duration that counts from another moment, or an instant."""

Target = Annotated[str, msgspec.Meta(min_length=1, max_length=253, extra={METAVAR: "WHO"})]
"""Address, container or service name, as long as DNS allows; None means all callers, an empty name is rejected."""


class Scheduled(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    rename={"in_": "in", "for_": "for"},
):
    """Base of all kinds of events and faults: when it is active and whom it affects.

    A kind is one structure. Its docstring, fields and class attributes are the source of the API, the OpenAPI document,
    the commands of `imds-mock ctl` and the tables in docs/control.md.

    Attributes:
        command: The words of its command after `imds-mock ctl`; None derives them from the tag.
    """

    command: ClassVar[str | None] = None

    in_: Annotated[Duration | None, msgspec.Meta(description="Time until the start (default: now).")] = None
    at: Annotated[Instant | None, msgspec.Meta(description="Time of the start, instead of `in`.")] = None
    for_: Annotated[Duration | None, msgspec.Meta(description="Time from start to end (default: no end).")] = None
    target: Annotated[
        Target | None,
        msgspec.Meta(description="Address, container or service name of the callers (default: every caller)."),
    ] = None

    @classmethod
    def mistakes_in(cls, value: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
        """See `violations.marks.MISTAKES`."""
        if value.get("in") is not None and value.get("at") is not None:
            yield ("at",), _ONE_START

    @property
    def kind(self) -> str:
        """The value of the field `kind` in the API."""
        return str(self.__struct_config__.tag)

    def window(self, now: float) -> Window:
        """The span of time that the fields describe.

        Args:
            now: Seconds since the epoch; `in` counts from here.

        Raises:
            FieldError: A field is invalid, or `in` and `at` are both given.
        """
        if self.in_ is not None and self.at is not None:
            raise FieldError("at", _ONE_START)
        start = now
        if self.in_ is not None:
            start = now + read_duration("in", self.in_)
        elif self.at is not None:
            start = read_instant("at", self.at)
        return Window(start, math.inf if self.for_ is None else start + read_duration("for", self.for_))


def read_duration(field: str, value: Duration) -> float:
    """Read a duration.

    Args:
        field: Name of the field, for the error.
        value: Seconds, or text.

    Returns:
        Seconds, 0 or more.

    Raises:
        FieldError: The value is negative, not finite, over ten years or not a duration.
    """
    if isinstance(value, str):
        text = value.strip()
        if _DURATION.fullmatch(text):
            seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
        else:
            try:
                seconds = float(text)
            except ValueError:
                seconds = math.nan
    else:
        seconds = float(value)
    if not 0 <= seconds <= _LONGEST_SECONDS:
        raise FieldError(field, f"expected {_A_DURATION}, got {shown(value)}")
    return seconds


def read_instant(field: str, value: Instant) -> float:
    """Read an instant.

    Args:
        field: Name of the field, for the error.
        value: Seconds since the epoch, or ISO 8601 text; text without a zone is UTC.

    Returns:
        Seconds since the epoch.

    Raises:
        FieldError: The value is not an instant between 1970 and 9999.
    """
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value.strip())
            seconds = (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            seconds = math.nan
    else:
        seconds = float(value)
    if not 0 <= seconds < _END_OF_TIME:
        raise FieldError(field, f"expected {_A_TIME}, got {shown(value)}")
    return seconds


def read_moment(field: str, value: str, base: float) -> float:
    """Read an instant, or a duration that counts from another moment.

    Args:
        field: Name of the field, for the error.
        value: The text.
        base: The other moment in seconds since the epoch.

    Returns:
        Seconds since the epoch.

    Raises:
        FieldError: The value is neither.
    """
    with contextlib.suppress(FieldError):
        return base + read_duration(field, value)
    try:
        return read_instant(field, value)
    except FieldError as error:
        raise FieldError(field, f"expected {_A_DURATION}, or {_A_TIME}, got {shown(value)}") from error
