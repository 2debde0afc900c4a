"""The system's resolver: addresses, errors, and no delay when the event loop ends; concurrent targets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from imds_mock.callers.targets import SystemResolver, TargetResolver, resolve_name, resolve_service


def test_addresses_and_errors() -> None:
    assert "127.0.0.1" in {each[4][0] for each in asyncio.run(SystemResolver().look_up("127.0.0.1"))}
    assert asyncio.run(resolve_name("x" * 70 + ".")) == frozenset()


def test_a_hanging_look_up_delays_neither_its_caller_nor_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_arguments: Any, **_options: Any) -> list[Any]:
        answered.wait(30)
        return []

    async def look_up() -> None:
        await asyncio.wait_for(SystemResolver().look_up("slow.example"), 0.05)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(look_up())
    assert time.monotonic() - began < 10
    answered.set()


@pytest.mark.parametrize("number", [socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_SYSTEM])
def test_a_resolver_error_is_not_an_empty_answer(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise socket.gaierror(number, "cannot tell")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        asyncio.run(resolve_name("app"))


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "unknown"), UnicodeError("label too long")])
def test_an_unknown_name_has_no_addresses(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert asyncio.run(resolve_name("app")) == frozenset()


def test_a_slower_call_keeps_the_targets_of_a_concurrent_one() -> None:
    async def scenario() -> None:
        answered = asyncio.Event()

        async def forward(name: str) -> frozenset[str]:
            if name == "slow":
                await answered.wait()
            return frozenset({"172.18.0.3"})

        targets = TargetResolver(forward, lambda: 0.0)
        slower = asyncio.ensure_future(targets.resolve({"slow"}))
        await asyncio.sleep(0)
        await targets.resolve({"app"})
        answered.set()
        await slower
        assert targets.addresses("app") == targets.addresses("slow") == {"172.18.0.3"}
        await targets.resolve({"slow"})
        assert targets.addresses("app") == frozenset()

    asyncio.run(scenario())


SERVICE = {
    "web": frozenset({"10.0.1.5"}),
    "tasks.web": frozenset({"10.0.1.6", "10.0.1.7"}),
    "db": frozenset({"10.0.1.9"}),
}


@pytest.mark.parametrize(
    ("name", "in_swarm", "addresses", "queries"),
    [
        ("web", True, {"10.0.1.6", "10.0.1.7"}, ["web", "tasks.web"]),
        ("db", True, {"10.0.1.9"}, ["db", "tasks.db"]),
        ("absent", True, set(), ["absent"]),
        ("web", False, {"10.0.1.5"}, ["web"]),
    ],
)
def test_in_a_swarm_a_service_has_the_addresses_of_its_tasks(
    name: str, *, in_swarm: bool, addresses: set[str], queries: list[str]
) -> None:
    asked = []

    async def resolve(asked_for: str) -> frozenset[str]:
        asked.append(asked_for)
        return SERVICE.get(asked_for, frozenset())

    async def is_in_swarm() -> bool:
        return in_swarm

    assert asyncio.run(resolve_service(name, resolve, is_in_swarm)) == addresses
    assert asked == queries


@pytest.mark.parametrize("error", [TimeoutError(), OSError("no answer")])
def test_a_service_without_an_answer_for_its_tasks_keeps_its_own_address(error: OSError) -> None:
    async def resolve(name: str) -> frozenset[str]:
        if name.startswith("tasks."):
            raise error
        return SERVICE[name]

    async def is_in_swarm() -> bool:
        return True

    assert asyncio.run(resolve_service("web", resolve, is_in_swarm)) == {"10.0.1.5"}
