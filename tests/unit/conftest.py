"""What unit tests share."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imds_mock.signing.signer import Signer
    from support.held_mock import HeldMock


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """No test changes what the process does, in later tests, on a signal or an error in a destructor or thread."""
    before = _reactions()
    yield
    assert _reactions() == before


def _reactions() -> list[object]:
    handlers = [signal.getsignal(number) for number in sorted(signal.valid_signals())]
    return [*handlers, signal.pthread_sigmask(signal.SIG_BLOCK, ()), sys.unraisablehook, threading.excepthook]


@pytest.fixture(autouse=True)
def _words_of_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim's messages speak of Docker, also if the tests run in a Pod or without a container."""
    monkeypatch.setattr("imds_shim.surroundings.detect", lambda _environ: "docker")


@pytest.fixture
def started(signer: Signer) -> Iterator[Callable[..., HeldMock]]:
    """Starts mocks, each with an optional configuration document, and closes them at the end."""
    from support.held_mock import HeldMock

    mocks: list[HeldMock] = []

    def start(document: dict[str, Any] | None = None) -> HeldMock:
        mocks.append(HeldMock(signer, document))
        return mocks[-1]

    yield start
    for mock in mocks:
        mock.close()
