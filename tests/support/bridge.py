"""A link as an engine makes one: a bridge, with a machine at the end of each cable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlab import Lab, Namespace


class Link:
    """A bridge in a namespace of its own, as an engine makes one, and what is plugged into it."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._bridge = lab.namespace("bridge")
        self._bridge.ip("link", "add", "bridge0", "type", "bridge")
        self._bridge.ip("link", "set", "bridge0", "up")

    def plug(self, name: str, *addresses: str) -> Namespace:
        """A new machine on the link, with a hardware address that no other one had."""
        machine = self._lab.namespace(name)
        cable, _ = self._lab.link(self._bridge, machine, [], addresses)
        self._bridge.ip("link", "set", cable, "master", "bridge0")
        return machine
