"""Time from the start of the mock to its first 200, and its memory at rest.

The reference of the time is a program of the same Python that imports large modules of the standard library: like the
start of the mock, it depends on the processor, the disk and the release of Python.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import cores
import mockprocess
from outcomes import ratios, sizes

if TYPE_CHECKING:
    from pathlib import Path

    from effort import Effort
    from outcomes import Outcomes

_IMPORTS: Final = "import asyncio, concurrent.futures, email.message, http.server, logging.config, ssl, unittest.mock"
_WORK_AFTER_START_SECONDS: Final = 2


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure the time, then the memory with and without the control plane."""
    rounds = [(_start(folder), _reference()) for _ in range(effort.starts)]
    yield "start/first", ratios(*([1000 * seconds for seconds in side] for side in zip(*rounds, strict=True)))
    for key, control in (("start/memory", "on"), ("start/memory-off", "off")):
        yield key, sizes([_rest(folder, control) for _ in range(effort.rests)])


def _start(folder: Path) -> float:
    with mockprocess.running(folder / "mock.log", "--control-port", str(mockprocess.free_port())) as mock:
        return mock.seconds_to_first_answer


def _reference() -> float:
    began = time.perf_counter()
    with cores.on(cores.SERVER):
        subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    return time.perf_counter() - began


def _rest(folder: Path, control: str) -> float:
    port = str(mockprocess.free_port())
    with mockprocess.running(folder / "mock.log", "--control", control, "--control-port", port) as mock:
        time.sleep(_WORK_AFTER_START_SECONDS)  # the work after the first response counts as well
        return mock.rss_mib()
