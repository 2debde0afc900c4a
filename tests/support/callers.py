"""Callers for tests: a name server, a kernel and a clock that a test holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING

from imds_mock.callers.identification import Identification
from imds_mock.callers.joining import Joining
from imds_mock.callers.kernel import Link, Neighbour
from imds_mock.callers.register import Callers
from imds_mock.callers.surroundings import Surroundings

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Iterable, Mapping


@dataclass
class World:
    """Everything around a mock that tells who its callers are.

    Attributes:
        names: Reverse names by address; what is not there has none.
        hosts: Addresses by name.
        links: Addresses of the mock with their blocks, one interface each; those in one text share an interface.
        macs: Hardware addresses by address, as the kernel has confirmed them.
        stale: Likewise, but not confirmed: they may be out of date.
        silent: Hardware addresses that the kernel finds out only when the owner of the address is asked for.
        filtered: Addresses that answer no datagram.
        reached: The addresses that a datagram was sent to.
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
    stale: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    filtered: frozenset[str] = frozenset()
    reached: list[str] = field(default_factory=list)
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
            kernel := _Kernel(self), lambda: self.gateways, lambda: self.now, lambda: self.is_engine
        )
        identification = Identification(
            self, surroundings, Joining(kernel, surroundings, _Reach(self), lambda: self.now), lambda: self.services
        )
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
        return tuple(Link(place, ip_interface(each)) for place, text in enumerate(own) for each in text.split())

    def mac_of(self, address: str, _place: int) -> str | None:
        return self._world.macs.get(address) or self._world.stale.get(address)

    def neighbours(self) -> tuple[Neighbour, ...]:
        known = [(address, mac, True) for address, mac in self._world.macs.items()]
        known += [
            (address, mac, False) for address, mac in self._world.stale.items() if address not in self._world.macs
        ]
        return tuple(
            Neighbour(link.place, address, mac, is_confirmed)
            for address, mac, is_confirmed in known
            for link in self.links()
            if ip_address(address) in link.interface.network
        )


class _Reach:
    """Neighbours that answer datagrams as the kernel's table says they would."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answering(self, addresses: Iterable[str]) -> frozenset[str]:
        return frozenset(each for each in addresses if self._reach(each) and each not in self._world.filtered)

    async def call(self, addresses: Iterable[str], _found: Callable[[], bool]) -> None:
        for address in addresses:
            self._reach(address)

    def _reach(self, address: str) -> bool:
        world = self._world
        world.reached.append(address)
        if address not in world.stale and address in world.silent:
            world.macs = {**world.macs, address: world.silent[address]}
        # The kernel sends to the hardware address that it knows, be it out of date.
        return address in world.macs or world.stale.get(address, "-") == world.silent.get(address)
