"""Clients that close their side of the connection while their response is delayed."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.wire.delayed import HalfClosedClient

if TYPE_CHECKING:
    from collections.abc import Callable


class SlowClient(asyncio.Transport):
    """A connection whose client acknowledges what was sent only at one of the later checks."""

    def __init__(self, client: socket.socket, unacknowledged_checks: int) -> None:
        super().__init__({"socket": client})
        self._unacknowledged_checks = unacknowledged_checks

    def get_write_buffer_size(self) -> int:
        self._unacknowledged_checks -= 1
        return int(self._unacknowledged_checks >= 0)


class Timers:
    """An event loop's timers, which fire at once."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._due: list[Callable[[], None]] = []

    def call_later(self, pause: float, callback: Callable[..., None], *arguments: Any) -> None:
        self.pauses.append(pause)
        self._due.append(lambda: callback(*arguments))

    def run(self) -> None:
        while self._due:
            self._due.pop(0)()


def test_an_acknowledgement_is_noticed_within_a_quarter_of_a_second() -> None:
    timers, received = Timers(), []

    async def confirm(client: socket.socket) -> None:
        half_closed = HalfClosedClient(SlowClient(client, 12), lambda: pytest.fail("the client is there"))
        half_closed._loop = timers  # type: ignore[assignment]  # it needs only the timers
        half_closed.confirm(lambda: received.append(True))

    server_end, client_end = socket.socketpair()
    with server_end, client_end:
        asyncio.run(confirm(server_end))
        timers.run()
    assert received == [True]
    assert timers.pauses[:4] == [0.001, 0.002, 0.004, 0.008]
    assert max(timers.pauses) == 0.25
