"""The stream of recorded requests in batches: a bounded amount of work, however many requests arrive.

The data plane does nothing for this stream: it reads the journal once in each interval.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import StreamingResponse

from imds_mock.control import shown
from imds_mock.control.request_stream import EVENT_STREAM, KEEP_ALIVE_SECONDS, require_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from imds_mock.control.context import ControlContext
    from imds_mock.state.entries import Entry

MAX_BATCH: Final = 100
"""Most requests in a batch; if there are more, an even sample is sent: encoding 1000 takes 4 ms."""
_EARLIER_BATCH: Final = 250


class RequestBatch(msgspec.Struct, frozen=True):
    """One event of the stream.

    Attributes:
        requests: The requests, oldest first.
        last: Number of the latest request up to which the journal was read.
        skipped: How many requests were left out, because there were more than fit into a batch.
    """

    requests: tuple[shown.ShownRequest, ...]
    last: int
    skipped: int


class RequestBatches(StreamingResponse):
    """A response that continues until the client or the mock closes it.

    Args:
        context: The running mock.
        matches: Selects entries; None selects all.
        after: Number of the entry after which it begins; None: with the next request.
        interval: Seconds between two batches.
    """

    def __init__(
        self, context: ControlContext, matches: Callable[[Entry], bool] | None, *, after: int | None, interval: float
    ) -> None:
        self._context = context
        self._journal = context.journal
        self._matches = matches
        self._interval = interval
        self._last = self._journal.last_number if after is None else after
        super().__init__(self._chunks(), media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream.

        Raises:
            ProblemError: `MAX_FOLLOWERS` clients follow already.
        """
        require_place(self._context)
        self._context.batch_followers += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._context.batch_followers -= 1

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield b": following\n\n"
        # All requests in the journal are sent first, in steps, so that metadata requests are answered in between.
        earlier = self._matching(self._journal.after(self._last))
        self._last = self._journal.last_number
        for start in range(0, len(earlier), _EARLIER_BATCH):
            yield self._as_event(earlier[start : start + _EARLIER_BATCH], 0)
            await self._context.pacer.wait()
        silent_since = time.monotonic()
        while not await self._closed():
            sample, skipped = self._next()
            if sample:
                yield self._as_event(sample, skipped)
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since >= KEEP_ALIVE_SECONDS:
                yield b":\n\n"
                silent_since = time.monotonic()

    async def _closed(self) -> bool:
        """Wait for an interval; returns whether the mock closes its streams."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._context.closing.wait()
        return self._context.closing.is_set()

    def _next(self) -> tuple[Sequence[Entry], int]:
        """The matching entries since the last call, oldest first, and how many are left out."""
        after, self._last = self._last, self._journal.last_number
        if after == self._last:
            return (), 0
        if self._matches is None:
            sample, total = self._journal.sample(after, MAX_BATCH)
            return sample, total - len(sample)
        found = self._matching(self._journal.after(after))
        sample = found if len(found) <= MAX_BATCH else _evenly(found)
        return sample, len(found) - len(sample)

    def _matching(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        return entries if self._matches is None else list(filter(self._matches, entries))

    def _as_event(self, entries: Sequence[Entry], skipped: int) -> bytes:
        requests = tuple(shown.request(entry, self._context) for entry in entries)
        data = msgspec.json.encode(RequestBatch(requests, self._last, skipped))
        return b"id: %d\nevent: requests\ndata: %s\n\n" % (entries[-1].number, data)


def _evenly(entries: Sequence[Entry]) -> Sequence[Entry]:
    """An even sample of `MAX_BATCH` entries, the latest one included."""
    step = len(entries) / MAX_BATCH
    return [entries[int((index + 1) * step) - 1] for index in range(MAX_BATCH)]
