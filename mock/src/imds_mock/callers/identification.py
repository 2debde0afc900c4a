"""From an address to the container behind it: its name, its other addresses, its service.

An address that a name leads to is believed only when it leads back to that name: the name of one container may be an
alias of another. A link-local address has no name, so the container's ordinary address on the same link stands for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.callers.addresses import is_address
from imds_mock.callers.caller import Caller
from imds_mock.callers.names import parse_reverse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from imds_mock.callers.caller import Interface
    from imds_mock.callers.joining import Joining
    from imds_mock.callers.names import ContainerName
    from imds_mock.callers.surroundings import Surroundings


# Of a service that does not run, the engine's name server asks the one behind it, and that may be dead.
_SERVICE_SECONDS: Final = 0.5


class Directory(Protocol):
    """What knows names and addresses: a name server."""

    async def name_of(self, address: str) -> str | None:
        """The name of an address, None when it has none; an OSError when that cannot be known."""

    async def addresses_of(self, name: str) -> frozenset[str]:
        """The addresses of a name; an OSError when they cannot be known."""


class Identification:
    """Finds out who is behind an address.

    Args:
        directory: Knows names and addresses.
        surroundings: Tells what can be told without asking.
        joining: Joins link-local and ordinary addresses.
        services: Gives the services that it matters to know of: a container with a name of its own does not show its.
    """

    def __init__(
        self,
        directory: Directory,
        surroundings: Surroundings,
        joining: Joining,
        services: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._directory = directory
        self._surroundings = surroundings
        self._joining = joining
        self.services = services
        self._networks: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

    def home(self, address: str) -> str:
        """The address that stands for a caller: for one in this network namespace, always the same of its own."""
        return self._surroundings.home(address)

    def is_worth_asking(self, address: str) -> bool:
        """Whether a look-up may tell more of the owner of an address than the address."""
        return self._surroundings.may_have_name(address) or self.is_beside(address)

    def is_beside(self, address: str) -> bool:
        """Whether an address is a neighbour's link-local one, which no name leads to."""
        return self._surroundings.is_beside(address)

    def has_beside(self, address: str) -> bool:
        """Whether the owner of an ordinary address may call from a link-local one as well."""
        return self._surroundings.has_beside(address)

    async def make_joinable(self, addresses: Iterable[str]) -> frozenset[str]:
        """See to it that the link-local addresses of those who have ordinary ones can be joined with them.

        Args:
            addresses: Ordinary addresses.

        Returns:
            Those where that cannot be done.
        """
        return await self._joining.make_known(addresses)

    def unnamed(self, address: str) -> Caller:
        """A caller of whom nothing but the address is known."""
        if not is_address(address):
            return Caller("", ())
        addresses = self._surroundings.all_of(address)
        return Caller(self.home(address), addresses, interfaces=self._surroundings.interfaces(addresses))

    async def identify(self, address: str, before: Caller, *, thoroughly: bool) -> Caller | None:
        """The container behind an address; None when it has neither a name nor another address.

        Args:
            address: An address.
            before: Who was there at the look-up before; keeps what cannot be seen any more.
            thoroughly: Ask for everything, even if the same container is there as before.

        Raises:
            OSError: No name server answers.
        """
        if not self.is_beside(address):
            name = await self._directory.name_of(address)
            named = None if name is None else (address, parse_reverse_name(name))
        elif not self._joining.may_join(address):
            return None
        else:
            joined, names = await self._join(address, before.addresses)
            if before.container is not None and any(name.container != before.container for _, name in names):
                # Another container has the ordinary address by now, so the entry may be out of date.
                joined, names = await self._join(address, ())
            if joined and not names:
                return self._joined(address, joined)
            # Names of several containers: an entry of the kernel's table is out of date.
            named = names[0] if len({name.container for _, name in names}) == 1 else None
        return None if named is None else await self._named(address, *named, before, thoroughly=thoroughly)

    async def _named(
        self, address: str, ordinary: str, found: ContainerName, before: Caller, *, thoroughly: bool
    ) -> Caller:
        is_as_before = found.container == before.container and found.network in before.networks
        if not thoroughly and is_as_before and {address, ordinary} <= {*before.addresses}:
            return before._replace(interfaces=_with_macs(self._surroundings.interfaces(before.addresses), before))
        names = {ordinary: found, **await self._elsewhere(found, ordinary)}
        service = found.service or await self._service_of(found, names)
        await self._joining.make_known(names)
        addresses = {*self._surroundings.all_of(address), *names, *self._joining.beside(names)}
        interfaces = self._surroundings.interfaces(sorted(addresses))
        return Caller(
            key=found.container,
            addresses=tuple(sorted(addresses)),
            container=found.container,
            service=service,
            number=found.number,
            networks=tuple(sorted({each.network for each in names.values()})),
            interfaces=_with_macs(interfaces, before) if found.container == before.container else interfaces,
        )

    async def _join(
        self, address: str, before: tuple[str, ...]
    ) -> tuple[tuple[str, ...], list[tuple[str, ContainerName]]]:
        """The ordinary addresses of the owner of a link-local one, and those among them that have names."""
        joined = await self._joining.ordinary(address, self._addresses_of_services, before)
        return joined, await self._names_of(each for each in joined if self._surroundings.may_have_name(each))

    def _joined(self, address: str, ordinary: tuple[str, ...]) -> Caller:
        """A container without a name, known by its ordinary address."""
        addresses = (*ordinary, address)
        return Caller(ordinary[0], addresses, interfaces=self._surroundings.interfaces(addresses))

    async def _elsewhere(self, name: ContainerName, address: str) -> dict[str, ContainerName]:
        """The container's other addresses, each with the name that it has there."""
        own = self._surroundings.own_addresses()
        if len(own) == 1:
            return {}  # on one network it has one
        networks = await self._networks_of(own)
        # A name alone leads to addresses on the first network that has it.
        asked = [f"{name.container}.{network}" for network in networks] or [name.container]
        found = await asyncio.gather(*map(self._directory.addresses_of, asked), return_exceptions=True)
        led_to = sorted({each for part in found if isinstance(part, frozenset) for each in part} - {address})
        return {other: each for other, each in (await self._names_of(led_to)) if each.container == name.container}

    async def _networks_of(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the networks that the mock is on, as far as the name server knows them."""
        if self._networks[0] != own:
            names = await self._names_of(each for each in own if self._surroundings.may_have_name(each))
            self._networks = own, tuple(sorted({name.network for _, name in names}))
        return self._networks[1]

    async def _names_of(self, addresses: Iterable[str]) -> list[tuple[str, ContainerName]]:
        asked = tuple(addresses)
        found = await asyncio.gather(*map(self._directory.name_of, asked), return_exceptions=True)
        return [
            (address, parse_reverse_name(text))
            for address, text in zip(asked, found, strict=True)
            if isinstance(text, str)
        ]

    async def _service_of(self, name: ContainerName, addresses: dict[str, ContainerName]) -> str | None:
        for service, led_to in (await self._led_to(self.services() - {name.container})).items():
            if led_to & addresses.keys():
                return service
        return None

    async def _addresses_of_services(self) -> frozenset[str]:
        return frozenset().union(*(await self._led_to(self.services())).values())

    async def _led_to(self, services: frozenset[str]) -> dict[str, frozenset[str]]:
        """The addresses of services, as far as they can be had soon."""
        wanted = sorted(services)
        asking = asyncio.gather(*map(self._directory.addresses_of, wanted), return_exceptions=True)
        try:
            found = await asyncio.wait_for(asking, _SERVICE_SECONDS)
        except TimeoutError:
            return {}
        pairs = zip(wanted, found, strict=True)
        return {service: addresses for service, addresses in pairs if isinstance(addresses, frozenset)}


def _with_macs(interfaces: tuple[Interface, ...], before: Caller) -> tuple[Interface, ...]:
    """Interfaces with the hardware addresses that the same container had before where none can be seen now."""
    known = {each.ipv4: each.mac for each in before.interfaces}
    return tuple(each if each.mac else each._replace(mac=known.get(each.ipv4)) for each in interfaces)
