"""Requests per second of every kind of path, relative to the plain leaf and to nginx in the same round.

nginx returns the mock's own responses from its configuration. The last server in each round is
amazon-ec2-metadata-mock, for the paths to which its response has the same status. Without nginx, the rows relative to
the plain leaf are measured nevertheless.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import mockprocess
import references
from effort import LEFT_OUT
from rows import LEAF, PATHS
from wrk import Load, Sample, Server, compare, run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from effort import Effort
    from outcomes import Outcomes
    from rows import Path

CONNECTIONS: Final = 16
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"


def measure(effort: Effort, folder: FilePath) -> Outcomes:
    """Measure one path after the other, each with all servers in turn."""
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(mockprocess.running(folder / "mock.log", "--control", "off")).server
        loads = _loads(mock)
        bodies = {load.path: _answer(mock, load.path) for load in loads.values()}
        nginx = references.enter(stack, references.nginx(folder, bodies))
        if isinstance(nginx, Server) and any(_answer(nginx, path) != answer for path, answer in bodies.items()):
            raise RuntimeError("nginx does not return the mock's responses")
        aemm = references.enter(stack, references.aemm(folder)) if effort.has_aemm else LEFT_OUT
        for path, load in loads.items():
            sides = {} if path is LEAF else {"leaf": (mock, loads[LEAF])}
            sides["path"] = mock, load
            same = nginx if isinstance(nginx, str) else _same(path, aemm)
            if isinstance(nginx, Server):
                sides["nginx"] = nginx, load
                if isinstance(aemm, Server) and isinstance(same, Load):
                    sides["aemm"] = aemm, same
            samples = _samples(effort, sides)
            if path is not LEAF:
                yield f"path/{path.path}/leaf", compare(samples["path"], samples["leaf"], effort.rate)
            if isinstance(nginx, str):
                yield f"path/{path.path}/nginx", nginx
            else:
                yield f"path/{path.path}/nginx", compare(samples["path"], samples["nginx"], effort.rate)
            if "aemm" in samples:
                yield f"path/{path.path}/aemm", compare(samples["aemm"], samples["nginx"], effort.rate)
            elif effort.has_aemm:
                yield f"path/{path.path}/aemm", str(same)


def _samples(effort: Effort, sides: Mapping[str, tuple[Server, Load]]) -> Mapping[str, list[Sample]]:
    """Load all sides in turn; every other round begins with the last one."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(effort.rounds):
        for name, (server, load) in list(sides.items())[:: -1 if number % 2 else 1]:
            samples[name].append(run(load, CONNECTIONS, effort.seconds, server))
    return samples


def _same(path: Path, aemm: Server | str) -> Load | str:
    """The request to amazon-ec2-metadata-mock, or the reason why there is none."""
    if isinstance(aemm, str):
        return aemm
    load = _loads(aemm)[path]
    status, _ = _answer(aemm, load.path)
    return load if status == path.status else f"its response has status {status}"


def _loads(server: Server) -> Mapping[Path, Load]:
    """The requests by path, with the role that the server has."""
    role = _answer(server, _ROLES)[1].strip()
    return {path: Load(f"/latest/{path.path.replace('ROLE', role)}", status=path.status) for path in PATHS}


def _answer(server: Server, path: str) -> tuple[int, str]:
    """Status and body of a response."""
    head, _, body = mockprocess.exchange(server.port, mockprocess.request(path)).partition(b"\r\n\r\n")
    return int(head.split()[1]), body.decode()
