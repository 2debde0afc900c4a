"""The assertions of a mock whose methods block: `ImdsMock` in a thread of this process, or a mock in a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.testing.base import BaseMock
from imds_mock.testing.handles import DEFAULT_TIMEOUT, BlockingDriver, EventHandle, FaultHandle

if TYPE_CHECKING:
    from imds_mock.testing.requests import Request, Requests


class BlockingMock(BaseMock[BlockingDriver, EventHandle, FaultHandle]):
    """A mock for tests that are not asynchronous.

    Args:
        driver: Calls functions where the mock runs.
    """

    def __init__(self, driver: BlockingDriver) -> None:
        super().__init__(driver, EventHandle, FaultHandle)

    @property
    def requests(self) -> Requests:
        """The requests since the start or the last `reset`, the oldest first."""
        return self._driver.run(self._controller.settled_requests)

    def assert_requested(
        self, path: str, *, by: str | None = None, at_least: int = 1, within: float | None = None
    ) -> Requests:
        """Assert that a path was requested; returns the matching requests.

        Args:
            path: Pattern of the path, such as `meta-data/iam/*`.
            by: IP address, container or service name of the caller.
            at_least: How often.
            within: Wait up to this many seconds for it.

        Raises:
            AssertionError: It was not; shows the requests that were made.
        """
        return self._driver.run(lambda: self._requested(path, by, at_least, within))

    def wait_until_requested(self, path: str, *, by: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Request:
        """Wait until a path is requested; returns the first request.

        Args:
            path: Pattern of the path.
            by: IP address, container or service name of the caller.
            timeout: Seconds.

        Raises:
            AssertionError: It was not requested; shows the requests that were made.
        """
        return self._driver.run(lambda: self._requested(path, by, 1, timeout, says_none=True))[0]

    def assert_no_imdsv1(self, *, by: str | None = None) -> None:
        """Assert that no request was sent without a session token.

        Args:
            by: IP address, container or service name of the caller.

        Raises:
            AssertionError: One was; shows the requests that were made.
        """
        self._require_no_imdsv1(by, self.requests)
