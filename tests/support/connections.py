"""A connection of the data plane over a transport, an event loop and a clock that a test holds."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from imds_mock.service.messages import Delivery, Response
from imds_mock.wire import connection as connection_module
from imds_mock.wire import lifecycle as lifecycle_module
from imds_mock.wire.connection import Connection
from imds_mock.wire.context import ServerContext, Timeouts
from imds_mock.wire.states import NEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.service.exchange import Exchange
    from imds_mock.service.messages import Request
    from imds_mock.wire.states import Event, State

CALLER = "172.18.0.3"
ROLE = "/latest/meta-data/iam/security-credentials/app"
TIMEOUTS = Timeouts(head=20.0, idle=75.0, write=30.0)
DELAY_SECONDS = 5.0
OPENED = 1000.0


def get(path: str, host: str = "169.254.169.254", connection: str = "keep-alive") -> bytes:
    """The bytes of a request."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n".encode()


@dataclass
class Timer:
    """A call that is due at a time."""

    due: float
    call: Callable[[], None]
    is_cancelled: bool = False

    def when(self) -> float:
        return self.due

    def cancel(self) -> None:
        self.is_cancelled = True


@dataclass
class Loop:
    """The clock and the timers of an event loop."""

    now: float = OPENED
    timers: list[Timer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[..., None], *args: Any) -> Timer:
        timer = Timer(self.now + seconds, lambda: call(*args))
        self.timers.append(timer)
        return timer

    def waiting(self) -> list[Timer]:
        """The timers that are neither cancelled nor over, in the order of their times."""
        self.timers = sorted((each for each in self.timers if not each.is_cancelled), key=Timer.when)
        return self.timers


class Socket:
    """A client's socket, which notes the options that are set."""

    family = socket.AF_INET

    def __init__(self) -> None:
        self.options: list[tuple[Any, ...]] = []

    def setsockopt(self, *option: Any) -> None:
        """Note an option."""
        self.options.append(option)

    def getsockopt(self, *_option: Any) -> int:
        """No error has happened."""
        return 0

    def fileno(self) -> int:
        """Fail: the system cannot tell what the client has acknowledged."""
        raise OSError


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and fails where uvloop's transport would."""

    def __init__(self) -> None:
        self.socket = Socket()
        super().__init__({"peername": (CALLER, 40000), "socket": self.socket})
        self.written = b""
        self.unsent = 0
        self.is_closed = self.is_shut = self.was_reset = self.is_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed, "written to a closed transport"
        assert not self.is_shut, "written after the end"
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        assert not self.is_closed, "paused a closed transport"
        self.is_paused = True

    def resume_reading(self) -> None:
        assert not self.is_closed, "resumed a closed transport"
        self.is_paused = False

    def write_eof(self) -> None:
        self.is_shut = True

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.was_reset = True

    def bodies(self) -> list[str]:
        """The bodies of all responses."""
        return [each.rpartition("\r\n\r\n")[2] for each in self.written.decode().split("HTTP/1.1 200 OK\r\n")[1:]]


class Waits:
    """Something that callers wait for, such as credentials that are being fetched."""

    def __init__(self, *, is_there: bool) -> None:
        self.asked: list[str] = []
        self.waiting: list[Callable[[], None]] = []
        self.cancelled = 0
        self.is_there = is_there

    def __call__(self, caller: str, then: Callable[[], None]) -> Waits | None:
        self.asked.append(caller)
        if self.is_there:
            return None
        self.waiting.append(then)
        return self

    def cancel(self) -> None:
        self.cancelled += 1
        self.waiting.clear()

    def arrive(self) -> None:
        """Answer everything that waits."""
        self.is_there = True
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then()


class _Row(dict["Event", "State"]):
    """A row of the table of transitions that notes which ones happen."""

    def __init__(self, state: State, seen: list[tuple[State, Event, State]]) -> None:
        super().__init__(NEXT[state])
        self._state = state
        self._seen = seen

    def __getitem__(self, event: Event) -> State:
        following = super().__getitem__(event)
        self._seen.append((self._state, event, following))
        return following


class Peer:
    """One connection, and everything around it.

    The last part of a request's path decides what becomes of it: `delay`, `stall`, `reset`, `cut`, `late-reset`,
    `late-stall`; any other path is answered with itself.
    """

    def __init__(self, loop: Loop, *, is_known: bool = True, has_credentials: bool = True) -> None:
        self.loop = loop
        self.transport = FakeTransport()
        self.identities = Waits(is_there=is_known)
        self.credentials = Waits(is_there=has_credentials)
        self.answered: list[str] = []
        self.recorded: list[tuple[str | None, Delivery]] = []
        self.transitions: list[tuple[State, Event, State]] = []
        self.is_lost = self.has_ended = False
        self.context = ServerContext(
            self._respond,
            (self._record,),
            lambda: 1_700_000_000.0,
            loop.time,
            timeouts=TIMEOUTS,
            identify_caller=self.identities,
            await_credentials=self.credentials,
        )
        self.connection = Connection(self.context)
        self.connection.connection_made(self.transport)

    @property
    def state(self) -> State:
        """The connection's state."""
        return self.connection.state

    def send(self, data: bytes) -> None:
        """Send bytes; they arrive unless the connection is closed."""
        if not self.transport.is_closed and not self.has_ended:
            self.connection.data_received(data)

    def end(self) -> None:
        """Close the client's side."""
        if not self.transport.is_closed and not self.has_ended:
            self.has_ended = True
            if not self.connection.eof_received():
                self.transport.close()

    def lose(self) -> None:
        """Let the transport be closed."""
        if not self.is_lost:
            self.is_lost = self.transport.is_closed = True
            self.connection.connection_lost(None)

    def turn(self) -> None:
        """Let the event loop do what a closed transport leaves to do."""
        if self.transport.is_closed and not self.transport.unsent:
            self.lose()

    def wait(self, seconds: float) -> None:
        """Let time pass: timers run when they are due, and the listener looks for timeouts."""
        end = self.loop.now + seconds
        self.turn()
        while (timers := self.loop.waiting()) and timers[0].due <= end:
            timer = timers.pop(0)
            self.loop.now = max(self.loop.now, timer.due)
            timer.call()
            self.turn()
        self.loop.now = end
        if self.connection in self.context.connections and self.connection.deadline <= end:
            self.connection.expire()
            self.turn()

    def _respond(self, request: Request, _caller: str, now: float) -> Response:
        self.answered.append(request.path)
        response = Response.content(request.path.encode(), "text/plain", now)
        fault = request.path.rpartition("/")[2]
        if fault in {"delay", "late-reset", "late-stall"}:
            response = replace(response, delay_seconds=DELAY_SECONDS)
        if fault.endswith("stall"):
            response = replace(response, delivery=Delivery.STALL)
        if fault.endswith("reset"):
            response = replace(response, delivery=Delivery.RESET)
        return replace(response, cut_after=1) if fault == "cut" else response

    def _record(self, _now: float, exchange: Exchange, _micros: int) -> None:
        request = exchange.request
        self.recorded.append((None if request is None else request.path, exchange.response.delivery))


@contextlib.contextmanager
def held_loop() -> Iterator[tuple[Loop, list[tuple[State, Event, State]]]]:
    """An event loop that the test holds, and the transitions that happen in it."""
    loop, seen = Loop(), cast("list[tuple[State, Event, State]]", [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "get_running_loop", lambda: loop)
        table = {state: _Row(state, seen) for state in NEXT}
        patch.setattr(connection_module, "NEXT", table)
        patch.setattr(lifecycle_module, "NEXT", table)
        yield loop, seen
