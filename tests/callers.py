"""Callers for tests: a name server, a kernel and a clock that a test holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from imds_mock.callers.identification import Identification
from imds_mock.callers.kernel import Link
from imds_mock.callers.register import Callers
from imds_mock.callers.surroundings import Surroundings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Mapping


@dataclass
class World:
    """Everything around a mock that tells who its callers are.

    Attributes:
        names: Reverse names by address; what is not there has none.
        hosts: Addresses by name.
        links: Addresses of the mock with their blocks, one interface each.
        macs: Hardware addresses by address.
        gateways: The default gateways.
        services: The services that it matters to know of.
        asked: What the name server was asked, in order.
        dead: The name server gives no answer.
        slow: The name server answers when this is set.
        now: The clock.
        changes: What was told to have changed.
        is_engine: The name server has names for the mock's own addresses.
        asks_for_all: The name server is asked even for loopback, so that a test on one machine has named callers.
    """

    names: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, frozenset[str]] = field(default_factory=dict)
    links: tuple[str, ...] = ("172.18.0.2/16",)
    macs: Mapping[str, str] = field(default_factory=dict)
    gateways: frozenset[str] = frozenset({"172.18.0.1"})
    services: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)
    dead: bool = False
    slow: asyncio.Event | None = None
    now: float = 0.0
    changes: list[set[str] | None] = field(default_factory=list)
    is_engine: bool = True
    asks_for_all: bool = False

    def callers(self, patience_seconds: float = 1.0) -> Callers:
        """Callers in this world."""
        surroundings = (_AskingForAll if self.asks_for_all else Surroundings)(
            _Kernel(self), lambda: self.gateways, lambda: self.now, lambda: self.is_engine
        )
        identification = Identification(self, surroundings, lambda: self.services)
        callers = Callers(self.forward, identification, lambda: self.now, lambda: patience_seconds)
        callers.changed = self._note
        return callers

    def _note(self, addresses: Collection[str] | None) -> None:
        self.changes.append(None if addresses is None else set(addresses))

    async def forward(self, name: str) -> frozenset[str]:
        """Looks a target up."""
        return await self.addresses_of(name)

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The name server's forward look-up."""
        await self._answer(name)
        return self.hosts.get(name, frozenset())

    async def name_of(self, address: str) -> str | None:
        """The name server's reverse look-up."""
        await self._answer(address)
        return self.names.get(address)

    async def _answer(self, asked: str) -> None:
        self.asked.append(asked)
        if self.slow is not None:
            await self.slow.wait()
        if self.dead:
            raise OSError("no answer")


class _AskingForAll(Surroundings):
    def may_have_name(self, _address: str) -> bool:
        return True


class _Kernel:
    def __init__(self, world: World) -> None:
        self._world = world

    def links(self) -> tuple[Link, ...]:
        own = ("127.0.0.1/8", "::1/128", *self._world.links)
        return tuple(Link(place, ip_interface(text)) for place, text in enumerate(own))

    def mac_of(self, address: str, _place: int) -> str | None:
        return self._world.macs.get(address)
