"""Who is behind an address, without a container engine's socket: its name server tells.

A name is believed for 5 s, that there is none for 30 s, whatever the answer's own times say: addresses are used again
by other containers. No container starts within a quarter of a second, so after a silence of that length the name is
asked for anew: whoever asks for his instance id first thing is not to be taken for the one before him. One look-up at a
time is under way for an address. Only the first one of an address is worth waiting for; a later one keeps nobody longer
than Docker's name server ever needs, and then what was known holds.

An instance does not change its id while it lives. So a container whose name comes only after it was answered under its
address keeps the identity that it was given; one that comes where nobody had a name is another one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from imds_mock.callers.addresses import is_address, plain
from imds_mock.callers.directory import Directory
from imds_mock.callers.known import Known
from imds_mock.callers.targets import Targets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from imds_mock.callers.caller import Caller
    from imds_mock.callers.identification import Identification

_BELIEVED_SECONDS: Final = 5.0
_NOBODY_SECONDS: Final = 30.0
_REFRESH_SECONDS: Final = 0.1
_SILENCE_SECONDS: Final = 0.25
_MAX_ADDRESSES: Final = 4096
_FORGOTTEN_SHARE: Final = 4


class HasCaller(Protocol):
    """A journal entry, as far as it matters here."""

    @property
    def caller(self) -> str:
        """Address of the peer."""


class Callers(Directory):
    """What is known about names and addresses, and how it comes to be known.

    Args:
        forward: Gives the addresses of a target's name, none when it has none; an OSError when that cannot be known.
        identification: Finds out who is behind an address.
        monotonic: Clock in seconds.
        patience_seconds: Gives how long the first look-up of an address may keep somebody waiting.
    """

    def __init__(
        self,
        forward: Callable[[str], Awaitable[frozenset[str]]],
        identification: Identification,
        monotonic: Callable[[], float],
        patience_seconds: Callable[[], float] = lambda: 1.0,
    ) -> None:
        super().__init__(Targets(forward, monotonic), identification)
        self._monotonic = monotonic
        self._patience_seconds = patience_seconds
        self.changed: Callable[[Collection[str] | None], None] = lambda _addresses: None
        """Is called when other callers are behind addresses; with None, when targets lead to others than before."""
        self._has_targets = False
        self._keys: dict[str, str] = {}  # a container's name to what its identity follows from

    async def learn(self, targets: Iterable[str]) -> None:
        """Look targets up, all at once; afterwards `is_target` knows them.

        Args:
            targets: Those in use; others are forgotten. Addresses need no look-up.
        """
        wanted = frozenset(targets)
        if await self._targets.learn(wanted):
            self.changed(None)
        self._has_targets = bool(wanted)
        await self._join({plain(each) for each in wanted if is_address(each)}.union(*map(self.addresses, wanted)))

    def matters(self, address: str) -> bool:
        """Whether it matters for targets who is behind an address: no name leads to a link-local one."""
        return self._has_targets and self.is_beside(address)

    async def find_out(self, addresses: Iterable[str]) -> None:
        """Find out who is behind addresses, as far as that is to be had in good time."""
        waiting = [found for address in addresses if (found := self._find_out(address)) is not None]
        if waiting:
            await asyncio.gather(*waiting)

    async def _join(self, addresses: Iterable[str]) -> None:
        """Join the link-local addresses of containers with their ordinary ones."""
        ordinary = {each for each in addresses if self._identification.has_beside(each)}
        if not ordinary:
            return
        await self.find_out(ordinary)
        found = ordinary.union(*(self.caller(each).addresses for each in ordinary))
        self._without_owner = await self._identification.make_joinable(found)
        unjoined = self.unjoined()
        for address in unjoined:
            self._known[address].ask_again = 0.0
        await self.find_out(unjoined)

    def look_again(self) -> None:
        """Ask anew for everything that is known as soon as its owner comes: other questions matter now."""
        for known in self._known.values():
            known.ask_again = known.thorough_again = 0.0

    def notice(self, entries: Sequence[HasCaller]) -> None:
        """Find out the names behind new entries of the journal, in the background."""
        for address in {entry.caller for entry in entries}:
            self.meet(address)

    def meet(self, address: str) -> asyncio.Future[None] | None:
        """Find out who has sent a request, unless that is known.

        Args:
            address: Where a connection comes from.

        Returns:
            What is done when it is known, or when waiting is over; None when there is nothing to wait for.
        """
        waiting = self._find_out(address)
        self._known[self._identification.home(address)].has_asked = True
        return waiting

    def _find_out(self, address: str) -> asyncio.Future[None] | None:
        home = self._identification.home(address)
        known, now = self._known.get(home), self._monotonic()
        if known is None:
            self._make_room()
            known = self._known[home] = Known(self._identification.unnamed(home))
        was_silent = known.caller.container is not None and now > known.met + _SILENCE_SECONDS
        known.met = now
        if known.look_up is not None or (now < known.ask_again and not was_silent):
            return known.waiting
        if not self._identification.is_worth_asking(home):
            known.ask_again = now + _BELIEVED_SECONDS
            self._put(home, known, None)
            return None
        loop = asyncio.get_running_loop()
        patience = _REFRESH_SECONDS if known.answered or known.unanswered else self._patience_seconds()
        known.waiting = loop.create_future()
        known.look_up = loop.create_task(self._look_up(home, known))
        loop.call_later(patience, known.give_up, known.waiting)
        return known.waiting

    async def settled(self) -> None:
        """Wait until the look-ups under way have ended."""
        await asyncio.gather(*(known.look_up for known in self._known.values() if known.look_up))

    def close(self) -> None:
        """Give up the look-ups under way."""
        for known in self._known.values():
            if known.look_up is not None:
                known.look_up.cancel()

    async def _look_up(self, home: str, known: Known) -> None:
        now = self._monotonic()
        try:
            caller = await self._identification.identify(home, known.caller, thoroughly=now >= known.thorough_again)
        except OSError:
            # Rather what was true a moment ago than nobody.
            known.unanswered = not known.answered
            known.ask_again = self._monotonic() + (_BELIEVED_SECONDS if known.caller.container else _NOBODY_SECONDS)
        else:
            if now >= known.thorough_again:
                known.thorough_again = now + _NOBODY_SECONDS
            # A link-local address may be joined soon, when the kernel has heard from its owner's ordinary one. Until
            # then it counts as unanswered, so that the instance keeps its id.
            is_open = caller is None and self.is_beside(home)
            known.ask_again = self._monotonic() + (
                _NOBODY_SECONDS if caller is None and not is_open else _BELIEVED_SECONDS
            )
            self._put(home, known, None if caller is None else self._with_key(caller, known))
            known.answered, known.unanswered = not is_open, is_open
        finally:
            known.look_up = None
            known.release()

    def _with_key(self, caller: Caller, known: Known) -> Caller:
        container = caller.container
        if container is None:
            return caller
        if len(self._keys) >= _MAX_ADDRESSES:
            here = {each.caller.container for each in self._known.values()}
            self._keys = {name: key for name, key in self._keys.items() if name in here}
        key = known.caller.key if known.unanswered and not known.answered else container
        return caller._replace(key=self._keys.setdefault(container, key))

    def _put(self, home: str, known: Known, caller: Caller | None) -> None:
        caller = caller or self._identification.unnamed(home)
        before = known.caller
        if caller == before:
            return
        known.caller = caller
        known.last_names = before.names or known.last_names
        concerned = {*caller.addresses, *before.addresses, home}
        # The same container at another of its addresses.
        for address in caller.addresses:
            other = self._known.get(address)
            if other is not None and other.caller.container == caller.container:
                other.caller = caller
        self.changed(concerned)

    def _make_room(self) -> None:
        if len(self._known) < _MAX_ADDRESSES:
            return
        by_silence = sorted(self._known, key=lambda address: self._known[address].met)
        forgotten = by_silence[: _MAX_ADDRESSES // _FORGOTTEN_SHARE]
        for address in forgotten:
            known = self._known.pop(address)
            if known.look_up is not None:
                known.look_up.cancel()
            known.release()
        self.changed(forgotten)
