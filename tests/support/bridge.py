"""A bridge network as a container engine creates it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlab import Lab, Namespace


class Bridge:
    """A bridge in its own namespace, and the namespaces that are connected to it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._bridge = lab.namespace("bridge")
        self._bridge.ip("link", "add", "bridge0", "type", "bridge")
        self._bridge.ip("link", "set", "bridge0", "up")

    def plug(self, name: str, *addresses: str) -> Namespace:
        """Connect a new namespace, with a new hardware address."""
        host = self._lab.namespace(name)
        cable, _ = self._lab.link(self._bridge, host, [], addresses)
        self._bridge.ip("link", "set", cable, "master", "bridge0")
        return host
