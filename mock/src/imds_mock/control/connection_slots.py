"""Connection slots: most are reserved for loopback and the gateway, all other peers share the rest.

The control plane knows whether a client has access once the headers of its request are complete. Until then it knows
only the address. When the shared slots are full, the address with the most connections loses its oldest one, so a
client with the token can still connect while a neighbour opens many connections.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_SHARED_FRACTION: Final = 6


class Connection(Protocol):
    """An open connection.

    Attributes:
        address: The peer's address.
    """

    address: str

    def drop(self) -> None:
        """Close the connection at once."""


class ConnectionSlots:
    """The slots of one listener.

    Args:
        count: Number of slots; a sixth of them, but at least one, is shared by peers without priority.
        has_priority: Tells whether an address may use the reserved slots; None: all may.
        exempt_from_rate: Called with each address whose client has access.
    """

    def __init__(
        self,
        count: int,
        has_priority: Callable[[str], bool] | None,
        exempt_from_rate: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._has_priority = has_priority
        self._exempt_from_rate = exempt_from_rate
        self.shared_count = 0 if has_priority is None else max(1, count // _SHARED_FRACTION)
        self.reserved_count = count - self.shared_count
        self._reserved: set[Connection] = set()
        self._shared: dict[Connection, None] = {}  # oldest first

    def add(self, connection: Connection) -> bool:
        """Give a new connection a slot; if none is free, drop this connection or an older one that shares its slots.

        Returns:
            Whether the peer has priority.
        """
        if self._has_priority is None or self._has_priority(connection.address):
            if len(self._reserved) < self.reserved_count:
                self._reserved.add(connection)
            else:
                connection.drop()
            return True
        self._shared[connection] = None
        if len(self._shared) > self.shared_count:
            held = Counter(each.address for each in self._shared)
            most = max(held.values())
            oldest = next(each for each in self._shared if held[each.address] == most)
            # Free the slot now: the event loop reports the closed connection only later.
            del self._shared[oldest]
            oldest.drop()
        return False

    def promote(self, connection: Connection) -> None:
        """Move a connection whose client has access to a reserved slot, if one is free."""
        self._exempt_from_rate(connection.address)
        if len(self._reserved) < self.reserved_count:
            self._shared.pop(connection, None)
            self._reserved.add(connection)

    def remove(self, connection: Connection) -> None:
        """Free the slot of a connection."""
        self._reserved.discard(connection)
        self._shared.pop(connection, None)
