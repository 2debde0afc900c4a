"""Finds the container at an address: its name, its other addresses, its service.

An address to which a name resolves counts only if its reverse name is the same: the name of one container may be an
alias of another. A link-local address has no name, so the container's ordinary address on the same link is used.

A Swarm task that is to stop leaves the name server before it ends. As long as its address has no name and the same
hardware address, it is the same container.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.callers.caller import Caller
from imds_mock.callers.reverse_names import parse_reverse_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imds_mock.callers.address_linking import AddressLinker
    from imds_mock.callers.caller import Interface
    from imds_mock.callers.local_networks import LocalNetworks
    from imds_mock.callers.reverse_names import ContainerName

# For a stopped service the engine's name server asks the server that it forwards to, which may be down.
# It also asks that server for an address without a name, such as a Swarm task's on the bridge to its machine.
_NAMES_SECONDS: Final = 0.5


class NameService(Protocol):
    """Forward and reverse look-ups: a name server."""

    async def names_of(self, address: str) -> tuple[str, ...]:
        """The reverse names of an address, empty if it has none; raises an OSError if no server answers."""

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The addresses of a name; raises an OSError if no server answers."""


class CallerIdentifier:
    """Looks up the caller at an address.

    Args:
        names: Names and addresses.
        networks: The networks of this network namespace.
        linker: Links link-local addresses to ordinary ones.
        services: Gives the services that the configuration names: the name of a container with a `container_name` does
            not contain its service.

    Attributes:
        networks: The networks of this network namespace.
        linker: Links link-local addresses to ordinary ones.
    """

    def __init__(
        self,
        names: NameService,
        networks: LocalNetworks,
        linker: AddressLinker,
        services: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.networks = networks
        self.linker = linker
        self._names = names
        self.services = services
        self._own_networks: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        self._has_tasks = False

    async def look_up(self, address: str, before: Caller, *, full: bool) -> Caller | None:
        """The caller at an address; None if it has neither a name nor another address.

        Args:
            address: IP address.
            before: Result of the previous look-up; supplies what is no longer visible.
            full: Look up everything, even if the same container still has the address.

        Raises:
            OSError: No name server answers.
        """
        if not self.networks.is_link_local(address):
            found = await self._names.names_of(address)
            named = (address, self._parse(found)) if found else None
            if named is None and self._is_still_there(before, address):
                return before
        elif not self.linker.can_link(address):
            return None
        else:
            linked, names = await self._link(address, before.addresses)
            if before.container is not None and any(name.container != before.container for _, name in names):
                # Another container has the ordinary address now, so the neighbour entry may be stale.
                linked, names = await self._link(address, ())
            if linked and not names:
                if self._is_still_there(before, linked[0]):
                    return before
                addresses = (*linked, address)
                return Caller(linked[0], addresses, interfaces=self.networks.interfaces(addresses))
            # Several containers: a neighbour entry is stale.
            named = names[0] if len({name.container for _, name in names}) == 1 else None
        return None if named is None else await self._named(address, *named, before, full=full)

    async def is_in_swarm(self) -> bool:
        """Whether the mock, or a caller, is a task of a Swarm."""
        await self._networks_of(self.networks.own_addresses())
        return self._has_tasks

    def _parse(self, names: tuple[str, ...]) -> ContainerName:
        name = parse_reverse_names(names)
        self._has_tasks |= bool(name.task)
        return name

    def _is_still_there(self, before: Caller, address: str) -> bool:
        """Whether the container that had an address before still has it: the hardware address is the same."""
        mac = _mac_at(before.interfaces, address)
        return (
            before.container is not None
            and mac is not None
            and mac == _mac_at(self.networks.interfaces((address,)), address)
        )

    async def _named(self, address: str, ordinary: str, name: ContainerName, before: Caller, *, full: bool) -> Caller:
        is_same = name.container == before.container and {name.network} - {""} <= {*before.networks}
        if not full and is_same and {address, ordinary} <= {*before.addresses}:
            return before._replace(interfaces=_with_macs(self.networks.interfaces(before.addresses), before))
        names = {ordinary: name, **await self._other_addresses(name, ordinary)}
        service = name.service or await self._service_of(name, names)
        await self.linker.ensure_neighbours(names)
        addresses = sorted({*self.networks.same_host(address), *names, *self.linker.link_local_addresses(names)})
        interfaces = self.networks.interfaces(addresses)
        return Caller(
            key=name.container,
            addresses=tuple(addresses),
            container=name.container,
            service=service,
            number=name.number,
            networks=tuple(sorted({each.network for each in names.values()} - {""})),
            interfaces=_with_macs(interfaces, before) if name.container == before.container else interfaces,
            aliases=name.aliases,
        )

    async def _link(
        self, address: str, before: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[tuple[str, ContainerName]]]:
        """The ordinary addresses of the owner of a link-local one, and those of them that have names."""
        linked = await self.linker.ordinary_addresses(address, self._service_addresses, before)
        return linked, await self._names_of(each for each in linked if self.networks.may_have_name(each))

    async def _other_addresses(self, name: ContainerName, address: str) -> dict[str, ContainerName]:
        """The container's other addresses, each with its name there."""
        own = self.networks.own_addresses()
        if len(own) == 1:
            return {}  # on a single network, a container has a single address
        networks = await self._networks_of(own)
        # A name without a network resolves only on the first network that has it.
        queries = [f"{name.host_name}.{network}" for network in networks] or [name.host_name]
        found = await asyncio.gather(*map(self._names.addresses_of, queries), return_exceptions=True)
        candidates = sorted({each for part in found if isinstance(part, frozenset) for each in part} - {address})
        return {other: each for other, each in await self._names_of(candidates) if each.container == name.container}

    async def _networks_of(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the mock's networks, as far as the name server knows them."""
        if self._own_networks[0] != own:
            names = await self._names_of(each for each in own if self.networks.may_have_name(each))
            self._own_networks = own, tuple(sorted({name.network for _, name in names} - {""}))
        return self._own_networks[1]

    async def _names_of(self, addresses: Iterable[str]) -> list[tuple[str, ContainerName]]:
        """The addresses that have names; without those for which no answer arrives in time."""
        queries = tuple(addresses)
        answers = (asyncio.wait_for(self._names.names_of(each), _NAMES_SECONDS) for each in queries)
        found = await asyncio.gather(*answers, return_exceptions=True)
        return [
            (address, self._parse(names))
            for address, names in zip(queries, found, strict=True)
            if names and not isinstance(names, BaseException)
        ]

    async def _service_of(self, name: ContainerName, addresses: dict[str, ContainerName]) -> str | None:
        for service, found in (await self._resolve_services(self.services() - {name.container})).items():
            if found & addresses.keys():
                return service
        return None

    async def _service_addresses(self) -> frozenset[str]:
        return frozenset().union(*(await self._resolve_services(self.services())).values())

    async def _resolve_services(self, services: frozenset[str]) -> dict[str, frozenset[str]]:
        """The addresses of services; none if not all answers arrive in time."""
        queries = sorted(services)
        answers = asyncio.gather(*map(self._names.addresses_of, queries), return_exceptions=True)
        try:
            found = await asyncio.wait_for(answers, _NAMES_SECONDS)
        except TimeoutError:
            return {}
        pairs = zip(queries, found, strict=True)
        return {service: addresses for service, addresses in pairs if isinstance(addresses, frozenset)}


def _mac_at(interfaces: tuple[Interface, ...], address: str) -> str | None:
    return next((each.mac for each in interfaces if address == each.ipv4 or address in each.ipv6s), None)


def _with_macs(interfaces: tuple[Interface, ...], before: Caller) -> tuple[Interface, ...]:
    """Interfaces, completed with the hardware addresses that the same container had before."""
    known = {each.ipv4: each.mac for each in before.interfaces}
    return tuple(each if each.mac else each._replace(mac=known.get(each.ipv4)) for each in interfaces)
