"""Credentials fetched in a process of its own, which ends when it has handed them over.

The library that can read every kind of profile takes thirty megabytes and a quarter of a second of the interpreter:
too much beside a service that answers in a tenth of a millisecond, and once in half an hour. What it logs is lost with
it, so that no secret of its own gets into the mock's log.
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

from imds_mock.credentials.requests import CredentialRequest, Fetched, FetchError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM: Final = "imds_mock.credentials.botocore_program"

_GATHER_SECONDS: Final = 0.02
# Each takes thirty megabytes, and the processor for half a second.
_PROCESSES: Final = 4
_PATIENCE_SECONDS: Final = 60.0
_LINE_BYTES: Final = 1024 * 1024
# The mock must never ask itself, or the host that it runs on, for credentials.
_LEFT_OUT: Final = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
)


Batch = Sequence[tuple[CredentialRequest, asyncio.Future[Fetched]]]
"""Orders, each with who waits for it."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one order.

    Attributes:
        place: Its place in the list of orders.
        fetched: The credentials, if there are any.
        problem: See `FetchError`.
        sentence: Likewise.
    """

    place: int
    fetched: Fetched | None = None
    problem: Problem = "other"
    sentence: str = ""


class Fetcher:
    """Fetches what is ordered; orders that come together share a process."""

    def __init__(self) -> None:
        self._waiting: dict[str | None, list[tuple[CredentialRequest, asyncio.Future[Fetched]]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def fetch(self, order: CredentialRequest) -> Fetched:
        """Fetch credentials.

        Args:
            order: Which ones.

        Raises:
            FetchError: They cannot be had.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Fetched] = loop.create_future()
        waiting = self._waiting.setdefault(order.endpoint_url, [])
        waiting.append((order, future))
        if len(waiting) == 1:
            # An endpoint is told to the library through the environment, which one process has but once.
            loop.call_later(_GATHER_SECONDS, self._dispatch, order.endpoint_url)
        return await future

    def _dispatch(self, endpoint_url: str | None) -> None:
        if len(self._running) >= _PROCESSES:
            return  # the next one that ends goes on with it
        batch = self._waiting.pop(endpoint_url, None)
        if batch is None:
            return
        task = asyncio.get_running_loop().create_task(_have_fetched(batch, environment(os.environ, endpoint_url)))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        for endpoint_url in tuple(self._waiting):
            self._dispatch(endpoint_url)


def environment(environ: Mapping[str, str], endpoint_url: str | None) -> dict[str, str]:
    """The environment in which credentials are looked for.

    Args:
        environ: The mock's own.
        endpoint_url: STS, where it is not AWS's own.
    """
    kept = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    kept["AWS_EC2_METADATA_DISABLED"] = "true"
    if endpoint_url is not None:
        kept["AWS_ENDPOINT_URL_STS"] = endpoint_url
    return kept


async def _have_fetched(batch: Batch, environ: Mapping[str, str]) -> None:
    sentence = "the program that fetches credentials ended too early"
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _run(batch, environ)
    except TimeoutError:
        sentence = f"no answer within {_PATIENCE_SECONDS:.0f} s"
    except msgspec.MsgspecError:
        sentence = "the program that fetches credentials said something that cannot be read"
    except OSError as error:
        sentence = f"the program that fetches credentials cannot be started: {error.strerror}"
    finally:
        # Whatever happened, nobody waits for ever.
        _give_up(batch, sentence)


async def _run(batch: Batch, environ: Mapping[str, str]) -> None:
    # -P: nothing that lies in the working directory is taken for a module. A session of its own has no terminal to ask.
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
        process.stdin.write(msgspec.json.encode([order for order, _ in batch]))
        process.stdin.close()
        async for line in process.stdout:
            _deliver(batch, msgspec.json.decode(line, type=Outcome))
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what a profile has started as well
            await process.wait()


def _deliver(batch: Batch, outcome: Outcome) -> None:
    future = batch[outcome.place][1]
    if future.done():
        return
    if outcome.fetched is None:
        future.set_exception(FetchError(outcome.problem, outcome.sentence))
    else:
        future.set_result(outcome.fetched)


def _give_up(batch: Batch, sentence: str) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(FetchError("unreachable", sentence))
