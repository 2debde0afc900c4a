"""A mock for the duration of a command: ready before the command starts, stopped after it has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from imds_mock.client_environment import client_environment
from imds_mock.log import say, say_limited
from imds_mock.run.child_process import ChildProcess, read_signals
from imds_mock.run.dependencies import Dependencies
from imds_mock.run.mock import Mock
from imds_mock.run.program import LOOP_FACTORY
from imds_mock.wire.descriptors import check_limit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from imds_mock.config.settings import Config
    from imds_mock.events.scenario import Scenario
    from imds_mock.state.entries import Entry

EX_IMDSV1_USED: Final = 79
"""The exit code of a successful command that has used IMDSv1, if IMDSv2 is required."""

_LINES: Final = 20
_MAX_CALLS: Final = 1000
_AFTER_SIGNAL: Final = 128


class WrappedCommand:
    """Runs a command beside a mock that it finds through its environment.

    Args:
        config: The mock's configuration.
        scenario: Played from the start of the mock.
        require_imdsv2: Whether one IMDSv1 request makes the run fail.
    """

    def __init__(self, config: Config, scenario: Scenario | None = None, *, require_imdsv2: bool = False) -> None:
        # What the mock logs while it starts is known or raised; standard error belongs to the command.
        self._is_ready = False
        self.mock = Mock(config, scenario=scenario, dependencies=Dependencies(log=self._log, log_limited=say_limited))
        self._require_imdsv2 = require_imdsv2
        self._imdsv1: Counter[tuple[str, str]] = Counter()
        self._child: ChildProcess | None = None
        self._stopped_by = 0

    def run(self, command: Sequence[str], environ: Mapping[str, str], blocked: Collection[int]) -> int:
        """Run the command.

        Args:
            command: Program and arguments.
            environ: Environment variables; those for the mock are added.
            blocked: The signals that `block_signals` returned.

        Returns:
            The command's exit code; 128 + N if signal N has ended it or the start of the mock; `EX_IMDSV1_USED`.

        Raises:
            MockError: The mock or the command cannot start, or a part of the mock has failed.
        """
        check_limit()  # which stays as it is, because the command inherits it
        with asyncio.Runner(loop_factory=LOOP_FACTORY) as runner:
            try:
                code = runner.run(self._run(command, environ, blocked))
            except asyncio.CancelledError:
                return _AFTER_SIGNAL + self._stopped_by
        if not self._require_imdsv2 or not self._imdsv1:
            return code
        say("\n".join(self._report()))
        return code or EX_IMDSV1_USED

    async def _run(self, command: Sequence[str], environ: Mapping[str, str], blocked: Collection[int]) -> int:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None  # noqa: S101 - a coroutine runs in a task

        def receive(number: int, is_from_terminal: bool) -> None:  # noqa: FBT001 - called by `read_signals`
            if self._child is not None:
                self._child.forward(number, is_from_terminal=is_from_terminal)
            elif not self._stopped_by:
                self._stopped_by = number
                main.cancel()

        read_signals(lambda number, is_from_terminal: loop.call_soon_threadsafe(receive, number, is_from_terminal))
        self.mock.journal.followers += (self._follow,)
        async with self.mock as mock:
            failed = loop.create_task(mock.failed())
            try:
                if mock.control_url is not None:
                    ready = loop.create_task(mock.control_ready.wait())
                    await asyncio.wait({ready, failed}, return_when=asyncio.FIRST_COMPLETED)
                    ready.cancel()
                if failed.done():
                    return 0  # leaving the block raises the mock's error
                self._is_ready = True
                variables = client_environment(environ, mock.endpoint_url, mock.control_url)
                self._child = ChildProcess(command, variables, blocked)
                return await self._wait(self._child, failed)
            finally:
                failed.cancel()
                await asyncio.gather(failed, return_exceptions=True)

    async def _wait(self, child: ChildProcess, failed: asyncio.Task[None]) -> int:
        ended = asyncio.get_running_loop().create_task(child.wait())
        await asyncio.wait({ended, failed}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            await child.stop(ended)
        await child.end_group()
        await ended
        return child.exit_code or 0

    def _log(self, sentence: str) -> None:
        if self._is_ready:
            say(sentence)

    def _follow(self, entry: Entry) -> None:
        call = entry.caller, f"{entry.method} {entry.written}"
        if entry.version == 1 and (call in self._imdsv1 or len(self._imdsv1) < _MAX_CALLS):
            self._imdsv1[call] += 1

    def _report(self) -> list[str]:
        total = sum(self._imdsv1.values())
        requests = "1 request" if total == 1 else f"{total} requests"
        lines = [f"IMDSv1 was used: {requests} without a session token; get one with PUT /latest/api/token"]
        for (caller, request), times in self._imdsv1.most_common(_LINES):
            lines.append(f"  {times} x {caller} {request.encode('unicode_escape').decode()}")
        if len(self._imdsv1) > _LINES:
            lines.append(f"  and {len(self._imdsv1) - _LINES} further paths")
        return lines
