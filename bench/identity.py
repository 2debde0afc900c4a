"""What an instance for each of 500 callers costs, relative to one instance for all, and to a single caller.

Mocks, name server and callers run in network namespaces, so callers have addresses and names as on a container engine.
Each measurement opens the same number of connections; with one caller, all come from one address. The sides of a round
follow each other, in the other order in every other round. The first request of each caller, which waits for its name
and its instance, is measured separately. The program that sends the requests is slower than the mock, so the mock's
processor time for each request counts.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import cores
from identity_asking import Figures
from mockprocess import IMDS_MOCK, rss_mib
from netlab import Lab
from outcomes import ratios, sizes
from wrk import processor_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from effort import Effort
    from netlab import Namespace
    from outcomes import Outcomes

_HERE: Final = Path(__file__).resolve().parent
_MOCK: Final = "10.77.0.1"
_PORTS: Final = {"shared": 1338, "per-container": 1339}
CALLERS: Final = 500
_WORK_AFTER_START_SECONDS: Final = 2


class _Side(NamedTuple):
    """An identity, and how many callers send requests."""

    identity: str
    callers: int


_EACH: Final = _Side("per-container", CALLERS)
_SIDES: Final = (_Side("shared", CALLERS), _EACH, _Side("per-container", 1))
"""One instance for all, an instance for each caller, and an instance for a single caller."""


class Asked(NamedTuple):
    """The results of one measurement: requests per second of the mock's processor time, and the caller's figures."""

    processor_rate: float
    figures: Figures


def measure(effort: Effort, folder: Path) -> Outcomes:
    """Measure with two mocks, one for each kind of identity."""
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        mock, apps = lab.namespace("mock"), lab.namespace("apps")
        _, link = lab.link(mock, apps, [f"{_MOCK}/16"], ["10.77.0.2/16"])
        batch = "".join(f"address add {address}/16 dev {link}\n" for address in addresses(CALLERS))
        apps.run(["ip", "-batch", "-"], input=batch)
        name_server = stack.enter_context(_name_server(mock))
        mocks = {
            identity: stack.enter_context(_mock(mock, identity, name_server, folder / f"{identity}.log"))
            for identity in _PORTS
        }
        time.sleep(_WORK_AFTER_START_SECONDS)
        before = rss_mib(mocks["per-container"])
        # Instances are created in the first round, which is measured separately.
        created = _round(apps, mocks, effort.asked, _SIDES)
        rounds = [
            _round(apps, mocks, effort.asked, _SIDES[:: -1 if number % 2 else 1])
            for number in range(effort.for_tails.rounds)
        ]
        growth = rss_mib(mocks["per-container"]) - before
    shared, each, single = ([one[side] for one in rounds] for side in _SIDES)
    yield "identity/processor", ratios(*([one.processor_rate for one in side] for side in (each, shared)))
    yield "identity/p99", ratios(*([one.figures.p99 for one in side] for side in (each, single)))
    yield "identity/first", sizes([created[_EACH].figures.first])
    yield "identity/memory", sizes([growth])


def _round(apps: Namespace, mocks: dict[str, int], requests: int, sides: Sequence[_Side]) -> dict[_Side, Asked]:
    """Measure the sides in this order."""
    return {side: _ask(apps, side.identity, mocks, requests, side.callers) for side in sides}


def _ask(apps: Namespace, identity: str, mocks: dict[str, int], requests: int, callers: int) -> Asked:
    """Send requests from this many callers.

    Raises:
        RuntimeError: The number of instances is not the expected one.
    """
    words = [sys.executable, str(_HERE / "identity_asking.py"), _MOCK, *map(str, (_PORTS[identity], CALLERS, requests))]
    words += addresses(callers)
    with cores.on(cores.LOAD):
        asking = apps.popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if asking.stdout is None or not asking.stdout.readline():
        raise RuntimeError("the first requests failed")
    before = processor_seconds(mocks[identity])
    printed, _ = asking.communicate("go\n", timeout=300)
    spent = processor_seconds(mocks[identity]) - before
    figures = Figures(**json.loads(printed))
    expected = callers if identity == "per-container" else 1
    if figures.instances != expected:
        raise RuntimeError(f"{callers} callers saw {figures.instances} instances, identity {identity}")
    return Asked(requests / spent, figures)


@contextlib.contextmanager
def _name_server(space: Namespace) -> Iterator[str]:
    """Run the name server; yields its address."""
    with cores.on(cores.LOAD):
        process = space.popen([sys.executable, _HERE / "identity_names.py"], stdout=subprocess.PIPE)
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.communicate(timeout=10)


@contextlib.contextmanager
def _mock(space: Namespace, identity: str, name_server: str, log: Path) -> Iterator[int]:
    """Run a mock; yields its process id."""
    with cores.on(cores.SERVER):
        process = space.popen(
            [
                IMDS_MOCK,
                *("serve", "--host", _MOCK, "--port", str(_PORTS[identity]), "--control", "off"),
                *("--set", f"identity={identity}", "--set", f"callers.name_server={name_server}"),
                *("--set", f"server.access_log_file={log}"),
            ],
            stderr=subprocess.PIPE,
        )
    try:
        if process.stderr is None or "answers on" not in process.stderr.readline():
            raise RuntimeError("imds-mock does not answer")
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=20)


def addresses(count: int) -> list[str]:
    """The addresses of this many callers."""
    return [f"10.77.{1 + place // 250}.{1 + place % 250}" for place in range(count)]
