"""Who is behind an address, without a container engine's socket: its name server tells.

A name that somebody uses as a target is looked up forwards, so it is right before that caller has asked anything. The
names shown beside addresses come backwards: Docker answers `<container name>.<network>`, measured for replicas
(`proj-app-2.proj_default`), runs (`proj-app-run-d59c2409f8fa.proj_default`) and plain ones (`plain.proj_default`).
Addresses are used again by other containers, so nothing is believed for long. No request waits for a look-up.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from imds_mock.driving.journal import Entry

_BELIEVED_SECONDS: Final = 5.0
_NOBODY_SECONDS: Final = 30.0
_LOOK_UP_SECONDS: Final = 1.0
_IN_FLIGHT: Final = 4
_MAX_ADDRESSES: Final = 4096
_REPLICA: Final = re.compile(r"(.+?)-(?:\d+|run-[0-9a-f]+)")


class Callers:
    """What is known about names and addresses.

    Args:
        forward: Gives the addresses of a name, none when it has none.
        backward: Gives the name of an address.
        monotonic: Clock in seconds.
        changed: Is called when a target's addresses are others than before.
    """

    def __init__(
        self,
        forward: Callable[[str], Awaitable[frozenset[str]]],
        backward: Callable[[str], Awaitable[str | None]],
        monotonic: Callable[[], float],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._forward = forward
        self._backward = backward
        self._monotonic = monotonic
        self.changed = changed
        self._addresses: dict[str, frozenset[str]] = {}
        self._names: dict[str, tuple[str, ...]] = {}
        self._ask_again: dict[str, float] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def is_target(self, address: str, target: str) -> bool:
        """Whether an address goes by a name, as far as is known.

        Args:
            address: Address of a peer.
            target: Address, container or service name.
        """
        return address == target or address in self._addresses.get(target, ()) or target in self._names.get(address, ())

    def names(self, address: str) -> tuple[str, ...]:
        """Container name and, where it has one, service name of an address; empty when it is not known."""
        return self._names.get(address, ())

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses that a target was last found to have."""
        return self._addresses.get(target, frozenset())

    async def learn(self, targets: Iterable[str]) -> None:
        """Look targets up, all at once; afterwards `is_target` knows them.

        Args:
            targets: Those in use; others are forgotten. Addresses need no look-up.
        """
        wanted = sorted({target for target in targets if not _is_address(target)})
        found = await asyncio.gather(*map(self._addresses_of, wanted))
        learnt = dict(zip(wanted, found, strict=True))
        if learnt != self._addresses:
            self._addresses = learnt
            self.changed()

    def notice(self, entries: Sequence[Entry]) -> None:
        """Find out the names behind new entries of the journal, in the background."""
        now = self._monotonic()
        for address in {entry.caller for entry in entries}:
            if self._ask_again.get(address, 0.0) > now or len(self._asking) >= _IN_FLIGHT:
                continue
            if len(self._ask_again) >= _MAX_ADDRESSES:
                self._ask_again.clear()
                self._names.clear()
            self._ask_again[address] = now + _NOBODY_SECONDS
            if not _is_nameless(address):
                task = asyncio.get_running_loop().create_task(self._ask(address))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)

    async def settled(self) -> None:
        """Wait until the look-ups under way have ended."""
        await asyncio.gather(*self._asking)

    def close(self) -> None:
        """Give up the look-ups under way."""
        for task in self._asking:
            task.cancel()

    async def _ask(self, address: str) -> None:
        try:
            name = await asyncio.wait_for(self._backward(address), _LOOK_UP_SECONDS)
        except (TimeoutError, OSError):
            name = None
        if name is None:
            self._names.pop(address, None)
            return
        known = self._names.get(address)
        self._names[address] = names = parse_reverse_name(name)
        self._ask_again[address] = self._monotonic() + _BELIEVED_SECONDS
        if names != known:
            self.changed()

    async def _addresses_of(self, name: str) -> frozenset[str]:
        try:
            return await asyncio.wait_for(self._forward(name), _LOOK_UP_SECONDS)
        except (TimeoutError, OSError):
            # Rather what was true a moment ago than nobody.
            return self._addresses.get(name, frozenset())


def parse_reverse_name(name: str) -> tuple[str, ...]:
    """Take the name that Docker's name server gives an address apart.

    Args:
        name: Such as `proj-app-2.proj_default`.

    Returns:
        The container name and, where it can be told, the service name.
    """
    container, _, network = name.rstrip(".").partition(".")
    words = network.split("_")
    for length in range(len(words) - 1, 0, -1):
        prefix = "_".join(words[:length]) + "-"
        replica = _REPLICA.fullmatch(container[len(prefix) :]) if container.startswith(prefix) else None
        if replica is not None:
            return (container, replica[1])
    return (container,)


async def system_forward(name: str) -> frozenset[str]:
    """Addresses of a name by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)


async def system_backward(address: str) -> str | None:
    """Name of an address by the system's resolver."""
    try:
        name, _ = await asyncio.get_running_loop().getnameinfo((address, 0), socket.NI_NAMEREQD)
    except OSError:
        return None
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_nameless(address: str) -> bool:
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return True
    # For these, Docker's name server asks the one behind it, which may take many seconds to say no.
    return read.is_loopback or read.is_link_local
