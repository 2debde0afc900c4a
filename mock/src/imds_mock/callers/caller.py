"""Who asks, as one value: what is known of the container behind an address."""

from __future__ import annotations

from typing import NamedTuple


class Interface(NamedTuple):
    """One network that a caller is on, as far as the mock sees it.

    Attributes:
        ipv4: His address there.
        ipv6s: His IPv6 addresses there.
        ipv4_block: The block of the network that the mock shares with him; None where it is not known.
        ipv6_blocks: Likewise.
        mac: The hardware address that the kernel knows; None where it knows none.
    """

    ipv4: str | None = None
    ipv6s: tuple[str, ...] = ()
    ipv4_block: str | None = None
    ipv6_blocks: tuple[str, ...] = ()
    mac: str | None = None


class Caller(NamedTuple):
    """Somebody who asks. Two addresses of one container give equal values.

    Attributes:
        key: What his identity follows from: his container's name, or his address where he has none.
        addresses: Every address that is known to be his.
        container: Name of his container; None where there is none, or it is not known.
        service: Its compose service, where it can be told.
        number: Which replica of the service it is, from 1.
        networks: Names of the networks on which it is known.
        interfaces: The same as the kernel sees it.
    """

    key: str
    addresses: tuple[str, ...]
    container: str | None = None
    service: str | None = None
    number: int | None = None
    networks: tuple[str, ...] = ()
    interfaces: tuple[Interface, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Container and, where it is another, service name; empty when there is none."""
        return tuple(dict.fromkeys(name for name in (self.container, self.service) if name is not None))
