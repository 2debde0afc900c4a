"""The registry of callers: it looks up the container at an address, and keeps the result current.

Names come from the engine's name server; no engine socket is needed. Addresses are reused by other containers, so the
time to live in the server's answers does not apply:

* A name is cached for 5 s, and looked up again after 0.25 s without a request: no container starts faster than that.
* The absence of a name is cached for 30 s.
* At most one look-up at a time runs for an address. The first request of an address waits for it; later requests wait
  0.1 s at most, longer than Docker's name server ever needs, and then use the cached result.

An instance keeps its id. A container whose name arrives only after a request was answered keeps the identity of its
address; a container that appears at an address without a name gets a new one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from imds_mock.callers.announcements import Announcement
from imds_mock.callers.caller import is_address, normalize_address
from imds_mock.callers.table import CallerTable, TableEntry
from imds_mock.callers.targets import TargetResolver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable

    from imds_mock.callers.caller import Announced, Caller
    from imds_mock.callers.identification import CallerIdentifier

_NAME_SECONDS: Final = 5.0
_NO_NAME_SECONDS: Final = 30.0
_FULL_SECONDS: Final = 30.0
_REFRESH_TIMEOUT_SECONDS: Final = 0.1
_IDLE_SECONDS: Final = 0.25
_MAX_ADDRESSES: Final = 4096
_EVICTED_SHARE: Final = 4


class CallerRegistry(CallerTable):
    """The known callers, and the look-ups that identify them.

    Args:
        resolve: Gives the addresses of a target's name, none if it has none; raises an OSError if no server answers.
        identifier: Finds the container at an address.
        monotonic: Clock in seconds.
        timeout_seconds: Gives how long the first request of an address waits.
    """

    def __init__(
        self,
        resolve: Callable[[str], Awaitable[frozenset[str]]],
        identifier: CallerIdentifier,
        monotonic: Callable[[], float],
        timeout_seconds: Callable[[], float] = lambda: 1.0,
    ) -> None:
        super().__init__(TargetResolver(resolve, monotonic), identifier.networks)
        self._identifier = identifier
        self._monotonic = monotonic
        self._timeout_seconds = timeout_seconds
        self.on_change: Callable[[Collection[str] | None], None] = lambda _addresses: None
        """Receives the addresses at which the caller has changed; None if the addresses of targets have changed."""
        self._has_targets = False
        self._keys: dict[str, str] = {}  # container name -> Caller.key

    def identify(self, address: str) -> asyncio.Future[None] | None:
        """Start to identify the sender of a request.

        Args:
            address: Address of the peer.

        Returns:
            A future that is done when the caller is known or the time-out is over; None if there is nothing to wait
            for.
        """
        ready = self._refresh(address)
        self._entries[self._networks.canonical_address(address)].has_asked = True
        return ready

    def identify_all(self, addresses: Iterable[str]) -> None:
        """Identify the senders of requests in the background."""
        for address in set(addresses):
            self.identify(address)

    async def look_up(self, addresses: Iterable[str]) -> None:
        """Look up the callers at addresses that may not have sent a request; waits as `identify` does."""
        waiting = [ready for address in addresses if (ready := self._refresh(address)) is not None]
        if waiting:
            await asyncio.gather(*waiting)

    async def resolve_targets(self, targets: Iterable[str]) -> None:
        """Resolve targets, all at once; `is_target` uses the result.

        Args:
            targets: All targets in use; the addresses of others are dropped.
        """
        wanted = frozenset(targets)
        if await self._targets.resolve(wanted):
            self.on_change(None)
        self._has_targets = bool(wanted)
        literals = {normalize_address(each) for each in wanted if is_address(each)}
        await self._link(literals.union(*map(self.addresses, wanted)))

    def announce(self, address: str, key: str, announced: Announced | None) -> bool:
        """Keep what the container at an address announces about itself.

        Args:
            address: Address of the peer.
            key: Made by each start of a shim.
            announced: What it announces; None for nothing.

        Returns:
            False if it is refused, because this container has announced something else before.
        """
        self._refresh(address)
        canonical = self._networks.canonical_address(address)
        entry = self._entries[canonical]
        mac = self._networks.mac(canonical)
        had_any = bool(self.announcements)
        before = self.announcements.at(canonical)
        if before is not None and before[:3] == (key, announced, mac):
            return True  # a follower repeats it every second
        container = entry.caller.container if entry.task is None else None
        if not self.announcements.put(canonical, Announcement(key, announced, mac, container)):
            return False
        if bool(self.announcements) is not had_any:
            self.on_change(None)
        for other, each in self._entries.items():
            if other in {canonical, *entry.caller.addresses} or (mac and mac in each.caller.macs):
                self._store(other, each, self._networks.refreshed(each.caller))
        return True

    def forget_announcements(self, address: str | None = None) -> None:
        """Forget what the container at an address has announced, or all announcements."""
        own = self.announcements.addresses() if address is None else (address, *self.caller(address).addresses)
        for each in own:
            self.announcements.drop(self._networks.canonical_address(each))
        for other, entry in self._entries.items():
            if entry.caller.announced is not None:
                self._store(other, entry, self._networks.refreshed(entry.caller))

    def may_match_target(self, address: str) -> bool:
        """Whether a request must be identified because its link-local address may belong to a target."""
        return self._has_targets and self.is_link_local(address)

    async def close(self) -> None:
        """Cancel the look-ups in progress, and wait until they have ended."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _link(self, addresses: Iterable[str]) -> None:
        """Link the link-local addresses of containers to their ordinary ones."""
        ordinary = {each for each in addresses if self._networks.may_have_link_local(each)}
        if not ordinary:
            return
        await self.look_up(ordinary)
        found = ordinary.union(*(self.caller(each).addresses for each in ordinary))
        self._without_neighbour = await self._identifier.linker.ensure_neighbours(found)
        unlinked = self.unlinked_addresses()
        for address in unlinked:
            self._entries[address].expires = 0.0
        await self.look_up(unlinked)

    def _refresh(self, address: str) -> asyncio.Future[None] | None:
        """Start a look-up if the entry has expired; gives the future of the one in progress."""
        key = self._networks.canonical_address(address)
        entry, now = self._entries.get(key), self._monotonic()
        if entry is None:
            self._make_room()
            entry = self._entries[key] = TableEntry(self._networks.unnamed_caller(key))
        was_idle = entry.caller.is_identified and now > entry.last_used + _IDLE_SECONDS
        entry.last_used = now
        if entry.task is not None or (now < entry.expires and not was_idle):
            return entry.ready
        if not self._networks.needs_look_up(key):
            entry.expires = now + _NAME_SECONDS
            self._store(key, entry, None)
            return None
        loop = asyncio.get_running_loop()
        timeout = _REFRESH_TIMEOUT_SECONDS if entry.answered or entry.unanswered else self._timeout_seconds()
        entry.ready = loop.create_future()
        entry.task = loop.create_task(self._run_look_up(key, entry))
        loop.call_later(timeout, entry.time_out, entry.ready)
        return entry.ready

    async def _run_look_up(self, address: str, entry: TableEntry) -> None:
        now = self._monotonic()
        try:
            caller = await self._identifier.look_up(address, entry.caller, full=now >= entry.full_expires)
        except OSError:
            # The last known caller is kept: it is more likely right than none.
            entry.unanswered = not entry.answered
            entry.expires = self._monotonic() + (_NAME_SECONDS if entry.caller.is_identified else _NO_NAME_SECONDS)
            if entry.caller.announced is not None:
                # The hardware address still tells another container at this address.
                self._store(address, entry, self._networks.refreshed(entry.caller))
        else:
            if now >= entry.full_expires:
                entry.full_expires = now + _FULL_SECONDS
            # A link-local address may be linked later, once the kernel has heard from its owner's ordinary address.
            # Until then it counts as unanswered, so that the instance keeps its id.
            is_open = caller is None and self.is_link_local(address)
            self._store(address, entry, None if caller is None else self._with_key(caller, entry))
            is_known = entry.caller.is_identified or caller is not None or is_open
            entry.expires = self._monotonic() + (_NAME_SECONDS if is_known else _NO_NAME_SECONDS)
            entry.answered, entry.unanswered = not is_open, is_open
            if entry.caller.container is not None:
                self.announcements.bind(entry.caller.addresses, entry.caller.container)
        finally:
            entry.task = None
            entry.set_ready()

    def _with_key(self, caller: Caller, entry: TableEntry) -> Caller:
        container = caller.container
        if container is None:
            return caller
        if len(self._keys) >= _MAX_ADDRESSES:
            present = {each.caller.container for each in self._entries.values()}
            self._keys = {name: key for name, key in self._keys.items() if name in present}
        key = entry.caller.key if entry.unanswered and not entry.answered else container
        return caller._replace(key=self._keys.setdefault(container, key))

    def _store(self, address: str, entry: TableEntry, caller: Caller | None) -> None:
        caller = self.announcements.applied_to(caller or self._networks.unnamed_caller(address), self._keys)
        before = entry.caller
        if caller == before:
            return
        entry.last_names = before.names or entry.last_names
        same = [self._entries.get(each) for each in caller.addresses]
        for each in (entry, *(other for other in same if other and other.caller.container == caller.container)):
            each.caller = caller
            if caller.is_identified:
                # It may have been looked up before it announced itself, and then its entry lasts longer.
                each.expires = min(each.expires, self._monotonic() + _NAME_SECONDS)
        self.on_change({*caller.addresses, *before.addresses, address})

    def _make_room(self) -> None:
        if len(self._entries) < _MAX_ADDRESSES:
            return
        by_last_use = sorted(self._entries, key=lambda address: self._entries[address].last_used)
        evicted = by_last_use[: _MAX_ADDRESSES // _EVICTED_SHARE]
        for address in evicted:
            entry = self._entries.pop(address)
            self.announcements.drop(address)
            if entry.task is not None:
                entry.task.cancel()
            entry.set_ready()
        self.on_change(evicted)
