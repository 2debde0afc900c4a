"""The addresses of targets: the names that events, faults and queries use, resolved by the system's resolver.

A target must match before its container has sent a request, so its name is resolved forwards, and again and again:
addresses are reused by other containers. While no name server answers, the last addresses hold for 30 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.callers.caller import is_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_TIMEOUT_SECONDS: Final = 1.0
_TASKS_SECONDS: Final = 0.5
_TASKS: Final = "tasks."  # before the name of a Swarm service: its tasks
_MAX_AGE_SECONDS: Final = 30.0
_THREADS: Final = 4

# These errors of getaddrinfo(3) say nothing about the name. Docker's name server causes them for every name outside its
# networks while the server that it forwards to is down.
_NO_ANSWER: Final = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM})

_Answer = asyncio.Future[list[tuple[Any, ...]]]


class _Resolved(NamedTuple):
    """Addresses of a name, and when a name server last gave them (monotonic clock, seconds)."""

    addresses: frozenset[str]
    time: float


_NONE: Final = _Resolved(frozenset(), -math.inf)


class TargetResolver:
    """Resolves the targets in use and keeps their addresses.

    Args:
        resolve: Gives the addresses of a name, none if it has none; raises an OSError if no server answers.
        monotonic: Clock in seconds.
    """

    def __init__(self, resolve: Callable[[str], Awaitable[frozenset[str]]], monotonic: Callable[[], float]) -> None:
        self._resolve_name = resolve
        self._monotonic = monotonic
        self._resolved: dict[str, _Resolved] = {}

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses to which a target last resolved."""
        return self._resolved.get(target, _NONE).addresses

    async def resolve(self, targets: Iterable[str]) -> bool:
        """Resolve targets, all at once.

        Args:
            targets: All targets in use; others are dropped. IP addresses are ignored.

        Returns:
            Whether any addresses have changed.
        """
        wanted = sorted({target for target in targets if not is_address(target)})
        before = self._resolved
        found = await asyncio.gather(*map(self._resolve, wanted))
        # Results of a concurrent call are kept: its event may be armed already.
        concurrent = {name: each for name, each in self._resolved.items() if before.get(name) is not each}
        resolved = concurrent | dict(zip(wanted, found, strict=True))
        changed = _addresses(resolved) != _addresses(self._resolved)
        self._resolved = resolved
        return changed

    async def _resolve(self, name: str) -> _Resolved:
        try:
            addresses = await asyncio.wait_for(self._resolve_name(name), _TIMEOUT_SECONDS)
        except OSError:
            last = self._resolved.get(name, _NONE)
            return last if self._monotonic() - last.time <= _MAX_AGE_SECONDS else _NONE
        return _Resolved(addresses, self._monotonic())


def _addresses(resolved: dict[str, _Resolved]) -> dict[str, frozenset[str]]:
    return {name: each.addresses for name, each in resolved.items()}


class SystemResolver:
    """The system's resolver, a few names at a time.

    getaddrinfo(3) blocks for many seconds if the name server is down. An event loop waits at its end for threads of its
    own executor, which would delay the mock's exit, so these are daemon threads.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[str, asyncio.AbstractEventLoop, _Answer]] = queue.SimpleQueue()
        self._threads = 0

    async def look_up(self, name: str) -> list[tuple[Any, ...]]:
        """The result of `socket.getaddrinfo` for stream sockets.

        Args:
            name: A host name.

        Raises:
            OSError: As `socket.getaddrinfo`.
            UnicodeError: The text cannot be a host name.
        """
        loop = asyncio.get_running_loop()
        answer: _Answer = loop.create_future()
        self._queue.put((name, loop, answer))
        if self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._run, name="resolver", daemon=True).start()
        return await answer

    def _run(self) -> None:
        while True:
            name, loop, answer = self._queue.get()
            if answer.cancelled():
                continue
            found: list[tuple[Any, ...]] | Exception
            try:
                found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError) as error:
                found = error
            with contextlib.suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(_set_answer, answer, found)


def _set_answer(answer: _Answer, found: list[tuple[Any, ...]] | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)


_SYSTEM: Final = SystemResolver()


async def resolve_service(
    name: str, resolve: Callable[[str], Awaitable[frozenset[str]]], is_in_swarm: Callable[[], Awaitable[bool]]
) -> frozenset[str]:
    """The addresses of a name; in a Swarm those of the service's tasks, because its own name is a virtual IP.

    Args:
        name: Name of a service, a container or a host.
        resolve: Gives the addresses of a name, none if it has none; raises an OSError if no server answers.
        is_in_swarm: Whether names of tasks may exist; elsewhere they are not looked up.

    Raises:
        OSError: No name server answers.
    """
    found = await resolve(name)
    if found and await is_in_swarm():
        # Docker's name server asks the server that it forwards to, which may be down, if this is not a service.
        with contextlib.suppress(OSError):
            return await asyncio.wait_for(resolve(f"{_TASKS}{name}"), _TASKS_SECONDS) or found
    return found


async def resolve_name(name: str) -> frozenset[str]:
    """The addresses of a name from the system's resolver; none if it has none.

    Raises:
        OSError: No name server answers.
    """
    try:
        found = await _SYSTEM.look_up(name)
    except UnicodeError:
        return frozenset()
    except socket.gaierror as error:
        if error.errno in _NO_ANSWER:
            raise
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)
