"""The journal: the last requests and their responses, limited in number and memory.

Every request waits for `record`, so it only appends an entry; counting, evicting and informing observers is done for
many entries at once. Entries never contain a token, a secret, a query or a header other than the user agent.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.service.messages import ECS, EKS, TOKEN_HEADER, USER_AGENT_HEADER, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_mock.service.messages import Request, Response

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024

ECS_VERSION: Final = 3
EKS_VERSION: Final = 4
VERSION_NAMES: Final = {1: "v1", 2: "v2", ECS_VERSION: ECS, EKS_VERSION: EKS}
"""The names of the versions in the API."""

_AGENT_VERSIONS: Final = {ECS: ECS_VERSION, EKS: EKS_VERSION}

_BATCH: Final = 256
_MAX_PATH: Final = 1024
# An entry with a path of usual length, the longest user agent and the usual number of faults. Longer paths count by
# their characters, further faults by their ids, which an entry may be the last to hold.
_ENTRY_BYTES: Final = 1100
_USUAL_PATH: Final = 80
_CHARACTER_BYTES: Final = 8
_USUAL_FAULTS: Final = 2
_FAULT_BYTES: Final = 96
_SEND: Final = Delivery.SEND
_REFUSED: Final = 401
_MICROSECONDS: Final = 1_000_000


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


class Journal:
    """The recorded requests; the oldest ones are evicted.

    Args:
        max_entries: How many requests are kept.
        max_bytes: Approximately how much memory they may take.

    Attributes:
        followers: Called with each entry at once.
        batch_observers: Called once with every entry, later, but before the journal is read.
        on_evict: Called with the entries that are evicted, oldest first.
        offset_ago: Returns how far the mock's time was ahead of the real one some seconds ago; None as long as the
            clock was never moved.
    """

    __slots__ = ("_fresh", "_long_bytes", "_max_bytes", "_max_entries", "_number", "_ring", "_started_after",
                 "batch_observers", "followers", "offset_ago", "on_evict")  # fmt: skip

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ring: deque[Entry] = deque()
        self._fresh: list[Entry] = []
        self._long_bytes = 0
        self._number = self._started_after = 0
        self.followers: tuple[Callable[[Entry], None], ...] = ()
        self.batch_observers: tuple[Callable[[Sequence[Entry]], None], ...] = ()
        self.on_evict: Callable[[Sequence[Entry]], None] | None = None
        self.offset_ago: Callable[[float], float] | None = None

    def record(self, now: float, caller: str, request: Request | None, response: Response, microseconds: int) -> None:
        """Record a response, unless it does not count as a metadata request.

        Args:
            now: The mock's time at the arrival, in seconds since the epoch.
            caller: The caller's IP address.
            request: The request; None if the bytes could not be parsed.
            response: The response to it.
            microseconds: From receiving the request to sending the response.
        """
        if not response.counted:
            return
        self._number = number = self._number + 1
        status = response.head.status if response.delivery is _SEND else 0
        offset = 0.0 if self.offset_ago is None else self.offset_ago(microseconds / _MICROSECONDS)
        if request is None:
            entry = Entry(number, now, caller, "", "", "", 0, "absent", status, microseconds, (), offset)
        else:
            method = request.method
            if request.agent:
                version, token = _AGENT_VERSIONS[request.agent], "absent"
            elif response.token_ttl_seconds is not None:
                version, token = 2, "issued" if method == "PUT" else "valid"
            elif TOKEN_HEADER in request.headers and method != "PUT":
                version, token = 2, "rejected" if status == _REFUSED else "unchecked"
            else:
                version, token = 2 if method == "PUT" else 1, "absent"
            path, written = request.path, request.target
            if len(written) > _MAX_PATH:
                path, written = path[:_MAX_PATH], written[:_MAX_PATH]
            entry = Entry(
                number,
                now,
                caller,
                method,
                path,
                written,
                version,
                token,
                status,
                microseconds,
                response.faults,
                offset,
                request.headers.get(USER_AGENT_HEADER, ""),
            )
        fresh = self._fresh
        fresh.append(entry)
        if self.followers:
            for follow in self.followers:
                follow(entry)
        if len(fresh) >= _BATCH:
            self.settle()

    def settle(self) -> None:
        """Add the entries recorded since the last call, then evict the oldest ones beyond the limits."""
        fresh = self._fresh
        if not fresh:
            return
        self._fresh = []
        for observe in self.batch_observers:
            observe(fresh)
        ring = self._ring
        ring.extend(fresh)
        # The condition is repeated inline: a call for each entry would take a fifth of the time of recording.
        self._long_bytes += sum(
            [
                _extra_bytes(each)
                for each in fresh
                if len(each.written) > _USUAL_PATH or len(each.faults) > _USUAL_FAULTS
            ]
        )
        evicted = []
        while len(ring) > self._max_entries or len(ring) * _ENTRY_BYTES + self._long_bytes > self._max_bytes:
            oldest = ring.popleft()
            if len(oldest.written) > _USUAL_PATH or len(oldest.faults) > _USUAL_FAULTS:
                self._long_bytes -= _extra_bytes(oldest)
            evicted.append(oldest)
        if evicted and self.on_evict is not None:
            self.on_evict(evicted)

    def __len__(self) -> int:
        self.settle()
        return len(self._ring)

    def __iter__(self) -> Iterator[Entry]:
        """The entries, oldest first."""
        self.settle()
        return iter(tuple(self._ring))

    def latest(self) -> Iterator[Entry]:
        """The entries, newest first."""
        self.settle()
        return iter(tuple(reversed(self._ring)))

    def after(self, number: int) -> Sequence[Entry]:
        """The entries after the one with a number, oldest first."""
        self.settle()
        count = min(max(0, self._number - number), len(self._ring))
        newest = list(islice(reversed(self._ring), count))
        newest.reverse()
        return newest

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever recorded; 0 before the first one."""
        return self._number

    @property
    def first_number(self) -> int:
        """The number of the oldest entry kept, or of the next one if there is none."""
        self.settle()
        return self._ring[0].number if self._ring else self._number + 1

    @property
    def recorded(self) -> int:
        """How many entries were recorded since the start or the last `restart`."""
        return self._number - self._started_after

    def restart(self) -> None:
        """Drop all entries and count from 0 again."""
        self.clear()
        self._started_after = self._number

    def clear(self) -> None:
        """Drop all entries; their numbers are not used again."""
        self.settle()
        self._ring.clear()
        self._long_bytes = 0


def _extra_bytes(entry: Entry) -> int:
    text = len(entry.written) * _CHARACTER_BYTES if len(entry.written) > _USUAL_PATH else 0
    return text + (len(entry.faults) * _FAULT_BYTES if len(entry.faults) > _USUAL_FAULTS else 0)
