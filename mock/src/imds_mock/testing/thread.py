"""A mock on an event loop in a thread of its own, and calls of functions there."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from imds_mock.errors import EX_SOFTWARE, MockError
from imds_mock.testing.controller import Controller

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from imds_mock.run.mock import Mock

T = TypeVar("T")


class MockCrashedError(MockError):
    """The mock has failed; the cause is the exception in its thread."""

    exit_code = EX_SOFTWARE


class MockThread:
    """Runs a mock in a thread; other threads call functions on its event loop.

    Args:
        mock: The mock; it has not run yet.
    """

    def __init__(self, mock: Mock) -> None:
        self.controller = Controller(mock)
        self._mock = mock
        self._thread = threading.Thread(target=self._run, name="imds-mock", daemon=True)
        self._started: Future[None] = Future()
        self._waiting: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._is_stopping = self._has_ended = False

    def start(self) -> None:
        """Start the thread, and wait until the mock answers.

        Raises:
            MockError: The mock cannot start; the thread has ended.
        """
        if self._thread.ident is not None:
            raise RuntimeError("this mock has run already: make another one")
        self._thread.start()
        try:
            self._started.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the mock and wait until its thread has ended."""
        with self._lock:
            self._is_stopping = True
            if self._loop is not None and self._stopping is not None and not self._has_ended:
                self._loop.call_soon_threadsafe(self._stopping.set)
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what has failed in the mock since the last check, if anything.

        Raises:
            MockCrashedError: The mock has failed.
        """
        if self._failure is not None:
            raise _crashed(self._failure) from self._failure
        if self.controller.errors:
            error = self.controller.errors.pop(0)
            raise _crashed(error) from error

    def call(self, function: Callable[[], T]) -> T:
        """The result of a function that is called on the mock's event loop.

        Raises:
            MockCrashedError: The mock has failed.
            RuntimeError: The mock does not run.
        """

        async def called() -> T:
            return function()

        return self.run(called)

    def call_settled(self, function: Callable[[], T]) -> T:
        """The result of a function, once the look-ups and credentials that it asks for have arrived; as `call`."""

        async def called() -> T:
            result = function()
            await self.controller.settle()
            return result

        return self.run(called)

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine that runs on the mock's event loop.

        Args:
            make: Makes the coroutine, on the event loop.

        Raises:
            MockCrashedError: The mock has failed.
            RuntimeError: The mock does not run.
        """
        self.check()
        future: Future[T] = Future()

        def begin() -> None:
            task = asyncio.ensure_future(make())
            task.add_done_callback(lambda _task: _hand_over(task, future))

        with self._lock:
            if self._loop is None or self._has_ended:
                raise RuntimeError("the mock does not run: use it inside its `with` block")
            self._waiting.add(future)
            self._loop.call_soon_threadsafe(begin)
        try:
            return future.result()
        finally:
            self._waiting.discard(future)

    def _run(self) -> None:
        try:
            # Plain asyncio: uvloop would handle signals of the process around the mock.
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised again in the threads that use the mock
            self._failure = error
        with self._lock:
            self._has_ended = True
        for future in [self._started, *self._waiting]:
            if not future.done():
                future.set_exception(self._end())

    def _end(self) -> BaseException:
        failure = self._failure
        if failure is None:
            return RuntimeError("the mock was stopped")
        if not self._started.done():
            return failure
        crashed = _crashed(failure)
        crashed.__cause__ = failure
        return crashed

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        with self._lock:
            self._loop, self._stopping = loop, stopping
            if self._is_stopping:
                stopping.set()
        loop.set_exception_handler(self._record)
        async with self._mock as mock:
            self.controller.start()
            self._started.set_result(None)
            waits = [loop.create_task(stopping.wait()), loop.create_task(mock.failed())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
                await self.controller.stop()

    def _record(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(context)
        else:
            self.controller.errors.append(error)


def _crashed(error: BaseException) -> MockCrashedError:
    return MockCrashedError(f"the mock has failed: {type(error).__name__}: {error}")


def _hand_over(task: asyncio.Future[T], future: Future[T]) -> None:
    if future.done():
        return
    if task.cancelled():
        future.set_exception(RuntimeError("the mock was stopped"))
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())
