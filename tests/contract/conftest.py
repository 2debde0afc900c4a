"""Fixtures of the contract tests: mocks with the reference instance."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

import client_install
from netlab import Lab
from support.event_loops import LOOPS, Run
from support.instances import Instances
from support.mockcontrol import DrivenMock, driven_mock

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instances]:
    clients = client_install.install()
    with contextlib.ExitStack() as stack:
        lab = stack.enter_context(Lab())
        yield Instances(lab, tmp_path_factory.mktemp("instances"), stack, clients)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    """A mock in this process, with its control plane on a socket."""
    with driven_mock(tmp_path_factory.mktemp("mock")) as mock:
        yield mock


@pytest.fixture
def mock(running: DrivenMock) -> DrivenMock:
    """The same, as it was at its start and with an empty journal."""
    running.do("POST", "/v1/reset")
    running.do("DELETE", "/v1/requests")
    return running


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a coroutine on each kind of event loop."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(coroutine)

    return run
