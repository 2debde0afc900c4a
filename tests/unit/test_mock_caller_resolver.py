"""The system's resolver: its answers, its errors, and that nobody waits for it at the end."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from imds_mock.callers.resolver import Resolver
from imds_mock.callers.targets import system_forward


def test_addresses_and_errors() -> None:
    assert "127.0.0.1" in {each[4][0] for each in asyncio.run(Resolver().look_up("127.0.0.1"))}
    assert asyncio.run(system_forward("x" * 70 + ".")) == frozenset()


def test_a_look_up_that_hangs_keeps_neither_its_caller_nor_the_end_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_arguments: Any, **_options: Any) -> list[Any]:
        answered.wait(30)
        return []

    async def look_up() -> None:
        await asyncio.wait_for(Resolver().look_up("slow.example"), 0.05)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(look_up())
    assert time.monotonic() - began < 10
    answered.set()
