"""The stream of recorded requests as server-sent events, for a limited number of clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import StreamingResponse

from imds_mock.control import shown
from imds_mock.control.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from imds_mock.control.context import ControlContext
    from imds_mock.state.entries import Entry

EVENT_STREAM: Final = "text/event-stream"
MAX_FOLLOWERS: Final = 16

KEEP_ALIVE_SECONDS: Final = 15.0
_QUEUE_ENTRIES: Final = 1000


def require_place(context: ControlContext) -> None:
    """Refuse another client that follows the requests, in either kind of stream.

    Raises:
        ProblemError: `MAX_FOLLOWERS` clients follow already.
    """
    if context.followers >= MAX_FOLLOWERS:
        raise ProblemError(503, f"Cannot follow: {MAX_FOLLOWERS} clients follow already; disconnect one of them.")


class RequestStream(StreamingResponse):
    """A response that continues until the client or the mock closes it.

    Args:
        context: The running mock.
        matches: Selects entries.
        replays: Begin with the entries that are in the journal already.
    """

    def __init__(self, context: ControlContext, matches: Callable[[Entry], bool], *, replays: bool) -> None:
        self._context = context
        self._journal = context.journal
        self._matches = matches
        self._replays = replays
        self._earlier: Sequence[Entry] = ()
        self._queue: asyncio.Queue[Entry | None] = asyncio.Queue(_QUEUE_ENTRIES)
        super().__init__(self._chunks(), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream.

        Raises:
            ProblemError: `MAX_FOLLOWERS` clients follow already.
        """
        # No await between the check and the registration, so two clients cannot take the last place. The registration
        # ends here and not in `_chunks`, which may never run.
        require_place(self._context)
        if self._replays:
            self._earlier = [entry for entry in self._journal if self._matches(entry)]
        enqueue = self._enqueue  # each access creates a new bound method
        self._journal.followers = (*self._journal.followers, enqueue)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._journal.followers = tuple(each for each in self._journal.followers if each is not enqueue)

    def _enqueue(self, entry: Entry) -> None:
        # A slow client loses entries; the data plane never waits for a client.
        if self._matches(entry) and not self._queue.full():
            self._queue.put_nowait(entry)

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield b": following\n\n"
        for entry in self._earlier:
            yield self._as_event(entry)
        self._earlier = ()
        while not self._context.closing.is_set():
            entry_or_none = await self._next()
            yield b":\n\n" if entry_or_none is None else self._as_event(entry_or_none)

    async def _next(self) -> Entry | None:
        getting = asyncio.ensure_future(self._queue.get())
        closing = asyncio.ensure_future(self._context.closing.wait())
        try:
            await asyncio.wait((getting, closing), timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return getting.result() if getting.done() else None
        finally:
            getting.cancel()
            closing.cancel()

    def _as_event(self, entry: Entry) -> bytes:
        data = msgspec.json.encode(shown.request(entry, self._context))
        return b"id: %d\nevent: request\ndata: %s\n\n" % (entry.number, data)
