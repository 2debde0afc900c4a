"""The tasks that run beside the data plane: the first one that fails ends the run, with its reason."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from imds_mock.errors import EX_SOFTWARE, MockError

if TYPE_CHECKING:
    from collections.abc import Coroutine


class CompanionError(MockError):
    """A companion failed for a reason that no message was written for.

    Args:
        name: What failed.
        cause: The exception that ended it.
    """

    exit_code = EX_SOFTWARE

    def __init__(self, name: str, cause: BaseException) -> None:
        super().__init__(f"{name} failed: {type(cause).__name__}: {cause}".removesuffix(": "))


class Companions:
    """Starts and stops companions.

    Attributes:
        failure: Why the first one failed; None while none has.
    """

    def __init__(self) -> None:
        self.failure: MockError | None = None
        self._failed = asyncio.Event()
        self._is_stopping = False
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a companion on the running event loop.

        Args:
            name: What it is, as the subject of a sentence.
            coroutine: Runs until it is done or canceled.
        """
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def failed(self) -> NoReturn:
        """Wait until a companion fails.

        Raises:
            MockError: Why it failed.
        """
        await self._failed.wait()
        assert self.failure is not None  # noqa: S101 - set before the event
        raise self.failure

    async def stop(self) -> None:
        """Cancel the companions that run, and wait until they have ended."""
        self._is_stopping = True
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None or self.failure is not None:
            return
        if self._is_stopping:
            task.get_loop().call_exception_handler({"message": f"{task.get_name()} failed", "exception": error})
            return
        if isinstance(error, MockError):
            self.failure = error
        else:
            self.failure = CompanionError(task.get_name(), error)
            self.failure.__cause__ = error
        self._failed.set()
