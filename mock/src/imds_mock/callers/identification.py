"""From an address to the container behind it: its name, its other addresses, its service.

An address that a name leads to is believed only when it leads back to that name: the name of one container may be an
alias of another.
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
        services: Gives the services that it matters to know of: a container with a name of its own does not show its.
    """

    def __init__(
        self,
        directory: Directory,
        surroundings: Surroundings,
        services: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._directory = directory
        self._surroundings = surroundings
        self.services = services
        self._networks: tuple[tuple[str, ...], tuple[str, ...]] = (), ()

    def home(self, address: str) -> str:
        """The address that stands for a caller: for one in this network namespace, always the same of its own."""
        return self._surroundings.home(address)

    def may_have_name(self, address: str) -> bool:
        """Whether it is worth asking for the name of an address."""
        return self._surroundings.may_have_name(address)

    def unnamed(self, address: str) -> Caller:
        """A caller of whom nothing but the address is known."""
        if not is_address(address):
            return Caller("", ())
        addresses = self._surroundings.all_of(address)
        return Caller(self.home(address), addresses, interfaces=self._surroundings.interfaces(addresses))

    async def identify(self, address: str, before: Caller, *, thoroughly: bool) -> Caller | None:
        """The container behind an address; None when there is none that has a name.

        Args:
            address: An address.
            before: Who was there when somebody last looked; keeps what cannot be seen any more.
            thoroughly: Ask for everything, even if the same container is there as before.

        Raises:
            OSError: No name server answers.
        """
        name = await self._directory.name_of(address)
        if name is None:
            return None
        found = parse_reverse_name(name)
        if not thoroughly and found.container == before.container and found.network in before.networks:
            return before._replace(interfaces=_with_macs(self._surroundings.interfaces(before.addresses), before))
        names = {address: found, **await self._elsewhere(found, address)}
        service = found.service or await self._service_of(found, names)
        addresses = dict.fromkeys((*self._surroundings.all_of(address), *sorted(names)))
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
            names = await self._names_of(each for each in own if self.may_have_name(each))
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
        wanted = sorted(self.services() - {name.container})
        asking = asyncio.gather(*map(self._directory.addresses_of, wanted), return_exceptions=True)
        try:
            found = await asyncio.wait_for(asking, _SERVICE_SECONDS)
        except TimeoutError:
            return None
        for service, led_to in zip(wanted, found, strict=True):
            if isinstance(led_to, frozenset) and led_to & addresses.keys():
                return service
        return None


def _with_macs(interfaces: tuple[Interface, ...], before: Caller) -> tuple[Interface, ...]:
    """Interfaces with the hardware addresses that the same container had before where none can be seen now."""
    known = {each.ipv4: each.mac for each in before.interfaces}
    return tuple(each if each.mac else each._replace(mac=known.get(each.ipv4)) for each in interfaces)
