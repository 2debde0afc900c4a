"""Keeps responses as the bytes that were sent, so that the same bytes of a request get them again.

A caller gets bytes again only while the service would make the same response: from the same snapshot, without faults,
and in the span of time in which the response is valid. In another second, only `Date` is written anew: a client that
asks every few seconds, and each of many callers, would otherwise always wait for a response that is made.
"""

from __future__ import annotations

from math import floor, nan
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.service.messages import http_date
from imds_mock.service.rules import SnapshotSource

if TYPE_CHECKING:
    from imds_mock.service.exchange import Exchange
    from imds_mock.service.rules import FaultInjector

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_EXCHANGE_BYTES: Final = 64 * 1024
_ENTRY_BYTES: Final = 1000  # what an exchange takes besides the bytes of its request and response
_DATE: Final = b"\r\nDate: "  # the first one is the header: no value before it has a line end
_LINE_END: Final = b"\r\n"


class Views(Protocol):
    """The snapshots of all callers."""

    @property
    def revision(self) -> object:
        """Another object once a caller may see another snapshot; None while that depends on the time as well."""


class ViewSource(SnapshotSource, Protocol):
    """Knows what each caller sees, and whether that may have changed."""

    @property
    def views(self) -> Views:
        """What all callers see now."""


class ExchangeCache:
    """The exchanges that may be repeated, by caller and bytes of the request; their memory is bounded.

    Args:
        snapshots: What each caller sees.
        faults: While any are armed, nothing is repeated.
    """

    __slots__ = ("_bytes", "_date", "_exchanges", "_faults", "_second", "_snapshots")

    def __init__(self, snapshots: ViewSource, faults: FaultInjector) -> None:
        self._snapshots = snapshots
        self._faults = faults
        self._bytes = 0
        self._second: float = nan
        self._date = b""
        self._exchanges: dict[tuple[str, bytes], Exchange] = {}

    def find(self, caller: str, asked: bytes, now: float) -> Exchange | None:
        """The exchange whose response a caller may be sent again now; None if there is none.

        Args:
            caller: The caller's IP address.
            asked: The bytes of the request.
            now: Wall-clock time in seconds since the epoch.
        """
        exchange = self._exchanges.get((caller, asked))
        if exchange is None or self._faults.armed:
            return None
        if not exchange.start <= now < exchange.end and not self._renew(exchange, now):
            return None
        revision = self._snapshots.views.revision
        # The snapshot of one of many callers is rarely in the processor's caches.
        if exchange.revision is revision is not None:
            return exchange
        try:
            mark = self._snapshots.snapshot_for(caller).mark
        except Exception:  # noqa: BLE001 - making the response fails as well, and that is reported
            return None
        if exchange.mark is not mark:
            return None
        exchange.revision = revision
        return exchange

    def keep(self, exchange: Exchange, asked: bytes, sent: bytes, now: float) -> None:
        """Keep what was sent, if it may be sent again.

        Args:
            exchange: The request and the response to it.
            asked: The bytes of the request.
            sent: The bytes of the response.
            now: Wall-clock time of the request in seconds since the epoch.
        """
        response = exchange.response
        if self._faults.armed or not response.start <= now < response.end or len(sent) > _MAX_EXCHANGE_BYTES:
            return
        _limit_to_second(exchange, now)
        exchange.data = sent if response.renew is None else sent[: -len(response.body)]
        exchange.mark = self._snapshots.snapshot_for(exchange.caller).mark
        key = exchange.caller, asked
        if key not in self._exchanges:
            size = len(asked) + len(sent) + _ENTRY_BYTES
            self._bytes += size
            if self._bytes > _MAX_BYTES:
                self._exchanges.clear()
                self._bytes = size
        self._exchanges[key] = exchange

    def _renew(self, exchange: Exchange, now: float) -> bool:
        """Write the current `Date` into the bytes of an exchange; False if its response is not valid now."""
        response = exchange.response
        if not response.start <= now < response.end:
            return False
        second = floor(now)
        if second != self._second:
            self._second, self._date = second, http_date(second).encode("ascii")
        before, name, rest = exchange.data.partition(_DATE)
        _, end, after = rest.partition(_LINE_END)
        exchange.data = b"".join((before, name, self._date, end, after))
        _limit_to_second(exchange, now)
        return True


def _limit_to_second(exchange: Exchange, now: float) -> None:
    """Let an exchange be repeated while its response is valid and its `Date` is that of now."""
    response = exchange.response
    second = float(floor(now))  # comparing a float with an integer takes longer
    exchange.start, exchange.end = max(response.start, second), min(response.end, second + 1)
