"""What the control plane costs the data plane: turned on, while a test makes changes, and while a client follows it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

import cores
import mockprocess
import references
from against_nginx import alternate, loads, nginx_bodies
from disturbances import changes, follower
from outcomes import ratios
from rows import CONTROL_LOADS, FOLLOWERS
from steady import processor_share
from wrk import Load, compare, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from effort import Effort
    from outcomes import Outcomes
    from wrk import Sample, Server

CONNECTIONS: Final = 16
_STREAM: Final = "/v1/requests/stream"
FOLLOWED: Final = {"batches": f"{_STREAM}?interval=250ms", "entries": _STREAM}
"""What each client of `FOLLOWERS` reads; the page reads the batches."""


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure with one mock."""
    port = mockprocess.free_port()
    options = ("--control", "on", "--control-port", str(port))
    with (
        mockprocess.running(folder / "mock.log", *options) as mock,
        contextlib.ExitStack() as stack,
        cores.on(cores.LOAD),
    ):
        nginx = references.enter(stack, references.nginx(folder, nginx_bodies(mock)))
        for name in CONTROL_LOADS:
            if isinstance(nginx, str):
                yield f"control/{name}", nginx
            else:
                sides = alternate(loads(mock)[name], CONNECTIONS, effort, mock.server, nginx)
                yield f"control/{name}", compare(*sides, effort.rate)
        for connections in effort.connections:
            sides = disturb(effort.for_tails, connections, mock.server, partial(changes, port))
            yield f"control/changes/{connections}", compare(*sides, "p99")
        for name in FOLLOWERS:
            yield from cost(f"control/{name}", effort, mock.server, partial(follower, port, FOLLOWED[name]))


def disturb(
    effort: Effort, connections: int, server: Server, disturbance: Callable[[], AbstractContextManager[None]]
) -> tuple[list[Sample], list[Sample]]:
    """Load the mock with and without a disturbance in turn; every other round begins without.

    Returns:
        The samples with and without.
    """
    load = Load(mockprocess.LEAF)
    busy: list[Sample] = []
    quiet: list[Sample] = []

    def disturbed() -> None:
        with disturbance():
            busy.append(run(load, connections, effort.seconds, server))

    def alone() -> None:
        quiet.append(run(load, connections, effort.seconds, server))

    for number in range(effort.rounds):
        for side in (disturbed, alone) if number % 2 else (alone, disturbed):
            side()
    return busy, quiet


def cost(key: str, effort: Effort, server: Server, disturbance: Callable[[], AbstractContextManager[None]]) -> Outcomes:
    """The rows of what a client of the control plane costs.

    Args:
        key: What the keys of the rows begin with.
        effort: How much is measured.
        server: The mock.
        disturbance: Runs the client.
    """
    left = []
    for _ in range(effort.rounds):
        alone = processor_share(server, mockprocess.LEAF)
        with disturbance():
            left.append(1 - max(0.0, processor_share(server, mockprocess.LEAF) - alone))
    yield f"{key}/processor", ratios(left, [1.0] * len(left))
    yield f"{key}/rate", compare(*disturb(effort, CONNECTIONS, server, disturbance), "rate")
