"""Names of callers: what Docker's name server says, believed for a moment, and never waited for by a request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from imds_mock.callers.names import Callers, parse_reverse_name
from imds_mock.driving.journal import Entry


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("proj-app-2.proj_default", ("proj-app-2", "app")),
        ("proj-app-run-d59c2409f8fa.proj_default", ("proj-app-run-d59c2409f8fa", "app")),
        ("proj-my-app-10.proj_default.", ("proj-my-app-10", "my-app")),
        ("proj-app-2-1.proj_default", ("proj-app-2-1", "app-2")),
        ("my_proj-app-1.my_proj_default", ("my_proj-app-1", "app")),
        ("custom.proj_default", ("custom",)),
        ("proj-custom.proj_default", ("proj-custom",)),
        ("other-app-1.proj_default", ("other-app-1",)),
        ("plain.bridge", ("plain",)),
        ("proj-app-1", ("proj-app-1",)),
    ],
)
def test_container_and_service_are_read_from_a_reverse_name(name: str, names: tuple[str, ...]) -> None:
    assert parse_reverse_name(name) == names


@dataclass
class Directory:
    """A name server that a test holds."""

    addresses: dict[str, frozenset[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: float = 0.0
    down: bool = False
    changes: int = 0

    def callers(self) -> Callers:
        return Callers(self.forward, self.backward, lambda: self.now, self.count_change)

    def count_change(self) -> None:
        self.changes += 1

    async def forward(self, name: str) -> frozenset[str]:
        self.asked.append(name)
        if self.down:
            raise OSError("unreachable")
        return self.addresses.get(name, frozenset())

    async def backward(self, address: str) -> str | None:
        self.asked.append(address)
        return self.names.get(address)


def entry(caller: str) -> Entry:
    return Entry(1, 0.0, caller, "GET", "/", "/", 1, "absent", 200, 1)


def test_a_target_is_known_before_it_has_asked_anything() -> None:
    async def scenario() -> None:
        directory = Directory({"app": frozenset({"172.18.0.3", "172.18.0.4"})})
        callers = directory.callers()
        assert not callers.is_target("172.18.0.3", "app")
        await callers.learn({"app", "nobody", "172.18.0.9", "fe80::1"})
        assert callers.is_target("172.18.0.3", "app")
        assert callers.is_target("172.18.0.4", "app")
        assert not callers.is_target("172.18.0.5", "app")
        assert not callers.is_target("172.18.0.3", "nobody")
        assert callers.is_target("172.18.0.9", "172.18.0.9")
        assert directory.asked == ["app", "nobody"]
        assert callers.addresses("app") == {"172.18.0.3", "172.18.0.4"}

    asyncio.run(scenario())


def test_a_change_is_told_and_a_dead_name_server_changes_nothing() -> None:
    async def scenario() -> None:
        directory = Directory({"app": frozenset({"172.18.0.3"})})
        callers = directory.callers()
        await callers.learn({"app"})
        await callers.learn({"app"})
        assert directory.changes == 1
        directory.down = True
        await callers.learn({"app"})
        assert callers.is_target("172.18.0.3", "app")
        directory.down, directory.addresses["app"] = False, frozenset({"172.18.0.7"})
        await callers.learn({"app"})
        assert (directory.changes, callers.is_target("172.18.0.3", "app")) == (2, False)

    asyncio.run(scenario())


def test_names_come_in_the_background_and_are_not_believed_for_long() -> None:
    async def scenario() -> None:
        directory = Directory(names={"172.18.0.3": "proj-app-1.proj_default"})
        callers = directory.callers()
        callers.notice([entry("172.18.0.3"), entry("172.18.0.3"), entry("172.18.0.9")])
        assert callers.names("172.18.0.3") == ()
        await callers.settled()
        assert callers.names("172.18.0.3") == ("proj-app-1", "app")
        assert callers.is_target("172.18.0.3", "app")
        assert callers.names("172.18.0.9") == ()
        callers.notice([entry("172.18.0.3")])
        assert sorted(directory.asked) == ["172.18.0.3", "172.18.0.9"]
        directory.now, directory.names["172.18.0.3"] = 6.0, "proj-db-1.proj_default"
        callers.notice([entry("172.18.0.3"), entry("172.18.0.9")])
        await callers.settled()
        assert callers.names("172.18.0.3") == ("proj-db-1", "db")
        assert sorted(directory.asked) == ["172.18.0.3", "172.18.0.3", "172.18.0.9"]

    asyncio.run(scenario())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.3.4", "-"])
def test_addresses_that_docker_has_no_name_for_are_not_asked_about(address: str) -> None:
    async def scenario() -> None:
        directory = Directory()
        callers = directory.callers()
        callers.notice([entry(address)])
        await callers.settled()
        assert directory.asked == []

    asyncio.run(scenario())
