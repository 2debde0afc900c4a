"""The two mocks for tests: `ImdsMock` with a thread of its own, and `AsyncImdsMock` on the running event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from imds_mock.run.dependencies import Dependencies
from imds_mock.run.mock import Mock
from imds_mock.testing.base import BaseMock
from imds_mock.testing.blocking import BlockingMock
from imds_mock.testing.controller import Controller
from imds_mock.testing.handles import DEFAULT_TIMEOUT, AsyncEventHandle, AsyncFaultHandle, Driver
from imds_mock.testing.settings import start_config
from imds_mock.testing.thread import MockThread

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from imds_mock.config.settings import Config
    from imds_mock.testing.requests import Request, Requests

T = TypeVar("T")


def _make(config: Config | Mapping[str, Any] | str | os.PathLike[str] | None, settings: Mapping[str, Any]) -> Mock:
    # Most tests never use the control plane, and importing it would slow down the first ones.
    return Mock(start_config(config, settings), dependencies=Dependencies(control_on_demand=True))


class ImdsMock(BlockingMock):
    """A mock that serves inside a `with` block, in a thread of its own, on free ports of 127.0.0.1.

    `with ImdsMock(region="eu-west-1") as mock:` serves at `mock.endpoint_url`. Its methods can be called from any
    thread.

    Args:
        config: The configuration: settings, a mapping as in a file, the path of a YAML or JSON file, or None.
        settings: Further settings by name; see `configure`.

    Raises:
        ConfigError: The configuration is invalid.
    """

    def __init__(
        self, config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None, **settings: Any
    ) -> None:
        self._mock = mock = _make(config, settings)
        self._thread = MockThread(mock)
        super().__init__(self._thread)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None:
            self._thread.check()

    def close(self) -> None:
        """Stop the mock, as leaving the block does, without an error if the mock has failed."""
        self._thread.stop()

    def check(self) -> None:
        """Raise what has failed in the mock's thread, if anything; every other method does so, too.

        Raises:
            MockCrashedError: The mock has failed; the cause has the traceback.
        """
        self._thread.check()


class _SameLoop:
    """Calls functions directly, on the event loop on which the mock runs.

    Args:
        mock: The mock.
    """

    def __init__(self, mock: Mock) -> None:
        self.controller = Controller(mock)

    def call(self, function: Callable[[], T]) -> T:
        """The function's result."""
        return function()

    def call_settled(self, function: Callable[[], T]) -> T:
        """The function's result; look-ups and fetched credentials arrive later."""
        return function()


class AsyncImdsMock(BaseMock[Driver, AsyncEventHandle, AsyncFaultHandle]):
    """A mock that serves inside an `async with` block, on the running event loop, on free ports of 127.0.0.1.

    Everything is as in `ImdsMock`, but what waits is awaited. Use it on the event loop's thread only.

    Args:
        config: The configuration: settings, a mapping as in a file, the path of a YAML or JSON file, or None.
        settings: Further settings by name; see `configure`.

    Raises:
        ConfigError: The configuration is invalid.
    """

    def __init__(
        self, config: Config | Mapping[str, Any] | str | os.PathLike[str] | None = None, **settings: Any
    ) -> None:
        mock = _make(config, settings)
        self._mock = mock
        self._loop = _SameLoop(mock)
        super().__init__(self._loop, AsyncEventHandle, AsyncFaultHandle)

    async def __aenter__(self) -> Self:
        await self._mock.__aenter__()
        self._loop.controller.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._loop.controller.stop()
        await self._mock.__aexit__(kind, error, trace)

    @property
    def requests(self) -> Requests:
        """The requests since the start or the last `reset`, the oldest first."""
        return self._controller.requests()

    async def assert_requested(
        self, path: str, *, by: str | None = None, at_least: int = 1, within: float | None = None
    ) -> Requests:
        """Assert that a path was requested; see `ImdsMock.assert_requested`."""
        return await self._requested(path, by, at_least, within)

    async def wait_until_requested(
        self,
        path: str,
        *,
        by: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - as in ImdsMock
    ) -> Request:
        """Wait until a path is requested; see `ImdsMock.wait_until_requested`."""
        return (await self._requested(path, by, 1, timeout, says_none=True))[0]

    def assert_no_imdsv1(self, *, by: str | None = None) -> None:
        """Assert that no request was sent without a session token; see `ImdsMock.assert_no_imdsv1`."""
        self._require_no_imdsv1(by, self.requests)
