"""When each caller first read what an event changes: the notice, or the leaves that the event shows instead.

Reads of notices are kept when their entries are evicted, so they cover the time since the journal was cleared; reads of
other paths are known as long as the journal holds them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from imds_mock.events.kinds import NOTICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from imds_mock.events.armed import ArmedEvent
    from imds_mock.state.entries import Entry
    from imds_mock.state.journal import Journal

_MAX_KEPT: Final = 10_000
_OK: Final = 200


class FirstRead(msgspec.Struct, frozen=True):
    """A caller's first read of what an event changes.

    Attributes:
        event: Id of the event.
        caller: The caller's IP address.
        path: The path that it read, without the version.
        number: Number of the request.
        time: The mock's time of the request, in seconds since the epoch.
        seconds: From the start of the event to the request, on the mock's clock.
    """

    event: str
    caller: str
    path: str
    number: int
    time: float
    seconds: float


class _Read(msgspec.Struct, frozen=True, gc=False):
    number: int
    time: float
    caller: str
    path: str


class _Wanted(NamedTuple):
    """What counts as a read of an event: paths, and prefixes of paths."""

    armed: ArmedEvent
    paths: frozenset[str]
    prefixes: tuple[str, ...]

    def counts(self, read: _Read) -> bool:
        return read.time in self.armed.period.window and (
            read.path in self.paths or read.path.startswith(self.prefixes or ("\0",))
        )


class FirstReads:
    """Finds the first reads of events.

    Args:
        journal: The journal.
        is_target: Whether an address matches a target.
    """

    def __init__(self, journal: Journal, is_target: Callable[[str, str], bool]) -> None:
        self._journal = journal
        self._is_target = is_target
        self._evicted: deque[_Read] = deque(maxlen=_MAX_KEPT)

    def keep(self, entry: Entry) -> None:
        """Keep an entry that is evicted from the journal, if it is the read of a notice."""
        read = _read_of(entry)
        if read is not None and read.path in NOTICES:
            self._evicted.append(read)

    def clear(self) -> None:
        """Drop all reads that were kept."""
        self._evicted.clear()

    def of(self, events: Iterable[ArmedEvent]) -> list[FirstRead]:
        """The first read by each caller of each event.

        Args:
            events: The events.

        Returns:
            In the order of the events, then of the requests. Only callers that the event is for, and only requests
            with a successful response while it was active.
        """
        wanted = [each for each in map(_wanted, events) if each.paths or each.prefixes]
        if not wanted:
            return []
        every = tuple(self._reads({path for each in wanted for path in each.paths}, _prefixes(wanted)))
        return [found for each in wanted for found in self._first(each, every)]

    def _reads(self, paths: set[str], prefixes: tuple[str, ...]) -> Iterator[_Read]:
        entries = iter(self._journal)  # first, because this may evict entries
        yield from self._evicted
        endings = tuple({path.rpartition("/")[2] for path in paths})
        for entry in entries:
            # Most entries are not reads of an event, and this check is faster than `_read_of`.
            if entry.path.endswith(endings) or any(prefix in entry.path for prefix in prefixes):
                read = _read_of(entry)
                if read is not None:
                    yield read

    def _first(self, wanted: _Wanted, every: Sequence[_Read]) -> Iterator[FirstRead]:
        armed, target, seen = wanted.armed, wanted.armed.event.target, set[str]()
        for read in every:
            if read.caller in seen or not wanted.counts(read):
                continue
            if target is None or self._is_target(read.caller, target):
                seen.add(read.caller)
                seconds = read.time - armed.period.planned.start
                yield FirstRead(armed.id, read.caller, read.path, read.number, read.time, seconds)


def _wanted(armed: ArmedEvent) -> _Wanted:
    event = armed.event
    paths = event.notice_paths or tuple(path for path, _layer in event.layers(armed.period))
    return _Wanted(
        armed,
        frozenset(path for path in paths if not path.endswith("*")),
        tuple(path[:-1] for path in paths if path.endswith("*")),
    )


def _prefixes(wanted: Iterable[_Wanted]) -> tuple[str, ...]:
    return tuple({prefix for each in wanted for prefix in each.prefixes})


def _read_of(entry: Entry) -> _Read | None:
    """The read of a leaf; None for other requests and refused ones."""
    if entry.status != _OK or entry.method != "GET":
        return None
    return _Read(entry.number, entry.time, entry.caller, entry.path[1:].partition("/")[2])
