"""The system's resolver, asked from threads that nothing waits for.

A dead name server keeps getaddrinfo(3) for many seconds. The event loop waits for its own look-ups when it closes, so
they would keep the mock from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from typing import Any, Final

_THREADS: Final = 4

_Answer = asyncio.Future[list[tuple[Any, ...]]]


class Resolver:
    """Asks the system's resolver, a few names at a time."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[tuple[str, asyncio.AbstractEventLoop, _Answer]] = queue.SimpleQueue()
        self._threads = 0

    async def look_up(self, name: str) -> list[tuple[Any, ...]]:
        """Look a name up.

        Args:
            name: A host name.

        Returns:
            What `socket.getaddrinfo` gives for stream sockets.

        Raises:
            OSError: As `socket.getaddrinfo`.
            UnicodeError: The name cannot be a host name.
        """
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        self._asked.put((name, loop, answer))
        if self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._run, name="resolver", daemon=True).start()
        return await answer

    def _run(self) -> None:
        while True:
            name, loop, answer = self._asked.get()
            if answer.cancelled():
                continue
            found: list[tuple[Any, ...]] | Exception
            try:
                found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the event loop has closed
                loop.call_soon_threadsafe(_give, answer, found)


def _give(answer: _Answer, found: list[tuple[Any, ...]] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
