"""The runs of all programs, two at a time, each on a stage of its own."""

from __future__ import annotations

import itertools
import queue
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from support.conformance.situations import ASSERTED, RECORDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from support.conformance.sdk import Sdk
    from support.conformance.situations import Situation
    from support.conformance.stage import Run, Stage


class Runs:
    """Starts programs ahead of the tests that ask for their results.

    Args:
        stages: Where programs run; one runs at a time on each.
        sdks: SDKs of the selected tests. All of them are built before the first program runs, because a build beside a
            program would slow it down to its timeouts.
    """

    def __init__(self, stages: Sequence[Stage], sdks: Iterable[Sdk]) -> None:
        self._idle: queue.SimpleQueue[Stage] = queue.SimpleQueue()
        for stage in stages:
            self._idle.put(stage)
        self._pool = ThreadPoolExecutor(len(stages))
        selected = list(sdks)
        self._commands = {sdk.name: self._pool.submit(sdk.prepare) for sdk in selected}
        for command in self._commands.values():
            command.exception()
        self._runs: dict[tuple[str, str, str], Future[Run]] = {
            (sdk.name, situation.name, case): self._pool.submit(self._run, sdk, situation, case)
            for sdk, situation in itertools.product(selected, (*ASSERTED, *RECORDED))
            for case in situation.cases_of(sdk)
        }

    def command(self, sdk: Sdk) -> Sequence[str | Path]:
        """The command line of an SDK's program; raises the error of its build."""
        return self._commands[sdk.name].result()

    def result(self, sdk: Sdk, situation: Situation, case: str) -> Run:
        """The result of a program's run."""
        return self._runs[sdk.name, situation.name, case].result()

    def repeated(self, sdk: Sdk, situation: Situation, case: str) -> Run:
        """The result of a second run."""
        return self._pool.submit(self._run, sdk, situation, case).result()

    def _run(self, sdk: Sdk, situation: Situation, case: str) -> Run:
        command = self.command(sdk)
        stage = self._idle.get()
        try:
            return stage.run(sdk, command, case, situation)
        finally:
            self._idle.put(stage)

    def close(self) -> None:
        """Drop the runs that have not started."""
        self._pool.shutdown(cancel_futures=True)
