"""The networks of this network namespace: which addresses are its own, have names, or are link-local."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address
from pathlib import Path
from socket import if_indextoname
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from imds_mock.callers.caller import Caller, Interface, is_address
from imds_mock.metadata.addresses import block_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from imds_mock.callers.kernel import Neighbour, OwnAddress

_LOOPBACK: Final = ("127.0.0.1", "::1")
_CACHE_SECONDS: Final = 1.0
_IPV6: Final = 6
_LINK_LOCAL_PREFIX: Final = 16
_INTERFACES: Final = Path("/sys/class/net")


class KernelTables(Protocol):
    """The kernel's tables of addresses and neighbours."""

    def own_addresses(self) -> tuple[OwnAddress, ...]:
        """The addresses of this network namespace."""

    def mac_of(self, address: str, interface_index: int) -> str | None:
        """The hardware address of a neighbour at an interface."""

    def neighbours(self) -> tuple[Neighbour, ...]:
        """The neighbours with known hardware addresses."""


class _Tables(NamedTuple):
    """The kernel's tables at one moment.

    Attributes:
        all: All addresses of this network namespace.
        ordinary: Those without loopback and link-local addresses, the main one first.
        addresses: The texts of `ordinary`.
        gateways: Addresses of the default gateways.
    """

    all: tuple[OwnAddress, ...]
    ordinary: tuple[OwnAddress, ...]
    addresses: tuple[str, ...]
    gateways: frozenset[str]


class LocalNetworks:
    """Classifies addresses by the kernel's tables, without any look-up. The tables are cached for 1 s.

    Args:
        kernel: The kernel's tables.
        gateways: Gives the addresses of the default gateways.
        monotonic: Clock in seconds.
        has_own_names: Whether the name server knows this network namespace's own addresses, as an engine's does.
    """

    def __init__(
        self,
        kernel: KernelTables,
        gateways: Callable[[], frozenset[str]],
        monotonic: Callable[[], float],
        has_own_names: Callable[[], bool] = lambda: False,
    ) -> None:
        self._kernel = kernel
        self._gateways = gateways
        self._monotonic = monotonic
        self._has_own_names = has_own_names
        self._cached = _Tables((), (), (), frozenset())
        self._expires = 0.0

    def canonical_address(self, address: str) -> str:
        """The address that stands for a caller: always the same one for all of this network namespace."""
        own = self._tables().addresses
        return own[0] if own and self._is_own(address) else address

    def own_addresses(self) -> tuple[str, ...]:
        """The addresses at which others reach this network namespace, the main one first."""
        return self._tables().addresses

    def same_host(self, address: str) -> tuple[str, ...]:
        """All addresses of this network namespace if it has the address; otherwise the address alone."""
        return (*self._tables().addresses, *_LOOPBACK) if self._is_own(address) else (address,)

    def unnamed_caller(self, address: str) -> Caller:
        """The caller at an address, without any look-up."""
        if not is_address(address):
            return Caller("", ())
        addresses = self.same_host(address)
        return Caller(self.canonical_address(address), addresses, interfaces=self.interfaces(addresses))

    def needs_look_up(self, address: str) -> bool:
        """Whether a look-up may find more than the address."""
        return self.may_have_name(address) or self.is_link_local(address)

    def may_have_name(self, address: str) -> bool:
        """Whether the engine's name server may know an address.

        It does not know loopback, `link_local_ips`, the gateway and other networks. It asks the server that it forwards
        to for their names, which may take many seconds.
        """
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        tables = self._tables()
        is_own = address in tables.addresses and not self._has_own_names()
        if parsed.is_loopback or is_own or address in tables.gateways:
            return False
        own = self._own_on_network(address)
        if own is None:
            return not tables.all and not parsed.is_link_local
        return not _is_link_local(own)

    def is_link_local(self, address: str) -> bool:
        """Whether an address is a neighbour's link-local one, from `link_local_ips` or `fe80::`."""
        own = self._own_on_network(address) if is_address(address) else None
        return own is not None and _is_link_local(own) and all(address != each.address for each in self._tables().all)

    def is_ordinary(self, address: str) -> bool:
        """Whether an address is a neighbour's on an engine's network; those of gateways are not."""
        tables, own = self._tables(), self._own_on_network(address)
        return own in tables.ordinary and address not in tables.addresses and address not in tables.gateways

    def is_gateway(self, address: str) -> bool:
        """Whether an address is a default gateway's."""
        return address in self._tables().gateways

    def ordinary_networks(self, interface_indexes: Container[int]) -> tuple[OwnAddress, ...]:
        """This network namespace's ordinary addresses at some interfaces."""
        return tuple(own for own in self._tables().ordinary if own.interface_index in interface_indexes)

    def may_have_link_local(self, address: str) -> bool:
        """Whether the owner of an ordinary address may also use a `link_local_ips` address."""
        own = self._own_on_network(address) if is_address(address) else None
        return (
            own is not None
            and self.is_ordinary(address)
            and any(
                each.interface_index == own.interface_index and each.interface.version != _IPV6 and _is_link_local(each)
                for each in self._tables().all
            )
        )

    def interfaces(self, addresses: Iterable[str]) -> tuple[Interface, ...]:
        """A caller's interfaces, in the order of this network namespace's networks."""
        by_network: dict[int | str, list[tuple[str, OwnAddress | None]]] = {}
        for address in addresses:
            if address in _LOOPBACK:
                continue
            own = self._own_on_network(address)
            by_network.setdefault(own.interface_index if own else address, []).append((address, own))
        order = dict.fromkeys(own.interface_index for own in self._tables().all)
        keys: list[int | str] = [index for index in order if index in by_network]
        keys += sorted(key for key in by_network if isinstance(key, str))
        return tuple(self._interface(by_network[key]) for key in keys)

    def refreshed(self, caller: Caller) -> Caller:
        """A caller with its interfaces as the kernel's tables show them now."""
        return caller._replace(interfaces=self.interfaces(caller.addresses))

    def mac(self, address: str) -> str | None:
        """The hardware address of a neighbour; None behind a router, and for this network namespace itself."""
        interfaces = () if self.is_gateway(address) or self._is_own(address) else self.interfaces((address,))
        return next((each.mac for each in interfaces if each.mac is not None), None)

    def _interface(self, found: list[tuple[str, OwnAddress | None]]) -> Interface:
        # A link-local address is the instance's address only if there is no other.
        preferred = [each for each in found if each[1] is None or not _is_link_local(each[1])] or found
        ipv4 = next((each for each in preferred if ":" not in each[0]), None)
        ipv6s = [each for each in preferred if ":" in each[0]]
        return Interface(
            ipv4=ipv4[0] if ipv4 else None,
            ipv6s=tuple(address for address, _ in ipv6s),
            ipv4_block=str(ipv4[1].interface.network) if ipv4 and ipv4[1] else None,
            ipv6_blocks=tuple(dict.fromkeys(block_text(own.interface.network) for _, own in ipv6s if own)),
            mac=next((mac for address, own in found if own and (mac := self._mac(address, own.interface_index))), None),
        )

    def _mac(self, address: str, interface_index: int) -> str | None:
        if address not in self._tables().addresses:
            return self._kernel.mac_of(address, interface_index)
        with contextlib.suppress(OSError):
            mac = (_INTERFACES / if_indextoname(interface_index) / "address").read_text(encoding="ascii").strip()
            return mac if mac.strip("0:") else None
        return None

    def _is_own(self, address: str) -> bool:
        return address in _LOOPBACK or address in self._tables().addresses

    def _own_on_network(self, address: str) -> OwnAddress | None:
        """This network namespace's own address on the network of an address."""
        parsed = ip_address(address)
        return next((own for own in self._tables().all if parsed in own.interface.network), None)

    def _tables(self) -> _Tables:
        now = self._monotonic()
        if now >= self._expires:
            self._expires = now + _CACHE_SECONDS
            own, gateways = self._kernel.own_addresses(), self._gateways()
            ordinary = [each for each in own if not (each.interface.is_loopback or _is_link_local(each))]
            # The main interface is the one with the default route, as in Docker.
            ordinary.sort(
                key=lambda each: not any(ip_address(gateway) in each.interface.network for gateway in gateways)
            )
            ordinary.sort(key=lambda each: each.interface.version)
            self._cached = _Tables(own, tuple(ordinary), tuple(each.address for each in ordinary), gateways)
        return self._cached


def _is_link_local(own: OwnAddress) -> bool:
    """Whether an address belongs to no engine network: `link_local_ips` come with all of 169.254.0.0/16.

    An engine network inside that block is smaller.
    """
    network = own.interface.network
    return network.is_link_local and (network.version == _IPV6 or network.prefixlen <= _LINK_LOCAL_PREFIX)
