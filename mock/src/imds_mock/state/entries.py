"""The entries of the journal, and batches that hold many of them in little memory.

Without its texts, an entry takes about 200 bytes as an object and 48 bytes in a batch: numbers are in arrays, and what
is equal in most entries is one object.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.service.messages import ECS, EKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.service.exchange import Exchange, Kind

ECS_VERSION: Final = 3
EKS_VERSION: Final = 4
VERSION_NAMES: Final = {1: "v1", 2: "v2", ECS_VERSION: ECS, EKS_VERSION: EKS}
"""The names of the versions in the API."""

# Places in `Kind`.
CALLER: Final = 0
VERSION: Final = 2
TOKEN: Final = 3
STATUS: Final = 4
FAULTS: Final = 5


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One request and its response.

    Attributes:
        number: The position in the order of arrival, from 1.
        time: The mock's time at the arrival, in seconds since the epoch.
        caller: The caller's IP address.
        method: Empty for bytes that could not be parsed.
        path: The path, decoded, with single slashes; cut after 1024 characters, like `written`.
        written: The path as it was sent, without the query.
        version: 1 or 2 for IMDSv1 or IMDSv2; 0 for bytes that could not be parsed; `ECS_VERSION` or `EKS_VERSION` for
            a request to an agent.
        token: `absent`, `issued`, `valid`, `rejected`, or `unchecked` if the response was sent before the check.
        status: HTTP status code; 0 if there was no response.
        microseconds: From receiving the request to sending the response.
        faults: The ids of the faults that changed the response.
        clock_offset: How many seconds the mock's time was ahead of the real one.
        user_agent: The header `User-Agent`, cut after 256 characters; empty if there was none.
    """

    number: int
    time: float
    caller: str
    method: str
    path: str
    written: str
    version: int
    token: str
    status: int
    microseconds: int
    faults: tuple[str, ...] = ()
    clock_offset: float = 0.0
    user_agent: str = ""

    @property
    def real_time(self) -> float:
        """The real time at the arrival, in seconds since the epoch."""
        return self.time - self.clock_offset


class Recorded:
    """Entries just recorded, as columns; the values are those of `Entry`."""

    __slots__ = ("clock_offsets", "exchanges", "microseconds", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.exchanges: list[Exchange] = []
        self.microseconds: list[int] = []
        self.clock_offsets: list[float] = []

    def newest(self, number: int) -> Entry:
        """The entry recorded last.

        Args:
            number: Its number.
        """
        (caller, method, version, token, status, faults, user_agent), path, written = self.exchanges[-1].entry
        return Entry(
            number,
            self.times[-1],
            caller,
            method,
            path,
            written,
            version,
            token,
            status,
            self.microseconds[-1],
            faults,
            self.clock_offsets[-1] if self.clock_offsets else 0.0,
            user_agent,
        )


class Batch:
    """Entries that arrived one after another, oldest first; each `Entry` is built when it is asked for.

    Args:
        first_number: The number of the first entry.
        times: Their times.
        kinds: Their kinds.
        paths: Their paths.
        written: Their paths as they were sent.
        microseconds: Their durations.
        clock_offsets: Their clock offsets.
    """

    __slots__ = ("clock_offsets", "first_number", "kinds", "microseconds", "paths", "times", "written")

    def __init__(  # noqa: PLR0913, PLR0917 - one for each column
        self,
        first_number: int,
        times: array[float],
        kinds: tuple[Kind, ...],
        paths: tuple[str, ...],
        written: tuple[str, ...],
        microseconds: array[int],
        clock_offsets: array[float],
    ) -> None:
        self.first_number = first_number
        self.times = times
        self.kinds = kinds
        self.paths = paths
        self.written = written
        self.microseconds = microseconds
        self.clock_offsets = clock_offsets

    @classmethod
    def of(cls, first_number: int, recorded: Recorded) -> Batch:
        """The batch of entries just recorded, at least one.

        Args:
            first_number: The number of the first one.
            recorded: The entries.
        """
        kinds, paths, written = zip(*[exchange.entry for exchange in recorded.exchanges], strict=True)
        offsets = recorded.clock_offsets
        return cls(
            first_number,
            array("d", recorded.times),
            kinds,
            paths,
            written,
            array("q", recorded.microseconds),
            # Offsets are recorded once the clock was moved.
            array("d", [0.0] * (len(kinds) - len(offsets)) + offsets),
        )

    def __len__(self) -> int:
        return len(self.kinds)

    def __iter__(self) -> Iterator[Entry]:
        return self.at(slice(None))

    def at(self, places: slice) -> Iterator[Entry]:
        """The entries at some places, such as every tenth."""
        numbers = range(self.first_number, self.first_number + len(self.kinds))[places]
        if not numbers:
            return iter(())
        callers, methods, versions, tokens, statuses, faults, user_agents = zip(*self.kinds[places], strict=True)
        # One call of C code for each entry: queries read whole journals.
        return map(
            Entry,
            numbers,
            self.times[places],
            callers,
            methods,
            self.paths[places],
            self.written[places],
            versions,
            tokens,
            statuses,
            self.microseconds[places],
            faults,
            self.clock_offsets[places],
            user_agents,
        )

    def __reversed__(self) -> Iterator[Entry]:
        return reversed(tuple(self))

    def part(self, start: int, end: int | None = None) -> Batch:
        """The entries from one place up to another or to the end."""
        return Batch(
            self.first_number + start,
            self.times[start:end],
            self.kinds[start:end],
            self.paths[start:end],
            self.written[start:end],
            self.microseconds[start:end],
            self.clock_offsets[start:end],
        )

    def followed_by(self, later: Batch) -> Batch:
        """One batch of these entries and the ones that arrived after them."""
        return Batch(
            self.first_number,
            self.times + later.times,
            self.kinds + later.kinds,
            self.paths + later.paths,
            self.written + later.written,
            self.microseconds + later.microseconds,
            self.clock_offsets + later.clock_offsets,
        )
