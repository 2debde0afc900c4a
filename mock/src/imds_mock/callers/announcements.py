"""What containers have announced, each for one address and one hardware address.

The mock cannot see who sends an announcement, only from where. A container's environment is fixed when it is created,
so two different announcements from one container cannot both come from its shim. Each start of a shim has a key of its
own: the same key repeats an announcement, another key with another content is a new container, or an application that
pretends to be one. A new container has a new hardware address, unless the engine derives it from the IP address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from imds_mock.callers.caller import Announced, Caller, Interface

# Docker before version 28, Swarm's overlay networks and some Kubernetes plugins derive hardware addresses from IPv4
# addresses: a new container at the same address has the same one.
_DERIVED: Final = ("02:42:", "0a:58:")


class Announcement(NamedTuple):
    """One announcement.

    Attributes:
        key: Made by each start of a shim.
        announced: What it announces; None is an announcement of nothing, which keeps others from announcing.
        mac: Hardware address of its sender; None behind a router.
        container: Name of the container at that address at that time; None if unknown.
    """

    key: str
    announced: Announced | None
    mac: str | None = None
    container: str | None = None


class Announcements:
    """The announcements in force, by address.

    Args:
        interfaces: Returns the interfaces of the container that has some addresses.

    Attributes:
        on_change: Called after each change.
    """

    def __init__(self, interfaces: Callable[[Iterable[str]], tuple[Interface, ...]]) -> None:
        self._interfaces = interfaces
        self._by_address: dict[str, Announcement] = {}
        self._addresses_by_mac: dict[str, str] = {}
        # One start of a shim may announce from an address of each IP version: they are one container's.
        self._addresses_by_start: dict[tuple[str, Announced], list[str]] = {}
        self._with_content: set[str] = set()
        self.on_change: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        """The number of containers that have announced something."""
        return len(self._with_content)

    def addresses(self) -> tuple[str, ...]:
        """The addresses that announcements came from."""
        return tuple(self._by_address)

    def items(self) -> tuple[tuple[str, Announcement], ...]:
        """The addresses with their announcements, the latest last."""
        return tuple(self._by_address.items())

    def at(self, address: str) -> Announcement | None:
        """The announcement from an address."""
        return self._by_address.get(address)

    def put(self, address: str, announcement: Announcement) -> bool:
        """Keep an announcement.

        Args:
            address: The sender's address.
            announcement: The announcement.

        Returns:
            False if it is refused: the same container has announced something else before.
        """
        before = self._by_address.get(address)
        if before is not None and before.announced != announcement.announced:
            mac = announcement.mac
            is_same_container = mac is not None and mac == before.mac and not mac.startswith(_DERIVED)
            if is_same_container or before.key == announcement.key:
                # A second shim that announces nothing, such as a sidecar's, changes nothing.
                return announcement.announced is None
        self.drop(address)
        self._by_address[address] = announcement
        if announcement.announced is not None:
            self._with_content.add(address)
            self._addresses_by_start.setdefault((announcement.key, announcement.announced), []).append(address)
        if announcement.mac is not None:
            self._addresses_by_mac[announcement.mac] = address
        self.on_change()
        return True

    def drop(self, address: str) -> None:
        """Forget the announcement from an address."""
        self._with_content.discard(address)
        before = self._by_address.pop(address, None)
        if before is not None and before.announced is not None:
            start = before.key, before.announced
            self._addresses_by_start[start].remove(address)
            if not self._addresses_by_start[start]:
                del self._addresses_by_start[start]
        if before is not None and before.mac is not None and self._addresses_by_mac.get(before.mac) == address:
            del self._addresses_by_mac[before.mac]
        if before is not None:
            self.on_change()

    def applied_to(self, caller: Caller, keys: Mapping[str, str]) -> Caller:
        """The caller with what its container has announced.

        Args:
            caller: The caller, as found now.
            keys: `Caller.key` of containers by name, if it differs from the name.
        """
        found = self._of(caller) if self._with_content else None
        if found is None and caller.announced is None:
            return caller
        name = caller.container or caller.addresses[0]
        own = keys.get(name, name)
        if found is None or found.announced is None:
            return caller._replace(announced=None, key=own)
        same_start = self._addresses_by_start[found.key, found.announced]
        if caller.container is None:
            own = same_start[0]
        if not {*same_start} <= {*caller.addresses} and not {*same_start}.isdisjoint(caller.addresses):
            addresses = tuple(sorted({*caller.addresses, *same_start}))
            caller = caller._replace(addresses=addresses, interfaces=self._interfaces(addresses))
        return caller._replace(announced=found.announced, key=found.announced.name or own)

    def _of(self, caller: Caller) -> Announcement | None:
        """The announcement from the container at a caller's addresses.

        Another container at the same address is told by its hardware address or its name; its predecessor's
        announcement is dropped.
        """
        macs = caller.macs
        for address in self._candidates(caller.addresses, macs):
            found = self._by_address[address]
            is_other_name = None not in {found.container, caller.container} and found.container != caller.container
            if is_other_name or (found.mac is not None and macs and found.mac not in macs):
                if address in caller.addresses:
                    self.drop(address)
                continue
            if found.announced is not None:
                return found
        return None

    def bind(self, addresses: Iterable[str], container: str) -> None:
        """Note the name of the container at some addresses, once it is looked up."""
        for address in addresses:
            found = self._by_address.get(address)
            if found is not None and found.container is None:
                self._by_address[address] = found._replace(container=container)
                self.on_change()

    def _candidates(self, addresses: Iterable[str], macs: Iterable[str]) -> Iterator[str]:
        by_mac = [self._addresses_by_mac[mac] for mac in macs if mac in self._addresses_by_mac]
        yield from dict.fromkeys(address for address in (*addresses, *by_mac) if address in self._by_address)
