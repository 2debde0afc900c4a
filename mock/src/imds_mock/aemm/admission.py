"""`--mock-ip-count`: the first so many client addresses see a kind of event, later ones never do.

Counted by whole addresses, for each kind apart: spot notice and rebalance recommendation together, scheduled events,
lifecycle state. A look at a leaf takes a place even before its event has appeared. Behind NAT, clients count as one.
"""

from __future__ import annotations


class Places:
    """The client addresses that see one kind of event.

    Attributes:
        count: How many there may be; negative means all.
    """

    __slots__ = ("_taken", "count")

    def __init__(self, count: int) -> None:
        self.count = count
        self._taken: set[str] = set()

    def admit(self, caller: str) -> bool:
        """Whether a client sees the event; it takes a place if there is one left."""
        if self.count < 0 or caller in self._taken:
            return True
        if len(self._taken) >= self.count:
            return False
        self._taken.add(caller)
        return True
