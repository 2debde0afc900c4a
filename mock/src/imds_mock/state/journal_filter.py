"""Filters of journal entries, and the number of entries that match one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from imds_mock.scheduling.patterns import PathPattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.state.entries import Entry


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects entries; a field that is None matches all.

    Attributes:
        path: Pattern of the path; see `scheduling.patterns`.
        caller: Address, container or service name.
        method: `GET`, ...
        version: 1 or 2 for IMDSv1 or IMDSv2.
        status: HTTP status code.
        since: Real time in seconds since the epoch; selects entries from then on.
        until: Real time in seconds since the epoch; selects entries before that time.
        fault: Id of a fault that changed the response.
        after: Number of an entry; selects entries after it.
    """

    path: str | None = None
    caller: str | None = None
    method: str | None = None
    version: int | None = None
    status: int | None = None
    since: float | None = None
    until: float | None = None
    fault: str | None = None
    after: int | None = None

    def matcher(self, is_target: Callable[[str, str], bool]) -> Callable[[Entry], bool]:
        """A predicate for entries.

        Args:
            is_target: Whether an address matches a target.
        """
        matches_path = None if self.path is None else PathPattern(self.path).matches

        def matches(entry: Entry) -> bool:
            return (
                (matches_path is None or matches_path(entry.path))
                and (self.caller is None or is_target(entry.caller, self.caller))
                and (self.method is None or entry.method == self.method.upper())
                and (self.version is None or entry.version == self.version)
                and (self.status is None or entry.status == self.status)
                and (self.since is None or entry.real_time >= self.since)
                and (self.until is None or entry.real_time < self.until)
                and (self.fault is None or self.fault in entry.faults)
                and (self.after is None or entry.number > self.after)
            )

        return matches


class Count(msgspec.Struct, frozen=True):
    """The number of entries that match a filter.

    Attributes:
        count: How many are in the journal.
        first: The mock's time at the first one; None if there is none.
        last: The mock's time at the last one.
        complete: Whether the journal covers the whole period.
    """

    count: int
    first: float | None
    last: float | None
    complete: bool

    def holds(self, at_least: int | None, at_most: int | None) -> bool:
        """Whether the count is within bounds; without bounds, whether there is at least one entry.

        An incomplete count can satisfy a lower bound, but never an upper one.
        """
        if at_least is None and at_most is None:
            at_least = 1
        return (at_least is None or self.count >= at_least) and (
            at_most is None or (self.complete and self.count <= at_most)
        )
