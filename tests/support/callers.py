"""A caller registry for tests, with a fake name server, fake kernel tables and a fake clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import TYPE_CHECKING

from imds_mock.callers.address_linking import AddressLinker
from imds_mock.callers.identification import CallerIdentifier
from imds_mock.callers.kernel import Neighbour, OwnAddress
from imds_mock.callers.local_networks import LocalNetworks
from imds_mock.callers.registry import CallerRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from imds_mock.callers.caller import Caller


@dataclass
class FakeNetwork:
    """The network around a mock.

    Attributes:
        names: Reverse names by address, one or several; other addresses have none.
        hosts: Addresses by name.
        own_addresses: Addresses of the mock with their prefix lengths, one interface each; those in one text share an
            interface.
        macs: Hardware addresses by address, as confirmed entries of the neighbour table.
        stale: The same, as unconfirmed entries, which may be out of date.
        silent: Hardware addresses that enter the neighbour table only after a datagram to the address.
        filtered: Addresses that respond to no datagram.
        probed: The addresses that datagrams were sent to.
        gateways: The default gateways.
        services: The services that the configuration names.
        queries: Queries to the name server, in order.
        is_down: The name server does not answer.
        answering: The name server answers once this is set.
        now: The clock in seconds.
        changes: The arguments of `on_change`.
        is_engine: The name server knows the mock's own addresses.
        names_loopback: The name server is queried even for loopback addresses, for tests on a single machine.
    """

    names: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    hosts: dict[str, frozenset[str]] = field(default_factory=dict)
    own_addresses: tuple[str, ...] = ("172.18.0.2/16",)
    macs: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    filtered: frozenset[str] = frozenset()
    probed: list[str] = field(default_factory=list)
    gateways: frozenset[str] = frozenset({"172.18.0.1"})
    services: frozenset[str] = frozenset()
    queries: list[str] = field(default_factory=list)
    is_down: bool = False
    answering: asyncio.Event | None = None
    now: float = 0.0
    changes: list[set[str] | None] = field(default_factory=list)
    is_engine: bool = True
    names_loopback: bool = False

    def registry(self, timeout_seconds: float = 1.0) -> CallerRegistry:
        """A caller registry on this network."""
        networks = (_NamedLoopback if self.names_loopback else LocalNetworks)(
            kernel := _Kernel(self), lambda: self.gateways, lambda: self.now, lambda: self.is_engine
        )
        linker = AddressLinker(kernel, networks, _Probe(self), lambda: self.now)
        identifier = CallerIdentifier(self, networks, linker, lambda: self.services)
        registry = CallerRegistry(self.addresses_of, identifier, lambda: self.now, lambda: timeout_seconds)
        registry.on_change = lambda addresses: self.changes.append(None if addresses is None else set(addresses))
        return registry

    def identify(self, *addresses: str) -> list[Caller]:
        """The callers at addresses after one request from each, in order."""

        async def identify() -> list[Caller]:
            registry = self.registry()
            for address in addresses:
                ready = registry.identify(address)
                if ready is not None:
                    await ready
            return [registry.caller(address) for address in addresses]

        return asyncio.run(identify())

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The name server's forward look-up."""
        await self._answer(name)
        return self.hosts.get(name, frozenset())

    async def names_of(self, address: str) -> tuple[str, ...]:
        """The name server's reverse look-up."""
        await self._answer(address)
        found = self.names.get(address, ())
        return (found,) if isinstance(found, str) else found

    async def _answer(self, query: str) -> None:
        self.queries.append(query)
        if self.answering is not None:
            await self.answering.wait()
        if self.is_down:
            raise OSError("no answer")


class _NamedLoopback(LocalNetworks):
    def may_have_name(self, _address: str) -> bool:
        return True


class _Kernel:
    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    def own_addresses(self) -> tuple[OwnAddress, ...]:
        own = ("127.0.0.1/8", "::1/128", *self._network.own_addresses)
        return tuple(OwnAddress(index, ip_interface(each)) for index, text in enumerate(own) for each in text.split())

    def mac_of(self, address: str, _interface_index: int) -> str | None:
        return self._network.macs.get(address) or self._network.stale.get(address)

    def neighbours(self) -> tuple[Neighbour, ...]:
        network = self._network
        known = [(address, mac, True) for address, mac in network.macs.items()]
        known += [(address, mac, False) for address, mac in network.stale.items() if address not in network.macs]
        return tuple(
            Neighbour(own.interface_index, address, mac, is_confirmed)
            for address, mac, is_confirmed in known
            for own in self.own_addresses()
            if ip_address(address) in own.interface.network
        )


class _Probe:
    """Neighbours that respond to datagrams as the fields of the network say."""

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    async def responding(self, addresses: Iterable[str]) -> frozenset[str]:
        return frozenset(each for each in addresses if self._reach(each) and each not in self._network.filtered)

    async def solicit(self, addresses: Iterable[str], _is_found: Callable[[], bool]) -> None:
        for address in addresses:
            self._reach(address)

    def _reach(self, address: str) -> bool:
        network = self._network
        network.probed.append(address)
        if address not in network.stale and address in network.silent:
            network.macs = {**network.macs, address: network.silent[address]}
        # The kernel sends to the hardware address in its table, even if that is stale.
        return address in network.macs or network.stale.get(address, "-") == network.silent.get(address)
