"""The names that events, faults and questions are about, looked up forwards: right before their owner has asked.

Addresses are used again by other containers, so whoever uses a name has it looked up again and again.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from imds_mock.callers.addresses import is_address

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_LOOK_UP_SECONDS: Final = 1.0


class Targets:
    """The addresses of the names in use.

    Args:
        forward: Gives the addresses of a name, none when it has none.
    """

    def __init__(self, forward: Callable[[str], Awaitable[frozenset[str]]]) -> None:
        self._forward = forward
        self._addresses: dict[str, frozenset[str]] = {}

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses that a target was last found to have."""
        return self._addresses.get(target, frozenset())

    async def learn(self, targets: Iterable[str]) -> bool:
        """Look targets up, all at once.

        Args:
            targets: Those in use; others are forgotten. Addresses need no look-up.

        Returns:
            Whether anything is other than before.
        """
        wanted = sorted({target for target in targets if not is_address(target)})
        before = self._addresses
        found = await asyncio.gather(*map(self._look_up, wanted))
        # What others have learnt meanwhile stays: an event may be armed for it already.
        meanwhile = {name: held for name, held in self._addresses.items() if before.get(name) is not held}
        learnt = meanwhile | dict(zip(wanted, found, strict=True))
        changed = learnt != self._addresses
        self._addresses = learnt
        return changed

    async def _look_up(self, name: str) -> frozenset[str]:
        try:
            return await asyncio.wait_for(self._forward(name), _LOOK_UP_SECONDS)
        except OSError:
            # Rather what was true a moment ago than nobody.
            return self.addresses(name)


async def system_forward(name: str) -> frozenset[str]:
    """Addresses of a name by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)
