"""Requests per second and latency relative to nginx in the same round, with tokens optional and required.

nginx has one worker, returns the same bodies and, like the mock, writes an access log.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import mockprocess
import references
from mockprocess import LEAF, TOKEN_PATH
from rows import LOADS
from wrk import Load, Sample, compare, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from effort import Effort
    from mockprocess import MockProcess
    from outcomes import Outcomes
    from wrk import Server


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure one kind of request after the other."""
    with contextlib.ExitStack() as stack:
        mocks = {
            tokens: stack.enter_context(
                mockprocess.running(folder / f"{tokens}.log", "--control", "off", "--http-tokens", tokens)
            )
            for tokens in ("optional", "required")
        }
        nginx = stack.enter_context(references.nginx(folder, nginx_bodies(mocks["optional"])))
        for name in LOADS:
            mock = mocks["required" if name == "required" else "optional"]
            load = loads(mock)["token" if name == "required" else name]
            for connections in effort.connections:
                sides = alternate(load, connections, effort.for_tails, mock.server, nginx)
                key = f"nginx/{name}/{connections}"
                yield f"{key}/rate", compare(*sides, effort.rate)
                yield f"{key}/p99", compare(*sides, "p99")


def alternate(
    load: Load, connections: int, effort: Effort, mock: Server, other: Server
) -> tuple[list[Sample], list[Sample]]:
    """Load two servers in turn; every other round begins with the other one."""
    samples: dict[Server, list[Sample]] = {mock: [], other: []}
    for number in range(effort.rounds):
        for server in (mock, other) if number % 2 else (other, mock):
            samples[server].append(run(load, connections, effort.seconds, server))
    return samples[mock], samples[other]


def loads(mock: MockProcess) -> Mapping[str, Load]:
    """The requests of the rows."""
    return {"leaf": Load(LEAF), "token": Load(LEAF, token=mock.token()), "put": Load(TOKEN_PATH, is_put=True)}


def nginx_bodies(mock: MockProcess) -> Mapping[str, tuple[int, str]]:
    """What nginx returns."""
    return {LEAF: (200, "i-1234567890abcdef0"), TOKEN_PATH: (200, mock.token())}
