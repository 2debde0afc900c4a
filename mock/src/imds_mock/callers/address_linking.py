"""Links the addresses of one container by its hardware address.

With `link_local_ips`, a container sends requests from its link-local address, which has no name. Its ordinary address
on the same link has one, and the kernel's neighbour table shows both with the same hardware address. If the ordinary
address is missing there, or the kernel has not heard from it recently, the mock makes the kernel ask for it.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Network, ip_address
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from imds_mock.callers.kernel import Neighbour, OwnAddress
    from imds_mock.callers.local_networks import KernelTables, LocalNetworks

# Engines assign the lowest free addresses of a network, or of the range that contains the mock's own address.
_FIRST_HOSTS: Final = 255
_AROUND_OWN: Final = 16
# Each attempt adds entries to the neighbour table, which all namespaces of a machine share: 1024 entries by default.
_BATCH: Final = 96
_SCAN_AGAIN_SECONDS: Final = 30.0
# Limits scans for all callers together: this many at once, and one more per second.
_MAX_SCANS: Final = 8.0
_MAX_OWNERS: Final = 1024
# Before Docker 28, a container's hardware address consists of this prefix and its IPv4 address.
_DERIVED_MAC: Final = "02:42:"


class Probe(Protocol):
    """Makes the kernel resolve the hardware addresses of neighbours."""

    async def responding(self, addresses: Iterable[str]) -> frozenset[str]:
        """The addresses that respond to a datagram."""

    async def solicit(self, addresses: Iterable[str], is_found: Callable[[], bool]) -> None:
        """Make the kernel ask for the owners of addresses, until `is_found` or a time-out."""


class AddressLinker:
    """Finds the ordinary addresses of link-local ones, and the other way round.

    Args:
        kernel: Neighbours and their hardware addresses.
        networks: The networks of this network namespace.
        probe: Makes the kernel resolve neighbours.
        monotonic: Clock in seconds.
    """

    def __init__(
        self, kernel: KernelTables, networks: LocalNetworks, probe: Probe, monotonic: Callable[[], float]
    ) -> None:
        self._kernel = kernel
        self._networks = networks
        self._probe = probe
        self._monotonic = monotonic
        self._scan_again: dict[tuple[str, ...], float] = {}
        self._scans_left, self._last_scan = _MAX_SCANS, monotonic()
        self._scanning = asyncio.Lock()

    def can_link(self, address: str) -> bool:
        """Whether an address is a neighbour's link-local one, on a link that also has an ordinary network."""
        return self._networks.is_link_local(address) and bool(self._ordinary_networks(address))

    def link_local_addresses(self, addresses: Iterable[str]) -> frozenset[str]:
        """The link-local addresses in the neighbour table that belong to the owners of ordinary addresses."""
        wanted = {each for each in addresses if self._networks.may_have_link_local(each)}
        if not wanted:
            return frozenset()
        neighbours = self._neighbours()
        owners = {each.owner for each in neighbours if each.address in wanted}
        return frozenset(
            each.address for each in neighbours if each.owner in owners and self._networks.is_link_local(each.address)
        )

    async def ensure_neighbours(self, addresses: Iterable[str]) -> frozenset[str]:
        """Add the owners of ordinary addresses to the neighbour table, so that their link-local ones can be linked.

        Args:
            addresses: IP addresses; those on links without link-local addresses are ignored.

        Returns:
            The addresses that no neighbour has.
        """
        wanted = {each for each in addresses if self._networks.may_have_link_local(each)}
        if not wanted:
            return frozenset()
        known = {each.address: each.is_confirmed for each in self._neighbours()}
        missing = wanted - known.keys()
        await self._confirm(address for address in wanted & known.keys() if not known[address])
        if missing:
            await self._probe.solicit(sorted(missing), lambda: not missing - self._neighbour_addresses())
        return frozenset(missing - self._neighbour_addresses())

    async def ordinary_addresses(
        self, address: str, candidates: Callable[[], Awaitable[Iterable[str]]], before: Collection[str]
    ) -> tuple[str, ...]:
        """The ordinary addresses of the container with a link-local address; empty if they cannot be found.

        Args:
            address: A link-local address that `can_link`.
            candidates: Gives likely addresses of the container; called only if needed.
            before: Addresses to which it was linked before. Their entries are trusted while they stay the same, because
                a container may answer no datagrams, or only a few per second.
        """
        found = self._siblings(address)
        if any(each.is_confirmed for each in found):
            return _addresses(each for each in found if each.is_confirmed)
        kept = _addresses(each for each in found if each.address in before)
        if kept:
            await self._confirm(kept)
            return kept
        # An unconfirmed entry counts only if its address responds.
        responding = await self._probe.responding(_addresses(found)) if found else ()
        confirmed = [each for each in self._siblings(address) if each.is_confirmed or each.address in responding]
        likely = () if confirmed else self._derived(address) | self._on_link(address, await candidates())
        if likely:
            await self._probe.solicit(sorted(likely), lambda: bool(self._confirmed(address)))
            confirmed = self._confirmed(address)
        if not confirmed:
            async with self._scanning:
                # The scan for another caller may have found this one's address as well.
                confirmed = self._confirmed(address)
                if not confirmed and self._may_scan(address):
                    confirmed = await self._scan(address)
        return _addresses(confirmed)

    async def _scan(self, address: str) -> list[Neighbour]:
        """Ask for the addresses that an engine assigns first; gives the confirmed siblings of a link-local address."""
        likely = self._scan_range(address)
        for start in range(0, len(likely), _BATCH):
            await self._probe.solicit(likely[start : start + _BATCH], lambda: bool(self._confirmed(address)))
            if found := self._confirmed(address):
                return found
        return []

    async def _confirm(self, addresses: Iterable[str]) -> None:
        """Make the kernel confirm old entries in the background, which takes it some seconds."""
        unconfirmed = tuple(addresses)
        if unconfirmed:
            await self._probe.solicit(unconfirmed, lambda: True)

    def _may_scan(self, address: str) -> bool:
        """Whether a scan for the owner of a link-local address is within the limits."""
        macs = sorted(each.mac for each in self._neighbours() if each.address == address)
        now, owner = self._monotonic(), (address, *macs)
        self._scans_left = min(_MAX_SCANS, self._scans_left + now - self._last_scan)
        self._last_scan = now
        if self._scans_left < 1.0 or now < self._scan_again.get(owner, now):
            return False
        self._scans_left -= 1.0
        if len(self._scan_again) >= _MAX_OWNERS:
            self._scan_again.clear()
        self._scan_again[owner] = now + _SCAN_AGAIN_SECONDS
        return True

    def _neighbour_addresses(self) -> set[str]:
        return {each.address for each in self._neighbours()}

    def _confirmed(self, address: str) -> list[Neighbour]:
        return [each for each in self._siblings(address) if each.is_confirmed]

    def _siblings(self, address: str) -> list[Neighbour]:
        """The neighbours with ordinary addresses and the same hardware address as a link-local one."""
        neighbours = self._neighbours()
        owners = {each.owner for each in neighbours if each.address == address}
        return [each for each in neighbours if each.owner in owners and self._networks.is_ordinary(each.address)]

    def _neighbours(self) -> tuple[Neighbour, ...]:
        """All neighbours without those at a gateway's hardware address: a router may answer for many containers."""
        neighbours = self._kernel.neighbours()
        routers = {each.owner for each in neighbours if self._networks.is_gateway(each.address)}
        return tuple(each for each in neighbours if each.owner not in routers)

    def _ordinary_networks(self, address: str) -> tuple[OwnAddress, ...]:
        return self._networks.ordinary_networks(
            {each.interface_index for each in self._neighbours() if each.address == address}
        )

    def _on_link(self, address: str, addresses: Iterable[str]) -> set[str]:
        blocks = [own.interface.network for own in self._ordinary_networks(address)]
        return {each for each in addresses if any(ip_address(each) in block for block in blocks)}

    def _derived(self, address: str) -> set[str]:
        """The address that the hardware address contains, if Docker derived it from the address."""
        macs = {each.mac for each in self._neighbours() if each.address == address}
        suffixes = (each.removeprefix(_DERIVED_MAC) for each in macs if each.startswith(_DERIVED_MAC))
        return self._on_link(address, (".".join(str(int(byte, 16)) for byte in each.split(":")) for each in suffixes))

    def _scan_range(self, address: str) -> list[str]:
        """The addresses around the mock's own, and those that an engine assigns first."""
        likely: dict[str, None] = {}
        for own in self._ordinary_networks(address):
            block = own.interface.network
            if isinstance(block, IPv4Network):
                first, mock, last = int(block[0]), int(own.interface.ip), int(block[-1])
                numbers = (*range(mock - _AROUND_OWN, mock + _AROUND_OWN + 1), *range(first + 1, first + _FIRST_HOSTS))
                hosts = (number for number in numbers if first < number < last and number != mock)
                likely |= dict.fromkeys(str(ip_address(number)) for number in hosts)
        return list(likely)


def _addresses(neighbours: Iterable[Neighbour]) -> tuple[str, ...]:
    return tuple(sorted({each.address for each in neighbours}))
