"""The journal: list, follow, count and clear requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from imds_mock.callers.target_matching import match_target
from imds_mock.control import shown
from imds_mock.control.journal_parameters import CountQuery, RequestsQuery, SinceQuery, StreamQuery
from imds_mock.control.operations import Operation
from imds_mock.control.request_batches import RequestBatches
from imds_mock.control.request_stream import EVENT_STREAM, RequestStream
from imds_mock.state.journal_filter import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call
    from imds_mock.state.journal_queries import Occurrences

_NUMBER_DIGITS: Final = 20


class Answer(msgspec.Struct, frozen=True):
    """The number of matching requests, and whether the condition holds.

    Attributes:
        holds: Whether the number is within the bounds.
        count: Number of matching requests.
        first: Time of the first one, on the mock's clock.
        last: Time of the latest one, on the mock's clock.
        complete: Whether the journal covers the whole period.
        recorded: Number of all requests in the journal.
        recorded_from_caller: Number of requests from the given caller; null if none was given.
        callers: Number of callers that the name or address matches; null if none was given.
        warning: Why it matches none or may miss some, and what to write instead.
    """

    holds: bool
    count: int
    first: str | None
    last: str | None
    complete: bool
    recorded: int
    recorded_from_caller: int | None
    callers: int | None
    warning: str | None


class JournalRoutes:
    """The operations on the journal."""

    group: Final = "journal"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._journal = context.journal
        self._queries = context.queries

    def operations(self) -> list[Operation]:
        """List the operations."""
        every = "/v1/requests"
        requests, occurrences = tuple[shown.ShownRequest, ...], tuple[shown.ShownOccurrences, ...]
        stream: dict[str, Any] = {"query": StreamQuery, "answer_media": EVENT_STREAM, "problems": (503,)}
        count, imdsv1 = "Count requests and check their number", "List callers that use IMDSv1"
        seen, follow = "List callers that have seen a notice", "Follow requests as server-sent events"
        first = "List when each caller first read what an event changes"
        return [
            Operation("GET", every, "List requests, oldest first", self.list, requests, query=RequestsQuery),
            Operation("DELETE", every, "Clear the journal", self.clear, None),
            Operation("GET", f"{every}/stream", follow, self.stream, str, **stream),
            Operation("GET", f"{every}/count", count, self.count, Answer, query=CountQuery),
            Operation("GET", f"{every}/imdsv1", imdsv1, self.imdsv1, occurrences, query=SinceQuery),
            Operation("GET", f"{every}/notices", seen, self.notices, occurrences, query=SinceQuery),
            Operation("GET", f"{every}/first-reads", first, self.first_reads, tuple[shown.ShownFirstRead, ...]),
        ]

    async def list(self, call: Call) -> tuple[shown.ShownRequest, ...]:
        """List the latest matching requests, oldest first."""
        wanted = call.query.filter(self._context.clock.real())
        await self._context.look_up(call.query.caller)
        found = list(self._queries.select(wanted, call.query.limit))
        await self._context.callers.look_up({entry.caller for entry in found})
        return tuple(shown.request(entry, self._context) for entry in reversed(found))

    async def clear(self, _call: Call) -> None:
        """Clear the journal."""
        self._queries.clear()

    async def count(self, call: Call) -> Answer:
        """Count the matching requests."""
        query: CountQuery = call.query
        wanted = query.filter(self._context.clock.real())
        await self._context.look_up(query.caller)
        count = self._queries.count(wanted)
        own = None if query.caller is None else self._queries.count(Filter(caller=query.caller)).count
        matched = None if query.caller is None else match_target(self._context.callers, query.caller, in_journal=True)
        # An empty journal, or a name that matches no caller, is likely a mistake and must not look like success.
        recorded = len(self._journal)
        says_something = bool(recorded or query.allow_empty) and (matched is None or bool(matched.callers))
        return Answer(
            says_something and count.holds(query.at_least, query.at_most),
            count.count,
            None if count.first is None else shown.moment(count.first),
            None if count.last is None else shown.moment(count.last),
            count.complete,
            recorded,
            own,
            None if matched is None else len(matched.callers),
            None if matched is None else matched.warning,
        )

    async def imdsv1(self, call: Call) -> tuple[shown.ShownOccurrences, ...]:
        """List callers that use IMDSv1, in the order of their first request."""
        since = shown.past("since", call.query.since, self._context.clock.real())
        await self._context.look_up(call.query.caller)
        return await self._shown(self._queries.imdsv1_calls(since, call.query.caller))

    async def notices(self, call: Call) -> tuple[shown.ShownOccurrences, ...]:
        """List callers that have seen a notice, in the order in which they saw it."""
        since = shown.past("since", call.query.since, self._context.clock.real())
        await self._context.look_up(call.query.caller)
        return await self._shown(self._queries.notices(since, call.query.caller))

    async def first_reads(self, _call: Call) -> tuple[shown.ShownFirstRead, ...]:
        """List when each caller first read what an event changes, event by event."""
        await self._context.look_up()
        found = self._queries.first_reads.of(self._context.state.events.events)
        await self._context.callers.look_up({each.caller for each in found})
        return tuple(shown.first_read(each, self._context) for each in found)

    async def stream(self, call: Call) -> Response:
        """Stream matching requests; after `Last-Event-ID` or `after`, missed requests come first."""
        interval = call.query.seconds()
        wanted = call.query.filter(self._context.clock.real())
        await self._context.look_up(call.query.caller)
        known = self._context.callers.addresses(call.query.caller or "")
        last_seen = call.request.headers.get("last-event-id", "")
        # After a restart numbers start again, and the client has seen no request.
        if last_seen.isdecimal() and len(last_seen) < _NUMBER_DIGITS and int(last_seen) <= self._journal.last_number:
            wanted = msgspec.structs.replace(wanted, after=int(last_seen))
        # Later look-ups for other clients must not change the callers of this stream.
        is_target = self._context.callers.was_target
        matches = wanted.matcher(lambda address, target: address in known or is_target(address, target))
        if interval is not None:
            selects_all = wanted == Filter(after=wanted.after)
            filtering = None if selects_all else matches
            return RequestBatches(self._context, filtering, after=wanted.after, interval=interval)
        return RequestStream(self._context, matches, replays=wanted.after is not None)

    async def _shown(self, told: Sequence[Occurrences]) -> tuple[shown.ShownOccurrences, ...]:
        await self._context.callers.look_up({each.caller for each in told})
        return tuple(shown.occurrences(each, self._context) for each in told)
