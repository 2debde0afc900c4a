"""Places for connections: most are reserved for near peers, others get few and lose them when there is a crowd.

Whether a peer may use the control plane is known once the head of its request is complete. Until then only its address
tells: loopback and the trusted gateway are near. Of the others the one that holds the most places loses its oldest, so
a client with the token gets its turn beside a neighbor that only opens connections.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_FAR_SHARE: Final = 6


class Guest(Protocol):
    """A connection.

    Attributes:
        address: The peer's address.
    """

    address: str

    def drop(self) -> None:
        """End the connection at once."""


class Places:
    """The places of one listener.

    Args:
        count: How many there are; a sixth, but at least one, is for peers that are not near.
        is_near: Tells whether an address is near; None: all peers are.
        trust: Is told each address whose client turns out to have access.
    """

    def __init__(
        self, count: int, is_near: Callable[[str], bool] | None, trust: Callable[[str], None] = lambda _: None
    ) -> None:
        self._is_near = is_near
        self._trust = trust
        self.far_places = 0 if is_near is None else max(1, count // _FAR_SHARE)
        self.near_places = count - self.far_places
        self._near: set[Guest] = set()
        self._far: dict[Guest, None] = {}  # in the order in which they came

    def take(self, guest: Guest) -> bool:
        """Give a new connection a place; it, or another that is not near, is dropped if there is none.

        Returns:
            Whether it is near.
        """
        if self._is_near is None or self._is_near(guest.address):
            if len(self._near) < self.near_places:
                self._near.add(guest)
            else:
                guest.drop()
            return True
        self._far[guest] = None
        if len(self._far) > self.far_places:
            held = Counter(each.address for each in self._far)
            most = max(held.values())
            # Its place is free now; that it has left is heard of later.
            oldest = next(each for each in self._far if held[each.address] == most)
            del self._far[oldest]
            oldest.drop()
        return False

    def move_near(self, guest: Guest) -> None:
        """Give a connection whose client has access one of the reserved places, if one is free."""
        self._trust(guest.address)
        if len(self._near) < self.near_places:
            self._far.pop(guest, None)
            self._near.add(guest)

    def leave(self, guest: Guest) -> None:
        """Free the place of a connection."""
        self._near.discard(guest)
        self._far.pop(guest, None)
