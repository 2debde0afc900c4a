"""A client that closes its side of the connection while its answer is held back: is it still reading?

A client that only half-closes (busybox `nc`) and a client that has given up both send FIN. The difference shows when
bytes arrive: a client that is gone replies with a reset (RFC 9293 3.6, 3.10.7). The mock therefore asks with bytes of
the answer: with the whole answer where it is due soon, otherwise with its first byte, which all answers have in common.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_BYTE: Final = b"H"
# A client that half-closes does so right after its request. Sending it the first byte alone is put off.
_RIGHT_AFTER_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 3.0
_SOON_SECONDS: Final = 1.0
_FIRST_LOOK_SECONDS: Final = 0.001
_LONGEST_PAUSE_SECONDS: Final = 0.25


class HalfClosed:
    """What is known of such a client.

    Args:
        transport: The connection, whose other side is closed.
        gone: Is called when the client turns out to be gone.

    Attributes:
        since: When it was last known to be there, on the clock of `perf_counter`.
        written_ahead: The bytes of its answer that it has got already.
    """

    __slots__ = ("_gone", "_loop", "_next", "_transport", "since", "written_ahead")

    def __init__(self, transport: asyncio.Transport, gone: Callable[[], None]) -> None:
        self._transport = transport
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.TimerHandle | None = None
        self.since = perf_counter()
        self.written_ahead = b""

    def ask_before(self, due_seconds: float, asked_at: float) -> None:
        """Find out whether the client is there, unless its answer is due soon and tells.

        Args:
            due_seconds: Time until the answer is written.
            asked_at: When its request came, on the clock of `perf_counter`.
        """
        patience = _PATIENCE_SECONDS if self.since - asked_at < _RIGHT_AFTER_SECONDS else 0.0
        if due_seconds > max(patience, _SOON_SECONDS):
            self._next = self._loop.call_later(patience, self._ask)

    def settle(self, taken: Callable[[], None]) -> None:
        """Find out whether what was written arrives.

        Args:
            taken: Is called when the client's system has all of it; `gone` is called when it has refused it.
        """
        self.cancel()
        self._look(taken, _FIRST_LOOK_SECONDS)

    def cancel(self) -> None:
        """Ask no more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _ask(self) -> None:
        self.written_ahead = _FIRST_BYTE
        self._transport.write(_FIRST_BYTE)
        self.settle(self._is_there)

    def _is_there(self) -> None:
        self.since = perf_counter()

    def _look(self, taken: Callable[[], None], pause: float) -> None:
        # The event loop writes after this turn, and a reset may take as long as a packet there and back.
        self._next = self._loop.call_later(pause, self._looked, taken, pause)

    def _looked(self, taken: Callable[[], None], pause: float) -> None:
        self._next = None
        connected = self._transport.get_extra_info("socket")
        if connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._gone()
        elif self._transport.get_write_buffer_size() or _unacknowledged(connected):
            self._look(taken, min(pause * 2, _LONGEST_PAUSE_SECONDS))
        else:
            taken()


def _unacknowledged(connected: socket.socket) -> int:
    """Bytes that the client's system has not acknowledged (tcp(7), SIOCOUTQ); 0 on a system that does not tell."""
    with contextlib.suppress(OSError):
        found: int = struct.unpack("i", fcntl.ioctl(connected.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
        return found
    return 0
