"""The query parameters of the operations on the journal."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from imds_mock.control import shown
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.patterns import Pattern
from imds_mock.scheduling.schedule import Duration, read_duration
from imds_mock.scheduling.schedule import Moment as Past
from imds_mock.state.entries import VERSION_NAMES
from imds_mock.state.journal_filter import Filter

_VERSIONS: Final = {name: version for version, name in VERSION_NAMES.items()}
_SHORTEST_SECONDS: Final = 0.1
_LONGEST_SECONDS: Final = 10.0

Limit = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class FilterQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects requests by real time: instants, or durations before now.

    Attributes:
        path: Pattern; `*` matches any characters, including slashes.
        caller: Address, container or service name.
        method: HTTP method, such as `GET`.
        version: `v1` or `v2`; `ecs` or `eks` for requests to these agents.
        status: HTTP status code; 0 for requests without a response.
        since: Requests at this time or later.
        until: Requests before this time.
        fault: Id of a fault that changed the response.
        after: Requests after the one with this number.
    """

    path: Pattern | None = None
    caller: str | None = None
    method: str | None = None
    version: Literal["v1", "v2", "ecs", "eks"] | None = None
    status: int | None = None
    since: Past | None = None
    until: Past | None = None
    fault: str | None = None
    after: Number | None = None

    def filter(self, now: float) -> Filter:
        """Make the filter; `now` is the real time in seconds since the epoch."""
        return Filter(
            path=self.path,
            caller=self.caller,
            method=self.method,
            version=None if self.version is None else _VERSIONS[self.version],
            status=self.status,
            since=shown.past("since", self.since, now),
            until=shown.past("until", self.until, now),
            fault=self.fault,
            after=self.after,
        )


class RequestsQuery(FilterQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects the latest matching requests.

    Attributes:
        limit: The largest number of requests.
    """

    limit: Limit = 1000


class StreamQuery(FilterQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects the requests to follow.

    Attributes:
        interval: Send the requests in batches, one per interval, instead of one by one; 0.1 s to 10 s. A batch has at
            most 100 requests, an even sample if there were more.
    """

    interval: Duration | None = None

    def seconds(self) -> float | None:
        """The interval in seconds.

        Raises:
            FieldError: It is too short or too long.
        """
        if self.interval is None:
            return None
        seconds = read_duration("interval", self.interval)
        if not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
            raise FieldError("interval", f"expected a duration from 0.1 s to 10 s, got {self.interval}")
        return seconds


class CountQuery(FilterQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects requests and sets bounds for their number; without a bound, at least one is expected.

    Attributes:
        at_least: The smallest expected number.
        at_most: The largest expected number.
        allow_empty: Let the condition hold if the journal is empty.
    """

    at_least: Number | None = None
    at_most: Number | None = None
    allow_empty: bool = False


class SinceQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Selects occurrences.

    Attributes:
        since: Occurrences at this real time or later: an instant, or a duration before now.
        caller: Address, container or service name.
    """

    since: Past | None = None
    caller: str | None = None
