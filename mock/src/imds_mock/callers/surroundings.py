"""Addresses as they look from here: whose they can be, which can have a name, and on which network they are."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address
from pathlib import Path
from socket import if_indextoname
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from imds_mock.callers.addresses import is_address
from imds_mock.callers.caller import Interface
from imds_mock.metadata.addresses import block_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from imds_mock.callers.kernel import Link, Neighbour

_LOOPBACK: Final = ("127.0.0.1", "::1")
_BELIEVED_SECONDS: Final = 1.0
_IPV6: Final = 6
_LINK_LOCAL_BITS: Final = 16
_NAMES_OF_INTERFACES: Final = Path("/sys/class/net")


class Neighbourhood(Protocol):
    """What tells addresses and hardware addresses: the kernel."""

    def links(self) -> tuple[Link, ...]:
        """The addresses of this network namespace."""

    def mac_of(self, address: str, index: int) -> str | None:
        """The hardware address of a neighbour behind an interface."""

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The neighbours whose hardware address is known."""


class _Own(NamedTuple):
    """This network namespace at a moment."""

    links: tuple[Link, ...]
    reached: tuple[Link, ...]
    addresses: tuple[str, ...]
    gateways: frozenset[str]


class Surroundings:
    """What can be told about an address without asking anybody.

    Args:
        neighbourhood: Tells addresses and hardware addresses.
        gateways: Gives the addresses of the default gateways.
        monotonic: Clock in seconds.
        names_itself: Whether the name server has a name for this network namespace's own addresses: an engine's has.
    """

    def __init__(
        self,
        neighbourhood: Neighbourhood,
        gateways: Callable[[], frozenset[str]],
        monotonic: Callable[[], float],
        names_itself: Callable[[], bool] = lambda: False,
    ) -> None:
        self._names_itself = names_itself
        self._neighbourhood = neighbourhood
        self._gateways = gateways
        self._monotonic = monotonic
        self._own = _Own((), (), (), frozenset())
        self._until = 0.0

    def home(self, address: str) -> str:
        """The address that stands for a caller: for one in this network namespace, always the same of its own.

        Args:
            address: Where a request came from.
        """
        own = self._look()
        return own.addresses[0] if own.addresses and self.is_here(address) else address

    def is_here(self, address: str) -> bool:
        """Whether an address is this network namespace's own."""
        return address in _LOOPBACK or address in self._look().addresses

    def own_addresses(self) -> tuple[str, ...]:
        """The addresses at which others reach this network namespace, the main one first."""
        return self._look().addresses

    def all_of(self, address: str) -> tuple[str, ...]:
        """Every address that is known to be the same caller's: here, all of this network namespace."""
        return (*self._look().addresses, *_LOOPBACK) if self.is_here(address) else (address,)

    def may_have_name(self, address: str) -> bool:
        """Whether the engine's name server can have a name for an address.

        For loopback, `link_local_ips`, the gateway and foreign networks it has none, and asks the one behind it,
        which may take many seconds to say so.
        """
        try:
            read = ip_address(address)
        except ValueError:
            return False
        own = self._look()
        if read.is_loopback or (address in own.addresses and not self._names_itself()) or address in own.gateways:
            return False
        link = self._link_of(address)
        if link is None:
            return not own.links and not read.is_link_local
        return not _is_added(link)

    def is_beside(self, address: str) -> bool:
        """Whether an address is a neighbour's link-local one, beside those of the engine's networks.

        Args:
            address: An IP address; `link_local_ips` and IPv6's `fe80::` addresses are such.
        """
        link = self._link_of(address) if is_address(address) else None
        return link is not None and _is_added(link) and all(address != each.address for each in self._look().links)

    def is_ordinary(self, address: str) -> bool:
        """Whether an address is a neighbour's on one of the networks here; the gateways' are not."""
        own, link = self._look(), self._link_of(address)
        return link in own.reached and address not in own.addresses and address not in own.gateways

    def is_gateway(self, address: str) -> bool:
        """Whether an address is a default gateway's."""
        return address in self._look().gateways

    def ordinary_links(self, places: Container[int]) -> tuple[Link, ...]:
        """The networks at some interfaces, without link-local ones.

        Args:
            places: Indexes of the interfaces.
        """
        return tuple(link for link in self._look().reached if link.place in places)

    def has_beside(self, address: str) -> bool:
        """Whether the owner of an ordinary address may call from a `link_local_ips` address as well.

        Args:
            address: An IP address.
        """
        link = self._link_of(address) if is_address(address) else None
        return (
            link is not None
            and self.is_ordinary(address)
            and any(
                each.place == link.place and each.interface.version != _IPV6 and _is_added(each)
                for each in self._look().links
            )
        )

    def interfaces(self, addresses: Iterable[str]) -> tuple[Interface, ...]:
        """The interfaces of somebody with these addresses, in the order of the networks here.

        Args:
            addresses: IP addresses of one container.
        """
        links = self._look().links
        order = [link.place for link in links]
        by_network: dict[int | str, list[tuple[str, Link | None]]] = {}
        for address in addresses:
            if address in _LOOPBACK:
                continue
            link = self._link_of(address)
            by_network.setdefault(link.place if link else address, []).append((address, link))
        known = [index for index in dict.fromkeys(order) if index in by_network]
        keys: list[int | str] = [*known, *sorted(key for key in by_network if isinstance(key, str))]
        return tuple(self._interface(by_network[key]) for key in keys)

    def _interface(self, seen: list[tuple[str, Link | None]]) -> Interface:
        # The instance's address is the one that others reach it at; a link-local one only where there is no other.
        held = [each for each in seen if each[1] is None or not _is_added(each[1])] or seen
        ipv4 = next((each for each in held if ":" not in each[0]), None)
        ipv6s = [each for each in held if ":" in each[0]]
        return Interface(
            ipv4=ipv4[0] if ipv4 else None,
            ipv6s=tuple(address for address, _ in ipv6s),
            ipv4_block=str(ipv4[1].interface.network) if ipv4 and ipv4[1] else None,
            ipv6_blocks=tuple(dict.fromkeys(block_text(link.interface.network) for _, link in ipv6s if link)),
            mac=next((mac for address, link in seen if link and (mac := self._mac(address, link.place))), None),
        )

    def _mac(self, address: str, index: int) -> str | None:
        if address not in self._look().addresses:
            return self._neighbourhood.mac_of(address, index)
        with contextlib.suppress(OSError):
            mac = (_NAMES_OF_INTERFACES / if_indextoname(index) / "address").read_text(encoding="ascii").strip()
            return mac if mac.strip("0:") else None
        return None

    def _link_of(self, address: str) -> Link | None:
        read = ip_address(address)
        return next((link for link in self._look().links if read in link.interface.network), None)

    def _look(self) -> _Own:
        now = self._monotonic()
        if now >= self._until:
            self._until = now + _BELIEVED_SECONDS
            links, gateways = self._neighbourhood.links(), self._gateways()
            reached = [link for link in links if not (link.interface.is_loopback or _is_added(link))]
            # The interface with the default route is the main one, as Docker means it.
            reached.sort(key=lambda link: not any(ip_address(each) in link.interface.network for each in gateways))
            reached.sort(key=lambda link: link.interface.version)
            self._own = _Own(links, tuple(reached), tuple(link.address for link in reached), gateways)
        return self._own


def _is_added(link: Link) -> bool:
    """Whether an address is beside those of the engine's networks: `link_local_ips` come with all of 169.254.0.0/16.

    A network of the engine may lie in there, and is smaller.
    """
    network = link.interface.network
    return network.is_link_local and (network.version == _IPV6 or network.prefixlen <= _LINK_LOCAL_BITS)
