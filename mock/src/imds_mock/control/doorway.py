"""Accepts connections of the control plane's TCP port, so that a flood of them cannot delay the data plane.

The event loop's own listeners accept whole bursts at once, and each connection costs an HTTP parser. Here each turn of
the loop accepts one, and peers that are not near are held to a rate before anything is made for them.
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
"""Connections that a peer which is not near may open at once."""

PER_SECOND: Final = 20.0
"""Connections that it may open in the long run."""

MAX_PEERS: Final = 256
"""Addresses with a rate of their own; beyond them the one seen longest ago is forgotten."""

_PAUSE_SECONDS: Final = 0.1


class Rates:
    """How many connections peers that are not near have left.

    Args:
        clock: Seconds on a clock that only goes forward.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # connections left, and when; the latest at the end
        self._trusted: dict[str, None] = {}

    def trust(self, address: str) -> None:
        """Set no limit for an address whose client has shown the token."""
        self._trusted[address] = None
        if len(self._trusted) > MAX_PEERS:
            del self._trusted[next(iter(self._trusted))]

    def admits(self, address: str) -> bool:
        """Whether a new connection from an address is within its rate."""
        if address in self._trusted:
            return True
        now = self._clock()
        left, before = self._left.pop(address, (BURST, now))
        left = min(BURST, left + (now - before) * PER_SECOND)
        admitted = left >= 1
        self._left[address] = (left - 1 if admitted else left, now)
        if len(self._left) > MAX_PEERS:
            del self._left[next(iter(self._left))]
        return admitted


class Doorway:
    """Accepts connections on listening TCP sockets until it is closed.

    Args:
        listening: Listening sockets, non-blocking; `close` closes them.
        is_near: Tells whether an address is near; such peers have no rate.
        rates: The rates of the others.
        protocol: Makes the protocol of a connection.
    """

    def __init__(
        self,
        listening: Sequence[socket.socket],
        is_near: Callable[[str], bool],
        rates: Rates,
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = tuple(listening)
        self._is_near = is_near
        self._rates = rates
        self._protocol = protocol
        self._connecting: set[asyncio.Task[Any]] = set()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        for each in self._listening:
            self._open(each)

    def close(self) -> None:
        """Accept no more connections."""
        for each in self._listening:
            if (pause := self._pauses.pop(each, None)) is not None:
                pause.cancel()
            if each.fileno() >= 0:
                self._loop.remove_reader(each)
                each.close()

    def _open(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            client, peer = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            # Without a free descriptor the connection stays in the queue, and would be reported without end.
            self._loop.remove_reader(listening)
            self._pauses[listening] = self._loop.call_later(_PAUSE_SECONDS, self._open, listening)
            return
        if not self._is_near(peer[0]) and not self._rates.admits(peer[0]):
            client.close()
            return
        client.setblocking(False)
        connecting = self._loop.create_task(self._connect(client))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    async def _connect(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has gone
            await self._loop.connect_accepted_socket(self._protocol, client)
