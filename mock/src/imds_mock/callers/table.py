"""The table of known callers, by address, and the queries on it. The `registry` fills it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from imds_mock.callers.announcements import Announcements
from imds_mock.callers.caller import is_address, normalize_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imds_mock.callers.announcements import Announcement
    from imds_mock.callers.caller import Announced, Caller
    from imds_mock.callers.local_networks import LocalNetworks
    from imds_mock.callers.targets import TargetResolver


class KnownCaller(NamedTuple):
    """A caller in the table.

    Attributes:
        address: The address that stands for the caller.
        caller: The caller.
        has_asked: The caller has sent a request; False if only the control plane has asked about it.
    """

    address: str
    caller: Caller
    has_asked: bool


class TableEntry:
    """The caller at one address, and the state of its look-up.

    Args:
        caller: The caller before the first look-up: its address alone.

    Attributes:
        caller: The current caller.
        last_names: Names of the previous container at this address; the journal shows them until another container has
            the address.
        has_asked: A request has come from this address.
        answered: A look-up has succeeded, with or without a name.
        unanswered: A request continued without waiting for the look-up's result.
        last_used: Time of the last request or query, in seconds of the monotonic clock, as are the next two.
        expires: When to repeat the look-up.
        full_expires: When to repeat the look-up in full, even if the same container has the address.
        task: The look-up in progress.
        ready: Done when the look-up in progress has ended or timed out.
    """

    __slots__ = ("answered", "caller", "expires", "full_expires", "has_asked", "last_names", "last_used", "ready",
                 "task", "unanswered")  # fmt: skip

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.last_names: tuple[str, ...] = ()
        self.has_asked = self.answered = self.unanswered = False
        self.last_used = self.expires = self.full_expires = 0.0
        self.task: asyncio.Task[None] | None = None
        self.ready: asyncio.Future[None] | None = None

    def time_out(self, ready: asyncio.Future[None]) -> None:
        """Stop waiting for a look-up that takes too long; the look-up continues."""
        if self.ready is ready:
            self.unanswered = not self.answered
            self.set_ready()

    def set_ready(self) -> None:
        """Wake up all that wait for the look-up."""
        if self.ready is not None and not self.ready.done():
            self.ready.set_result(None)
        self.ready = None


class CallerTable:
    """The known callers.

    Args:
        targets: The addresses of the names that events, faults and queries use.
        networks: Maps an address to the one that stands for its caller, and recognizes link-local addresses.

    Attributes:
        announcements: What containers have announced.
    """

    def __init__(self, targets: TargetResolver, networks: LocalNetworks) -> None:
        self._targets = targets
        self._networks = networks
        self.announcements = Announcements(networks.interfaces)
        self._entries: dict[str, TableEntry] = {}
        self._without_neighbour: frozenset[str] = frozenset()

    def caller(self, address: str) -> Caller:
        """The caller at an address, as far as it is known."""
        entry = self._entry(address)
        return self._networks.unnamed_caller(address) if entry is None else entry.caller

    def announced_at(self, address: str) -> Announced | None:
        """What the container at an address has announced, if it still has this address."""
        found = self.announcements.at(self._networks.canonical_address(address))
        return None if found is None else found.announced

    def restore(self, kept: Iterable[tuple[str, Announcement]]) -> None:
        """Take over announcements of an earlier run, by address.

        The next request from such an address compares its hardware address and name with those of the announcement, as
        after each look-up.
        """
        own = self._networks.own_addresses()
        for address, announcement in kept:
            # The mock may have a former container's address now.
            if announcement.mac is None or address not in own:
                self.announcements.put(address, announcement)
        for address in self.announcements.addresses():
            unnamed = self._networks.unnamed_caller(address)
            self._entries.setdefault(address, TableEntry(self.announcements.applied_to(unnamed, {})))

    def invalidate(self) -> None:
        """Look up every caller again, in full, at its next request."""
        for entry in self._entries.values():
            entry.expires = entry.full_expires = 0.0

    async def wait_for_look_ups(self) -> None:
        """Wait until the look-ups in progress have ended."""
        await asyncio.gather(*(entry.task for entry in self._entries.values() if entry.task))

    def known_callers(self) -> tuple[KnownCaller, ...]:
        """The callers that have sent a request, the named containers, and those that have announced a name."""
        return tuple(
            KnownCaller(address, entry.caller, entry.has_asked)
            for address, entry in self._entries.items()
            if entry.has_asked or entry.caller.names
        )

    def containers(self) -> list[Caller]:
        """The callers whose container is known, each once, sorted by name."""
        named = {entry.caller.container: entry.caller for entry in self._entries.values() if entry.caller.container}
        return [named[name] for name in sorted(named)]

    def names(self, address: str) -> tuple[str, ...]:
        """Names of the container and the service at an address; empty if unknown."""
        entry = self._entry(address)
        return () if entry is None else entry.caller.names

    def last_names(self, address: str) -> tuple[str, ...]:
        """The names at an address or, if it has none now, those of the last container there."""
        entry = self._entry(address)
        return () if entry is None else entry.caller.names or entry.last_names

    def is_target(self, address: str, target: str) -> bool:
        """Whether a target matches the caller at an address, as far as it is known.

        Args:
            address: Address of a peer.
            target: Address, container or service name.
        """
        entry = self._entry(address)
        own = (address,) if entry is None else (address, *entry.caller.addresses)
        if is_address(target):
            return normalize_address(target) in own
        return not self.addresses(target).isdisjoint(own) or target in self.names(address)

    def was_target(self, address: str, target: str) -> bool:
        """Whether a target matches the caller at an address or the last container there, as the journal needs it."""
        return self.is_target(address, target) or target in self.last_names(address)

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses to which a target last resolved."""
        return self._targets.addresses(target)

    def addresses_without_neighbour(self, target: str) -> frozenset[str]:
        """The addresses of a target that no neighbour has, so that no link-local address can be linked to them."""
        return self._without_neighbour & self.addresses(target)

    def is_link_local(self, address: str) -> bool:
        """Whether an address is a link-local address of a neighbour, outside the engine's networks."""
        return self._networks.is_link_local(address)

    def unlinked_addresses(self) -> tuple[str, ...]:
        """The link-local addresses of callers for which no ordinary address is known, sorted."""
        return tuple(
            sorted(
                address
                for address, entry in self._entries.items()
                if entry.has_asked and entry.caller.container is None and self.is_link_local(address)
            )
        )

    def _entry(self, address: str) -> TableEntry | None:
        return self._entries.get(self._networks.canonical_address(address))
