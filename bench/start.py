"""Time from the start of the mock to its first 200, and its memory at rest.

The reference of the time is a program of the same Python that imports large modules of the standard library: like the
start of the mock, it depends on the processor, the disk and the release of Python.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import cores
import mockprocess
from outcomes import ratios, sizes
from wrk import processor_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from effort import Effort
    from outcomes import Outcomes

_IMPORTS: Final = "import asyncio, concurrent.futures, email.message, http.server, logging.config, ssl, unittest.mock"
_WORK_AFTER_START_SECONDS: Final = 2


class Taken(NamedTuple):
    """What a start took: elapsed time and processor time, in milliseconds."""

    elapsed: float
    processor: float


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure the time, then the memory with and without the control plane."""
    rounds = [(_start(folder), _reference()) for _ in range(effort.starts)]
    place = Taken._fields.index("processor" if effort.by_processor_time else "elapsed")
    yield "start/first", ratios(*([taken[place] for taken in side] for side in zip(*rounds, strict=True)))
    for key, control in (("start/memory", "on"), ("start/memory-off", "off")):
        yield key, sizes([_rest(folder, control) for _ in range(effort.rests)])


def _start(folder: Path) -> Taken:
    with mockprocess.running(folder / "mock.log", "--control-port", str(mockprocess.free_port())) as mock:
        return Taken(1000 * mock.seconds_to_first_answer, 1000 * processor_seconds(mock.server.process_id))


def _reference() -> Taken:
    began, before = time.perf_counter(), _children_seconds()
    with cores.on(cores.SERVER):
        subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    return Taken(1000 * (time.perf_counter() - began), 1000 * (_children_seconds() - before))


def _children_seconds() -> float:
    """Processor time of all programs that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _rest(folder: Path, control: str) -> float:
    port = str(mockprocess.free_port())
    with mockprocess.running(folder / "mock.log", "--control", control, "--control-port", port) as mock:
        time.sleep(_WORK_AFTER_START_SECONDS)  # the work after the first response counts as well
        return mock.rss_mib()
