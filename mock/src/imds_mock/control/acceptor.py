"""Accepts connections to the control plane's TCP port at a limited rate, so that a flood cannot delay the data plane.

The event loop's own listeners accept a whole burst at once, and each connection allocates an HTTP parser. The acceptor
accepts one connection per iteration of the loop, and closes connections above a peer's rate before allocating anything.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from typing import Any

BURST: Final = 40.0
"""Connections that a peer without priority may open at once."""

PER_SECOND: Final = 20.0
"""Connections per second that it may open after a burst."""

MAX_PEERS: Final = 256
"""Addresses with a rate of their own; above this number the least recently seen one is forgotten."""

_PAUSE_SECONDS: Final = 0.1


class RateLimiter:
    """A token bucket for each address.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # connections left and time of update; oldest first
        self._exempt: dict[str, None] = {}

    def exempt(self, address: str) -> None:
        """Set no limit for an address whose client has shown the token."""
        self._exempt[address] = None
        if len(self._exempt) > MAX_PEERS:
            del self._exempt[next(iter(self._exempt))]

    def admits(self, address: str) -> bool:
        """Count a new connection; return whether it is within the address's rate."""
        if address in self._exempt:
            return True
        now = self._clock()
        left, updated = self._buckets.pop(address, (BURST, now))
        left = min(BURST, left + (now - updated) * PER_SECOND)
        admitted = left >= 1
        self._buckets[address] = (left - 1 if admitted else left, now)
        if len(self._buckets) > MAX_PEERS:
            del self._buckets[next(iter(self._buckets))]
        return admitted


class Acceptor:
    """Accepts connections on listening TCP sockets until `close`.

    Args:
        listening: Listening, non-blocking sockets; `close` closes them.
        has_priority: Tells whether an address is exempt from the rate.
        rates: The rates of all other addresses.
        protocol: Creates the protocol of a connection.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        has_priority: Callable[[str], bool],
        rates: RateLimiter,
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = tuple(listening)
        self._has_priority = has_priority
        self._rates = rates
        self._protocol = protocol
        self._connecting: set[asyncio.Task[Any]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        for each in self._listening:
            self._start(each)

    def close(self) -> None:
        """Accept no more connections."""
        for each in self._listening:
            if (pause := self._pauses.pop(each, None)) is not None:
                pause.cancel()
            if each.fileno() >= 0:
                self._loop.remove_reader(each)
                each.close()

    def _start(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, peer = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # Without a free descriptor the connection stays queued, and the loop would report it in each iteration.
            self._loop.remove_reader(listening)
            self._pauses[listening] = self._loop.call_later(_PAUSE_SECONDS, self._start, listening)
            return
        if not self._has_priority(peer[0]) and not self._rates.admits(peer[0]):
            client.close()
            return
        client.setblocking(False)
        connecting = self._loop.create_task(self._connect(client))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has disconnected
            await self._loop.connect_accepted_socket(self._protocol, client)
