"""The names that events, faults and questions are about, looked up forwards: right before their owner has asked.

Addresses are used again by other containers, so whoever uses a name has it looked up again and again. While no name
server answers, what a name led to holds for half a minute: as long as is believed that an address has no name.
"""

from __future__ import annotations

import asyncio
import math
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from imds_mock.callers.addresses import is_address
from imds_mock.callers.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

_LOOK_UP_SECONDS: Final = 1.0
_HELD_SECONDS: Final = 30.0

# Of what getaddrinfo says these tell nothing about the name; Docker's name server says so of every name that is not its
# own when the one behind it is dead.
_NO_ANSWER: Final = frozenset({socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM})

_RESOLVER: Final = Resolver()


class _Found(NamedTuple):
    """What a name leads to, and when a name server last said so."""

    addresses: frozenset[str]
    answered: float


_NOTHING: Final = _Found(frozenset(), -math.inf)


class Targets:
    """The addresses of the names in use.

    Args:
        forward: Gives the addresses of a name, none when it has none; an OSError when that cannot be known.
        monotonic: Clock in seconds.
    """

    def __init__(self, forward: Callable[[str], Awaitable[frozenset[str]]], monotonic: Callable[[], float]) -> None:
        self._forward = forward
        self._monotonic = monotonic
        self._found: dict[str, _Found] = {}

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses that a target was last found to have."""
        return self._found.get(target, _NOTHING).addresses

    async def learn(self, targets: Iterable[str]) -> bool:
        """Look targets up, all at once.

        Args:
            targets: Those in use; others are forgotten. Addresses need no look-up.

        Returns:
            Whether anything is other than before.
        """
        wanted = sorted({target for target in targets if not is_address(target)})
        before = self._found
        found = await asyncio.gather(*map(self._look_up, wanted))
        # What others have learnt meanwhile stays: an event may be armed for it already.
        meanwhile = {name: held for name, held in self._found.items() if before.get(name) is not held}
        learnt = meanwhile | dict(zip(wanted, found, strict=True))
        changed = _addresses(learnt) != _addresses(self._found)
        self._found = learnt
        return changed

    async def _look_up(self, name: str) -> _Found:
        try:
            found = await asyncio.wait_for(self._forward(name), _LOOK_UP_SECONDS)
        except OSError:
            # Rather what was true a moment ago than nobody, but not for ever: somebody else gets the address.
            known = self._found.get(name, _NOTHING)
            return known if self._monotonic() - known.answered <= _HELD_SECONDS else _NOTHING
        return _Found(found, self._monotonic())


def _addresses(found: dict[str, _Found]) -> dict[str, frozenset[str]]:
    return {name: each.addresses for name, each in found.items()}


async def system_forward(name: str) -> frozenset[str]:
    """Addresses of a name by the system's resolver; none when it has none.

    Raises:
        OSError: That cannot be known now.
    """
    try:
        found = await _RESOLVER.look_up(name)
    except UnicodeError:
        return frozenset()
    except socket.gaierror as error:
        if error.errno in _NO_ANSWER:
            raise
        return frozenset()
    return frozenset(str(each[4][0]) for each in found)
