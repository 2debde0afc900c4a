"""What was asked, by whom and how it was answered: the last requests in a ring that is bounded in number and memory.

Recording stands on every request's way, so it only makes an entry and appends it; counting, evicting and telling the
observers of batches happens once for many. There is never a token, a secret, a header or a query in an entry.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.service.messages import ECS, EKS, TOKEN_HEADER, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imds_mock.service.messages import Request, Response

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024

ECS_VERSION: Final = 3
EKS_VERSION: Final = 4
VERSION_NAMES: Final = {1: "v1", 2: "v2", ECS_VERSION: ECS, EKS_VERSION: EKS}
"""What people call the versions of the protocol."""

_AGENT_VERSIONS: Final = {ECS: ECS_VERSION, EKS: EKS_VERSION}

_BATCH: Final = 256
_MAX_PATH: Final = 1024
# An entry with its numbers, its place in the ring, texts of usual length and the usual faults; longer texts count by
# their characters, more faults each with the text of its id: one that was removed may live on in this entry alone.
_ENTRY_BYTES: Final = 800
_USUAL_PATH: Final = 80
_CHARACTER_BYTES: Final = 8
_USUAL_FAULTS: Final = 2
_FAULT_BYTES: Final = 96
_SEND: Final = Delivery.SEND
_REFUSED: Final = 401


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One request and its answer.

    Attributes:
        number: Counts from 1; the order of arrival.
        time: Wall-clock time in seconds since the epoch.
        caller: Address of the peer.
        method: Empty for bytes that were no request.
        path: The path asked for, decoded, slashes made single; cut after 1024 characters, like `written`.
        written: The path as it was written, without a query.
        version: 1 or 2 for IMDSv1 or IMDSv2; 0 for bytes that were no request; `ECS_VERSION` or `EKS_VERSION` for what
            was asked of an agent of containers.
        token: `absent`, `issued`, `valid`, `rejected`, or `unchecked` when the answer came before the check.
        status: HTTP status code; 0 when there was no answer.
        microseconds: From receiving to writing.
        faults: The faults that made the answer, by id.
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


class Journal:
    """The ring.

    Args:
        max_entries: How many requests are kept.
        max_bytes: Roughly how much memory they may take.
    """

    __slots__ = ("_fresh", "_long_bytes", "_max_bytes", "_max_entries", "_number", "_ring", "_started_after",
                 "batch_observers", "followers", "forgotten")  # fmt: skip

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._ring: deque[Entry] = deque()
        self._fresh: list[Entry] = []
        self._long_bytes = 0
        self._number = self._started_after = 0
        self.followers: tuple[Callable[[Entry], None], ...] = ()
        """Called with each entry at once."""
        self.batch_observers: tuple[Callable[[Sequence[Entry]], None], ...] = ()
        """Called with every entry exactly once, some time later but before anybody reads the journal."""
        self.forgotten: Callable[[Sequence[Entry]], None] | None = None
        """Called with the entries that leave the ring because it is full, oldest first."""

    def record(self, now: float, caller: str, request: Request | None, response: Response, microseconds: int) -> None:
        """Note an answer; what does not count as a metadata call is left out.

        Args:
            now: Wall-clock time of the request in seconds since the epoch.
            caller: Address of the peer.
            request: The request, None for bytes that were none.
            response: What it was answered with.
            microseconds: From receiving to writing.
        """
        if not response.counted:
            return
        self._number = number = self._number + 1
        status = response.head.status if response.delivery is _SEND else 0
        if request is None:
            entry = Entry(number, now, caller, "", "", "", 0, "absent", status, microseconds)
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
                number, now, caller, method, path, written, version, token, status, microseconds, response.faults
            )
        fresh = self._fresh
        fresh.append(entry)
        if self.followers:
            for follow in self.followers:
                follow(entry)
        if len(fresh) >= _BATCH:
            self.settle()

    def settle(self) -> None:
        """Bring everything that was recorded into the ring, and the ring within its bounds."""
        fresh = self._fresh
        if not fresh:
            return
        self._fresh = []
        for observe in self.batch_observers:
            observe(fresh)
        ring = self._ring
        ring.extend(fresh)
        # Written out in both places: a call for each entry is a fifth of what recording costs.
        self._long_bytes += sum(
            [
                _extra_bytes(each)
                for each in fresh
                if len(each.written) > _USUAL_PATH or len(each.faults) > _USUAL_FAULTS
            ]
        )
        forgotten = []
        while len(ring) > self._max_entries or len(ring) * _ENTRY_BYTES + self._long_bytes > self._max_bytes:
            oldest = ring.popleft()
            if len(oldest.written) > _USUAL_PATH or len(oldest.faults) > _USUAL_FAULTS:
                self._long_bytes -= _extra_bytes(oldest)
            forgotten.append(oldest)
        if forgotten and self.forgotten is not None:
            self.forgotten(forgotten)

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

    @property
    def last_number(self) -> int:
        """Number of the newest entry ever recorded; 0 before the first."""
        return self._number

    @property
    def first_number(self) -> int:
        """Number of the oldest entry that is still there, or would be the next one."""
        self.settle()
        return self._ring[0].number if self._ring else self._number + 1

    @property
    def recorded(self) -> int:
        """How many entries were recorded since the start, or since the last `restart`."""
        return self._number - self._started_after

    def restart(self) -> None:
        """Forget all entries, and count from here on."""
        self.clear()
        self._started_after = self._number

    def clear(self) -> None:
        """Forget all entries; numbers go on."""
        self.settle()
        self._ring.clear()
        self._long_bytes = 0


def _extra_bytes(entry: Entry) -> int:
    text = len(entry.written) * _CHARACTER_BYTES if len(entry.written) > _USUAL_PATH else 0
    return text + (len(entry.faults) * _FAULT_BYTES if len(entry.faults) > _USUAL_FAULTS else 0)
