"""What is known about callers: who goes by which name. Nothing is looked up here, see `register`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.callers.addresses import is_address, plain
from imds_mock.callers.known import Known, Seen

if TYPE_CHECKING:
    from imds_mock.callers.caller import Caller
    from imds_mock.callers.identification import Identification
    from imds_mock.callers.targets import Targets


class Directory:
    """Names and addresses of callers.

    Args:
        targets: The names in use and the addresses that they lead to.
        identification: Knows which address stands for a caller, and which addresses are link-local.
    """

    def __init__(self, targets: Targets, identification: Identification) -> None:
        self._targets = targets
        self._identification = identification
        self._known: dict[str, Known] = {}
        self._without_owner: frozenset[str] = frozenset()

    def is_target(self, address: str, target: str) -> bool:
        """Whether an address goes by a name, as far as is known.

        Args:
            address: Address of a peer.
            target: Address, container or service name.
        """
        known = self._known.get(self._identification.home(address))
        own = (address,) if known is None else (address, *known.caller.addresses)
        if is_address(target):
            return plain(target) in own
        return not self.addresses(target).isdisjoint(own) or target in self.names(address)

    def was_target(self, address: str, target: str) -> bool:
        """Whether an address goes by a name, or its last container did: what a journal's entry is asked.

        Args:
            address: Address of a peer.
            target: Address, container or service name.
        """
        return self.is_target(address, target) or target in self.last_names(address)

    def last_names(self, address: str) -> tuple[str, ...]:
        """The names of an address, or those of the last container that had it; empty when there was none."""
        known = self._known.get(self._identification.home(address))
        return () if known is None else known.caller.names or known.last_names

    def names(self, address: str) -> tuple[str, ...]:
        """Container name and, where it has one, service name of an address; empty when it is not known."""
        known = self._known.get(self._identification.home(address))
        return () if known is None else known.caller.names

    def seen(self) -> tuple[Seen, ...]:
        """The callers that have asked, and the containers that are known without that."""
        return tuple(
            Seen(address, known.caller, known.has_asked)
            for address, known in self._known.items()
            if known.has_asked or known.caller.container is not None
        )

    def is_beside(self, address: str) -> bool:
        """Whether an address is a neighbour's link-local one, beside those of the engine's networks."""
        return self._identification.is_beside(address)

    def unjoined(self) -> tuple[str, ...]:
        """The link-local addresses of callers that could not be joined with the ones that names lead to, sorted."""
        return tuple(
            sorted(
                address
                for address, known in self._known.items()
                if known.has_asked and known.caller.container is None and self.is_beside(address)
            )
        )

    def without_owner(self, target: str) -> frozenset[str]:
        """The addresses of a target that no neighbour has; a link-local address cannot be joined with them."""
        return self._without_owner & self.addresses(target)

    def caller(self, address: str) -> Caller:
        """Who is behind an address, as far as is known."""
        known = self._known.get(self._identification.home(address))
        return self._identification.unnamed(address) if known is None else known.caller

    def containers(self) -> list[Caller]:
        """The containers that have asked and whose names are known, each once, by name."""
        named = {known.caller.container: known.caller for known in self._known.values() if known.caller.container}
        return [named[name] for name in sorted(named)]

    def addresses(self, target: str) -> frozenset[str]:
        """The addresses that a target was last found to have."""
        return self._targets.addresses(target)
