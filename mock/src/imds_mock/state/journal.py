"""The journal: the last requests and their responses, limited in number and memory.

Every request waits for `record`, so it only appends values; packing, counting, evicting and informing observers is done
for many entries at once. Entries never contain a token, a secret, a query or a header other than the user agent.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import chain
from typing import TYPE_CHECKING, Final

from imds_mock.service.exchange import UNKNOWN
from imds_mock.service.messages import ECS, EKS, TOKEN_HEADER, USER_AGENT_HEADER, Delivery
from imds_mock.state.entries import ECS_VERSION, EKS_VERSION, FAULTS, Batch, Recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_mock.service.exchange import Exchange, Kind
    from imds_mock.state.entries import Entry

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024

_AGENT_VERSIONS: Final = {ECS: ECS_VERSION, EKS: EKS_VERSION}
_BATCH: Final = 256
_MAX_KINDS: Final = 512
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


class Journal:
    """The recorded requests; the oldest ones are evicted.

    Args:
        max_entries: How many requests are kept.
        max_bytes: Approximately how much memory they may take.

    Attributes:
        followers: Called with each entry at once.
        batch_observers: Called once with every entry, and the number of each exchange, before the journal is read.
        on_evict: Called with the entries that are evicted, oldest first.
        offset_ago: Returns how far the mock's time was ahead of the real one some seconds ago; None as long as the
            clock was never moved.
    """

    __slots__ = (
        *("_fresh", "_has_many_faults", "_kept", "_kinds", "_long_bytes", "_max_bytes", "_max_entries", "_ring"),
        *("_settled", "_started_after", "_texts", "batch_observers", "followers", "offset_ago", "on_evict"),
    )

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ring: deque[Batch] = deque()
        self._kept = 0  # entries in the ring
        self._long_bytes = 0
        self._fresh = Recorded()
        self._has_many_faults = False
        self._kinds: dict[Kind, Kind] = {}
        self._texts: dict[str, str] = {}
        self._settled = self._started_after = 0
        self.followers: tuple[Callable[[Entry], None], ...] = ()
        self.batch_observers: tuple[Callable[[Batch, Counter[Exchange]], None], ...] = ()
        self.on_evict: Callable[[Batch], None] | None = None
        self.offset_ago: Callable[[float], float] | None = None

    def record(self, now: float, exchange: Exchange, microseconds: int) -> None:
        """Record a response, unless it does not count as a metadata request.

        Args:
            now: The mock's time at the arrival, in seconds since the epoch.
            exchange: The request and the response to it.
            microseconds: From receiving the request to sending the response.
        """
        if exchange.entry is UNKNOWN:
            if not exchange.response.counted:
                return
            exchange.entry = self._describe(exchange)
        fresh = self._fresh
        fresh.times.append(now)
        fresh.exchanges.append(exchange)
        fresh.microseconds.append(microseconds)
        if self.offset_ago is not None:
            fresh.clock_offsets.append(self.offset_ago(microseconds / _MICROSECONDS))
        if self.followers:
            entry = fresh.newest(self.last_number)
            for follow in self.followers:
                follow(entry)
        if len(fresh.exchanges) >= _BATCH:
            self.settle()

    def _describe(self, exchange: Exchange) -> tuple[Kind, str, str]:
        request, response = exchange.request, exchange.response
        status = response.head.status if response.delivery is _SEND else 0
        # Equal values are stored once, because clients repeat requests.
        same_kind, same = self._kinds.setdefault, self._texts.setdefault
        kind: Kind
        if request is None:
            kind = exchange.caller, "", 0, "absent", status, (), ""
            return same_kind(kind, kind), "", ""
        method = request.method
        if request.agent:
            version, token = _AGENT_VERSIONS[request.agent], "absent"
        elif response.token_ttl_seconds is not None:
            version, token = 2, "issued" if method == "PUT" else "valid"
        elif TOKEN_HEADER in request.headers and method != "PUT":
            version, token = 2, "rejected" if status == _REFUSED else "unchecked"
        else:
            version, token = 2 if method == "PUT" else 1, "absent"
        if len(response.faults) > _USUAL_FAULTS:
            self._has_many_faults = True
        user_agent = request.headers.get(USER_AGENT_HEADER, "")
        kind = exchange.caller, method, version, token, status, response.faults, user_agent
        path, written = request.path[:_MAX_PATH], request.target[:_MAX_PATH]
        return same_kind(kind, kind), same(path, path), same(written, written)

    def settle(self) -> None:
        """Add the entries recorded since the last call, then evict the oldest ones beyond the limits."""
        fresh, self._fresh = self._fresh, Recorded()
        if not fresh.exchanges:
            return
        batch, counts = Batch.of(self._settled + 1, fresh), Counter(fresh.exchanges)
        self._settled += len(batch)
        self._texts = {}
        # Kinds with other faults, callers or user agents come and go; entries keep the ones that they need.
        if self._has_many_faults or len(self._kinds) > _MAX_KINDS:
            self._kinds = {}
        for observe in self.batch_observers:
            observe(batch, counts)
        self._kept += len(batch)
        if self._has_many_faults or max(map(len, batch.written)) > _USUAL_PATH:
            self._long_bytes += _long_bytes(batch)
        self._has_many_faults = False
        ring = self._ring
        if ring and len(ring[-1]) < _BATCH:
            batch = ring.pop().followed_by(batch)
        ring.append(batch)
        while excess := self._excess():
            oldest = ring.popleft()
            evicted = oldest.part(0, excess)
            if excess < len(oldest):
                ring.appendleft(oldest.part(excess))
            self._kept -= len(evicted)
            if self._long_bytes:
                self._long_bytes -= _long_bytes(evicted)
            if self.on_evict is not None:
                self.on_evict(evicted)

    def _excess(self) -> int:
        """How many entries of the oldest batch are beyond the limits."""
        if not self._ring:
            return 0
        oldest = self._ring[0]
        excess = min(len(oldest), max(0, self._kept - self._max_entries))
        size = self._kept * _ENTRY_BYTES + self._long_bytes
        if size > self._max_bytes:
            sizes = [_ENTRY_BYTES + _extra_bytes(*each) for each in zip(oldest.written, oldest.kinds, strict=True)]
            size -= sum(sizes[:excess])
            while excess < len(sizes) and size > self._max_bytes:
                size -= sizes[excess]
                excess += 1
        return excess

    def __len__(self) -> int:
        self.settle()
        return self._kept

    def __iter__(self) -> Iterator[Entry]:
        """The entries, oldest first."""
        self.settle()
        return chain.from_iterable(tuple(self._ring))

    def latest(self) -> Iterator[Entry]:
        """The entries, newest first."""
        self.settle()
        return chain.from_iterable(map(reversed, tuple(reversed(self._ring))))

    def after(self, number: int) -> Sequence[Entry]:
        """The entries after the one with a number, oldest first."""
        self.settle()
        return [
            entry
            for batch in self._ring
            if batch.first_number + len(batch) > number + 1
            for entry in batch.part(max(0, number + 1 - batch.first_number))
        ]

    def sample(self, number: int, most: int) -> tuple[Sequence[Entry], int]:
        """An even sample of the entries after the one with a number, and how many there are.

        Args:
            number: A number.
            most: Size of the sample; up to this many entries are returned completely.
        """
        total = max(0, self.last_number - max(number, self.first_number - 1))
        if total <= most:
            return self.after(number), total
        step = -(-total // most)
        found: list[Entry] = []
        for batch in self._ring:
            start = max(number + 1, batch.first_number)
            start += (self.last_number - start) % step  # the last entry is one of them
            found += batch.at(slice(start - batch.first_number, None, step))
        return found, total

    @property
    def last_number(self) -> int:
        """The number of the newest entry ever recorded; 0 before the first one."""
        return self._settled + len(self._fresh.exchanges)

    @property
    def first_number(self) -> int:
        """The number of the oldest entry kept, or of the next one if there is none."""
        self.settle()
        return self._ring[0].first_number if self._ring else self._settled + 1

    @property
    def recorded(self) -> int:
        """How many entries were recorded since the start or the last `restart`."""
        return self.last_number - self._started_after

    def restart(self) -> None:
        """Drop all entries and count from 0 again."""
        self.clear()
        self._started_after = self._settled

    def clear(self) -> None:
        """Drop all entries; their numbers are not used again."""
        self.settle()
        self._ring.clear()
        self._kept = self._long_bytes = 0


def _long_bytes(batch: Batch) -> int:
    return sum(map(_extra_bytes, batch.written, batch.kinds))


def _extra_bytes(written: str, kind: Kind) -> int:
    text = len(written) * _CHARACTER_BYTES if len(written) > _USUAL_PATH else 0
    return text + (len(kind[FAULTS]) * _FAULT_BYTES if len(kind[FAULTS]) > _USUAL_FAULTS else 0)
