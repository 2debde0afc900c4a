"""What unit tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _words_of_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim's messages speak of Docker, also if the tests run in a Pod or without a container."""
    monkeypatch.setattr("imds_shim.surroundings.detect", lambda _environ: "docker")
