"""Joins the addresses of one container by its hardware address.

With `link_local_ips` a container calls from its link-local address, which has no name. Its ordinary address on the same
link has one, and the kernel's table of neighbours shows both under one hardware address. Where the ordinary address is
missing there, or the kernel has not heard from it lately, the mock asks for it.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from imds_mock.callers.kernel import Link, Neighbour
    from imds_mock.callers.surroundings import Neighbourhood, Surroundings

# Engines give out the lowest free addresses of a network, or of the range that the mock has its own address from.
_FIRST_HOSTS: Final = 255
_AROUND_OWN: Final = 16
# Each try leaves entries in the kernel's table, which all namespaces of a machine share: 1024 by default.
_AT_ONCE: Final = 96
_TRY_AGAIN_SECONDS: Final = 30.0
# However many callers there are: so many tries at once, and one more each second.
_MOST_TRIES: Final = 8.0
_MANY: Final = 1024
# Before Docker 28 a container's hardware address is this and its IPv4 address.
_DERIVED_MAC: Final = "02:42:"


class Reach(Protocol):
    """What has the kernel find out about neighbours."""

    async def answering(self, addresses: Iterable[str]) -> frozenset[str]:
        """Ask addresses to answer; gives those that did."""

    async def call(self, addresses: Iterable[str], found: Callable[[], bool]) -> None:
        """Have the kernel ask for the owners of addresses, until something is found or time is up."""


class Joining:
    """Joins link-local and ordinary addresses.

    Args:
        neighbourhood: Tells neighbours and their hardware addresses.
        surroundings: Tells the networks here.
        reach: Has the kernel find out about neighbours.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        surroundings: Surroundings,
        reach: Reach,
        monotonic: Callable[[], float],
    ) -> None:
        self._neighbourhood = neighbourhood
        self._surroundings = surroundings
        self._reach = reach
        self._monotonic = monotonic
        self._try_again: dict[tuple[str, ...], float] = {}
        self._tries, self._tried = _MOST_TRIES, monotonic()
        self._trying = asyncio.Lock()

    def may_join(self, address: str) -> bool:
        """Whether an address is link-local, of a neighbour on a link that has an ordinary network as well."""
        return self._surroundings.is_beside(address) and bool(self._links_beside(address))

    def beside(self, addresses: Iterable[str]) -> frozenset[str]:
        """The link-local addresses that the kernel knows for the owners of ordinary addresses.

        Args:
            addresses: Ordinary addresses.
        """
        wanted = {each for each in addresses if self._surroundings.has_beside(each)}
        if not wanted:
            return frozenset()
        neighbours = self._neighbours()
        owners = {(each.place, each.mac) for each in neighbours if each.address in wanted}
        return frozenset(
            each.address
            for each in neighbours
            if (each.place, each.mac) in owners and self._surroundings.is_beside(each.address)
        )

    async def make_known(self, addresses: Iterable[str]) -> frozenset[str]:
        """Have the kernel know the owners of ordinary addresses, so that their link-local ones are joined from then on.

        Args:
            addresses: IP addresses. Those on links without link-local addresses need no joining.

        Returns:
            The addresses that cannot be joined, as no neighbour has them.
        """
        wanted = {each for each in addresses if self._surroundings.has_beside(each)}
        if not wanted:
            return frozenset()
        known = {each.address: each.is_confirmed for each in self._neighbours()}
        missing = wanted - known.keys()
        await self._confirm(address for address in wanted & known.keys() if not known[address])
        if missing:
            await self._reach.call(sorted(missing), lambda: not missing - self._addresses())
        return frozenset(missing - self._addresses())

    async def ordinary(
        self, address: str, named: Callable[[], Awaitable[Iterable[str]]], before: Collection[str]
    ) -> tuple[str, ...]:
        """The ordinary addresses of the container that has a link-local one; empty where they cannot be found.

        Args:
            address: A link-local address that `may_join`.
            before: Addresses that it was joined with before: their entries are believed as long as they stay the same,
                because a container may answer no datagram, or not many a second.
            named: Gives addresses that are worth asking for, as names lead to them; called only when it is needed.
        """
        found = self._siblings(address)
        if any(each.is_confirmed for each in found):
            return _texts(each for each in found if each.is_confirmed)
        kept = _texts(each for each in found if each.address in before)
        if kept:
            await self._confirm(kept)
            return kept
        # An entry that the kernel has not confirmed is believed only if its address answers.
        answered = await self._reach.answering(_texts(found)) if found else ()
        confirmed = [each for each in self._siblings(address) if each.is_confirmed or each.address in answered]
        asked = () if confirmed else self._guesses(address) | self._on_links_of(address, await named())
        if asked:
            await self._reach.call(sorted(asked), lambda: bool(self._confirmed(address)))
            confirmed = self._confirmed(address)
        if not confirmed:
            async with self._trying:
                # What was tried for another caller may have made this one's address known.
                confirmed = self._confirmed(address)
                if not confirmed and self._may_try(address):
                    confirmed = await self._try_likely(address)
        return _texts(confirmed)

    async def _try_likely(self, address: str) -> list[Neighbour]:
        """The confirmed siblings of a link-local address after addresses that an engine gives out have been tried."""
        likely = self._likely(address)
        for start in range(0, len(likely), _AT_ONCE):
            await self._reach.call(likely[start : start + _AT_ONCE], lambda: bool(self._confirmed(address)))
            if found := self._confirmed(address):
                return found
        return []

    async def _confirm(self, addresses: Iterable[str]) -> None:
        """Have the kernel confirm old entries by itself, which takes it some seconds."""
        asked = tuple(addresses)
        if asked:
            await self._reach.call(asked, lambda: True)

    def _may_try(self, address: str) -> bool:
        """Whether to try addresses for the owner of a link-local one: for each now and then, for all a few a second."""
        macs = sorted(each.mac for each in self._neighbours() if each.address == address)
        now, owner = self._monotonic(), (address, *macs)
        self._tries = min(_MOST_TRIES, self._tries + now - self._tried)
        self._tried = now
        if self._tries < 1.0 or now < self._try_again.get(owner, now):
            return False
        self._tries -= 1.0
        if len(self._try_again) >= _MANY:
            self._try_again.clear()
        self._try_again[owner] = now + _TRY_AGAIN_SECONDS
        return True

    def _addresses(self) -> set[str]:
        return {each.address for each in self._neighbours()}

    def _confirmed(self, address: str) -> list[Neighbour]:
        return [each for each in self._siblings(address) if each.is_confirmed]

    def _siblings(self, address: str) -> list[Neighbour]:
        """The neighbours with ordinary addresses that share the hardware address of a link-local one."""
        neighbours = self._neighbours()
        owners = {(each.place, each.mac) for each in neighbours if each.address == address}
        return [
            each
            for each in neighbours
            if (each.place, each.mac) in owners and self._surroundings.is_ordinary(each.address)
        ]

    def _neighbours(self) -> tuple[Neighbour, ...]:
        """All but those behind a gateway's hardware address: a router may answer for many containers."""
        neighbours = self._neighbourhood.neighbours()
        routers = {(each.place, each.mac) for each in neighbours if self._surroundings.is_gateway(each.address)}
        return tuple(each for each in neighbours if (each.place, each.mac) not in routers)

    def _links_beside(self, address: str) -> tuple[Link, ...]:
        places = {each.place for each in self._neighbours() if each.address == address}
        return self._surroundings.ordinary_links(places)

    def _on_links_of(self, address: str, addresses: Iterable[str]) -> set[str]:
        blocks = [link.interface.network for link in self._links_beside(address)]
        return {each for each in addresses if any(ip_address(each) in block for block in blocks)}

    def _guesses(self, address: str) -> set[str]:
        macs = {each.mac for each in self._neighbours() if each.address == address}
        derived = (each.removeprefix(_DERIVED_MAC) for each in macs if each.startswith(_DERIVED_MAC))
        return self._on_links_of(
            address, (".".join(str(int(byte, 16)) for byte in each.split(":")) for each in derived)
        )

    def _likely(self, address: str) -> list[str]:
        """The addresses that an engine gives its first containers, and those around the mock's own."""
        likely: dict[str, None] = {}
        for link in self._links_beside(address):
            block = link.interface.network
            if isinstance(block, IPv4Network):
                first, own, last = int(block[0]), int(link.interface.ip), int(block[-1])
                numbers = (*range(own - _AROUND_OWN, own + _AROUND_OWN + 1), *range(first + 1, first + _FIRST_HOSTS))
                hosts = (number for number in numbers if first < number < last and number != own)
                likely |= dict.fromkeys(str(ip_address(number)) for number in hosts)
        return list(likely)


def _texts(neighbours: Iterable[Neighbour]) -> tuple[str, ...]:
    return tuple(sorted({each.address for each in neighbours}))
