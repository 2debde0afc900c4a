"""Keeps responses as the bytes that were sent, so that the same bytes of a request get them again.

A caller gets bytes again only while the service would make the same response: from the same snapshot, without faults,
in the span of time in which the response is valid, and in the same second, because of `Date`.
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from imds_mock.service.exchange import Exchange

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_EXCHANGE_BYTES: Final = 64 * 1024
_ENTRY_BYTES: Final = 1000  # what an exchange takes besides the bytes of its request and response

Exchanges = dict[tuple[str, bytes], "Exchange"]
"""Exchanges by caller and bytes of the request."""


class ExchangeCache:
    """Adds exchanges to those of snapshots, and bounds the memory that all of them take."""

    __slots__ = ("_bytes", "_filled")

    def __init__(self) -> None:
        self._bytes = 0
        self._filled: list[Exchanges] = []

    def add(self, exchanges: Exchanges, exchange: Exchange, asked: bytes, sent: bytes, now: float) -> None:
        """Keep what was sent, if it may be sent again.

        Args:
            exchanges: The exchanges of the caller's snapshot.
            exchange: The request and the response to it.
            asked: The bytes of the request.
            sent: The bytes of the response.
            now: Wall-clock time of the request in seconds since the epoch.
        """
        response = exchange.response
        if not response.start <= now < response.end or len(sent) > _MAX_EXCHANGE_BYTES:
            return
        second = floor(now)
        exchange.start, exchange.end = max(response.start, second), min(response.end, second + 1)
        exchange.data = sent if response.renew is None else sent[: -len(response.body)]
        key = exchange.caller, asked
        if key not in exchanges:
            self._bytes += len(asked) + len(sent) + _ENTRY_BYTES
            if self._bytes > _MAX_BYTES:
                for each in self._filled:
                    each.clear()
                self._filled.clear()
                self._bytes = len(asked) + len(sent) + _ENTRY_BYTES
            if not exchanges:
                self._filled.append(exchanges)
        exchanges[key] = exchange
