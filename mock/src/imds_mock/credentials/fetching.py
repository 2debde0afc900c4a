"""Fetches credentials in a separate, short-lived process.

The library that reads every kind of AWS profile needs 30 MB and blocks the interpreter for a quarter of a second: too
much for a service that answers in a tenth of a millisecond, and needed only about every half hour. The process's log
output is discarded, so the library cannot write secrets to the mock's log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from imds_mock.credentials.requests import CredentialRequest, FetchedCredentials, FetchError, FetchProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM: Final = "imds_mock.credentials.botocore_program"

_GATHER_SECONDS: Final = 0.02
# Each needs 30 MB, and a processor for half a second.
_MAX_PROCESSES: Final = 4
_TIMEOUT_SECONDS: Final = 60.0
_LINE_BYTES: Final = 1024 * 1024
# The mock must not request credentials from itself or from its own host.
_REMOVED_VARIABLES: Final = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
)


Batch = Sequence[tuple[CredentialRequest, asyncio.Future[FetchedCredentials]]]
"""Requests, each with the future for its result."""


class FetchResult(msgspec.Struct, frozen=True):
    """The result of one request, as the process writes it.

    Attributes:
        index: The request's index in the batch.
        fetched: The credentials; None if the fetch failed.
        problem: See `FetchError`.
        message: See `FetchError`.
    """

    index: int
    fetched: FetchedCredentials | None = None
    problem: FetchProblem = "other"
    message: str = ""


class Fetcher:
    """Fetches credentials; requests that arrive together share a process."""

    def __init__(self) -> None:
        self._waiting: dict[str | None, list[tuple[CredentialRequest, asyncio.Future[FetchedCredentials]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def fetch(self, request: CredentialRequest) -> FetchedCredentials:
        """Fetch the credentials of a request.

        Raises:
            FetchError: They cannot be fetched.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[FetchedCredentials] = loop.create_future()
        # The library reads the endpoint from the environment, so each endpoint needs its own process.
        waiting = self._waiting.setdefault(request.endpoint_url, [])
        waiting.append((request, future))
        if len(waiting) == 1:
            loop.call_later(_GATHER_SECONDS, self._dispatch, request.endpoint_url)
        return await future

    async def close(self) -> None:
        """Stop the fetches in progress."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _dispatch(self, endpoint_url: str | None) -> None:
        if len(self._running) >= _MAX_PROCESSES:
            return  # `_ended` dispatches it when a process has ended
        batch = self._waiting.pop(endpoint_url, None)
        if batch is None:
            return
        task = asyncio.get_running_loop().create_task(_fetch_batch(batch, environment(os.environ, endpoint_url)))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        for endpoint_url in tuple(self._waiting):
            self._dispatch(endpoint_url)


def environment(environ: Mapping[str, str], endpoint_url: str | None) -> dict[str, str]:
    """The environment of the process.

    Args:
        environ: The mock's environment.
        endpoint_url: URL of STS; None is the one of AWS.
    """
    variables = {name: value for name, value in environ.items() if name not in _REMOVED_VARIABLES}
    variables["AWS_EC2_METADATA_DISABLED"] = "true"
    if endpoint_url is not None:
        variables["AWS_ENDPOINT_URL_STS"] = endpoint_url
    return variables


async def _fetch_batch(batch: Batch, environ: Mapping[str, str]) -> None:
    message = "the program that fetches credentials exited without a result"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await _run(batch, environ)
    except TimeoutError:
        message = f"no credentials within {_TIMEOUT_SECONDS:.0f} s"
    except msgspec.MsgspecError:
        message = "the program that fetches credentials wrote an invalid result"
    except OSError as error:
        message = f"the program that fetches credentials cannot be started: {error.strerror}"
    finally:
        for _, future in batch:
            if not future.done():
                future.set_exception(FetchError("unreachable", message))


async def _run(batch: Batch, environ: Mapping[str, str]) -> None:
    # -P: modules in the working directory are ignored. In its own session the process has no terminal to prompt on.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ,
        limit=_LINE_BYTES,
        start_new_session=True,
    )
    try:
        if process.stdin is None or process.stdout is None:
            return
        process.stdin.write(msgspec.json.encode([request for request, _ in batch]))
        process.stdin.close()
        async for line in process.stdout:
            _deliver(batch, msgspec.json.decode(line, type=FetchResult))
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also ends a `credential_process` that it started
            await process.wait()


def _deliver(batch: Batch, result: FetchResult) -> None:
    future = batch[result.index][1]
    if future.done():
        return
    if result.fetched is None:
        future.set_exception(FetchError(result.problem, result.message))
    else:
        future.set_result(result.fetched)
