"""Handles of armed events and faults: their state, how to end them, and the wait until a client has met them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, Self, TypeVar

from imds_mock.testing.requests import Request, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

    from imds_mock.testing.controls import Controls, Watch

T = TypeVar("T")
DEFAULT_TIMEOUT: Final = 10.0


class Driver(Protocol):
    """Calls functions where the mock runs."""

    @property
    def controller(self) -> Controls:
        """The operations on the mock."""

    def call(self, function: Callable[[], T]) -> T:
        """The result of a function that is called on the mock's event loop."""

    def call_settled(self, function: Callable[[], T]) -> T:
        """The same; other threads then wait for the look-ups and fetched credentials that the function asks for."""


class BlockingDriver(Driver, Protocol):
    """Also runs coroutines, from another thread."""

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine that runs on the mock's event loop."""


DriverT = TypeVar("DriverT", bound=Driver)


class _Handle(Generic[DriverT]):
    """What all handles share.

    Args:
        driver: The mock.
        watch: What was armed.

    Attributes:
        id: Its id in the API, such as `spot-1`.
    """

    def __init__(self, driver: DriverT, watch: Watch) -> None:
        self._driver = driver
        self._watch = watch
        self.id = watch.id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"

    @property
    def state(self) -> str:
        """`pending`, `active`, `ended` or `removed`; events: `canceled`; faults: `spent`."""
        return self._driver.call(lambda: self._driver.controller.state_of(self.id))

    @property
    def seen(self) -> tuple[Request, ...]:
        """The requests that have met the event or fault, the first 1000."""
        return self._driver.call(self._watch.seen)

    def remove(self) -> None:
        """Remove it without a trace; does nothing the second time."""
        self._driver.call(lambda: self._driver.controller.remove(self.id))

    async def _wait_until_seen(self, timeout: float) -> Request:  # noqa: ASYNC109 - the error shows the requests
        controller, watch = self._driver.controller, self._watch
        if not await controller.wait_until(lambda: bool(watch.seen()), timeout):
            raise failure(f"no client has seen {self.id} within {timeout:g} s", await controller.settled_requests())
        return watch.seen()[0]


class _EventHandle(_Handle[DriverT]):
    def cancel(self) -> None:
        """Cancel the event: a scheduled maintenance is then listed as canceled."""
        self._driver.call(lambda: self._driver.controller.cancel(self.id))

    def end(self) -> None:
        """End the active event as if its time were over.

        Raises:
            NotStartedError: It has not started.
        """
        self._driver.call(lambda: self._driver.controller.end(self.id))


class _FaultHandle(_Handle[DriverT]):
    @property
    def hits(self) -> int:
        """Number of responses that the fault has changed; 0 once it was removed."""
        return self._driver.call(lambda: self._driver.controller.hits(self.id))


class _Blocking(_Handle[BlockingDriver]):
    def wait_until_seen(self, timeout: float = DEFAULT_TIMEOUT) -> Request:
        """Wait until a client has met the event or fault; returns the request.

        A client meets an event with a notice by reading the notice, any other event by reading a path that it changes,
        and a fault by being affected.

        Args:
            timeout: Seconds.

        Raises:
            AssertionError: No client has met it; shows the requests that were made.
        """
        return self._driver.run(lambda: self._wait_until_seen(timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()


class _Awaitable(_Handle[Driver]):
    async def wait_until_seen(self, timeout: float = DEFAULT_TIMEOUT) -> Request:  # noqa: ASYNC109 - as above
        """Wait until a client has met the event or fault, as in the synchronous mock; `await handle` does the same.

        Args:
            timeout: Seconds.

        Raises:
            AssertionError: No client has met it; shows the requests that were made.
        """
        return await self._wait_until_seen(timeout)

    def __await__(self) -> Generator[Any, None, Request]:
        return self.wait_until_seen().__await__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.remove()


class EventHandle(_EventHandle[BlockingDriver], _Blocking):
    """An event of an `ImdsMock`. As a context manager it removes the event at the end of the block."""


class FaultHandle(_FaultHandle[BlockingDriver], _Blocking):
    """A fault of an `ImdsMock`. As a context manager it removes the fault at the end of the block."""


class AsyncEventHandle(_EventHandle[Driver], _Awaitable):
    """An event of an `AsyncImdsMock`. `async with` removes the event at the end of the block."""


class AsyncFaultHandle(_FaultHandle[Driver], _Awaitable):
    """A fault of an `AsyncImdsMock`. `async with` removes the fault at the end of the block."""
