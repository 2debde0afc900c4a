"""Start of the shim relative to a common bash entrypoint, and sizes of the images, on a Docker engine.

Both entrypoints wait for nothing: the mock is running. `shim_start.py` prints the steps of the shim's start.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Final

from engine import EngineError, engine
from outcomes import NotMeasuredError, ratios, sizes
from shim_start import IMAGE, PASTED, SHIM, beside_mock, build, docker, times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from effort import Effort
    from outcomes import Outcomes

_ENTRYPOINTS: Final[Mapping[str, Sequence[str]]] = {
    "shim": ("--entrypoint", SHIM, IMAGE),
    "pasted": ("--entrypoint", "bash", IMAGE, PASTED),
}


def measure(effort: Effort, folder: Path) -> Outcomes:  # noqa: ARG001 - as all measurements
    """Measure on the machine's engine, or on a temporary one.

    Raises:
        NotMeasuredError: No engine can be used.
    """
    if not effort.has_containers:
        return
    try:
        with engine() as environment:
            build(environment)
            for image in ("imds-mock", "imds-shim"):
                size = docker(environment, "image", "inspect", "--format", "{{.Size}}", image)
                yield f"image/{image}", sizes([int(size) / 1_000_000])
            samples = times(environment, effort.entrypoints)
            yield "shim/exec", ratios(samples["shim"], samples["pasted"])
            yield "shim/run", ratios(*_runs(environment, effort.runs))
    except EngineError as error:
        raise NotMeasuredError(str(error)) from error


def _runs(environment: Mapping[str, str], count: int) -> tuple[list[float], list[float]]:
    """Milliseconds of `docker run` until the application prints, with both entrypoints in turn."""
    taken: dict[str, list[float]] = {name: [] for name in _ENTRYPOINTS}
    with beside_mock(environment) as options:
        for number in range(count):
            for name in _ENTRYPOINTS if number % 2 else reversed(tuple(_ENTRYPOINTS)):
                taken[name].append(_first_line(environment, (*options, *_ENTRYPOINTS[name])))
    return taken["shim"], taken["pasted"]


def _first_line(environment: Mapping[str, str], words: Sequence[str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        ["docker", "run", "--rm", *words, "echo", "ready"],
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        line = started.stdout.readline() if started.stdout else ""
        taken = (time.perf_counter() - began) * 1000
        _, errors = started.communicate()
    if line != "ready\n":
        raise RuntimeError(f"the application did not start: {errors}")
    return taken
