"""The real network and kernel behind the Protocols of a start; each part is imported when it is first needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imds_shim import import_stubs
from imds_shim.network.resolve import Resolver

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Collection, Sequence

    from imds_shim.announcement import Announcement
    from imds_shim.config import Backend
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.nat.route import Route
    from imds_shim.nat.rule import NatTable
    from imds_shim.network.probe_result import ProbeResult


class RealNetwork:
    """DNS and HTTP over real sockets."""

    def __init__(self, announcement: Announcement | None = None, resolver: Resolver | None = None) -> None:
        self._announcement = announcement
        self._resolver = resolver or Resolver()

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> Sequence[IPAddress]:
        """Resolve a host once; raises ResolveError."""
        return self._resolver.addresses(host, deadline, ipv6=ipv6)

    def probe(self, address: IPAddress, port: int, deadline: Deadline) -> ProbeResult:
        """Probe a server once; raises NoAnswerError."""
        import_stubs.load("httpx")
        from imds_shim.network.probe import probe

        return probe(address, port, deadline)

    def announce(self, address: IPAddress, port: int, deadline: Deadline) -> ProbeResult:
        """Probe a server once and announce this container to it; raises NoAnswerError."""
        import_stubs.load("httpx")
        from imds_shim.network.probe import probe

        return probe(address, port, deadline, self._announcement)

    def sleep(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class RealKernel:
    """NAT tables and routes of this process's network namespace; `tables` are those opened so far."""

    def __init__(self) -> None:
        self.tables: Sequence[NatTable] = ()

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other shims from changing rules and routes of this network namespace."""
        from imds_shim.nat.lock import lock

        return lock()

    def open_tables(self, backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
        """Open the usable NAT back ends, the one for the rule first; raises as `nat.backend.open_tables` does."""
        from imds_shim.nat.backend import open_tables

        if not self.tables or self.tables[0].name in without:
            self.tables = open_tables(backend, without)
        return self.tables

    def is_on_link(self, destination: IPAddress, *, ignore_own_route: bool = False) -> bool:
        """Whether packets to `destination` leave without a gateway; optionally, not because of the shim's own route."""
        from imds_shim.nat.route import own_routes
        from imds_shim.nat.rtnetlink import NextHop, look_up_route

        next_hop = look_up_route(destination).next_hop
        if next_hop is NextHop.ON_LINK and ignore_own_route:
            return not own_routes(destination)
        return next_hop in (NextHop.LOCAL, NextHop.ON_LINK)

    def refused_by(self, destination: IPAddress) -> str | None:
        """Return the route or policy rule that refuses packets to `destination`, if one does."""
        from imds_shim.nat.policy_routing import deciding_rule
        from imds_shim.nat.rtnetlink import NextHop, look_up_route

        return deciding_rule(destination) if look_up_route(destination).next_hop is NextHop.NONE else None

    def route_of_user(self, destination: IPAddress, uid: int) -> str | None:
        """Describe the route of a user's packets to `destination` if it is not that of this process's packets."""
        from imds_shim.nat.policy_routing import describe_route
        from imds_shim.nat.rtnetlink import look_up_route

        if look_up_route(destination, uid) == look_up_route(destination):
            return None
        return describe_route(destination, uid)

    def check_route_permission(self) -> None:
        """Raise PrivilegeError if the shim may not set routes."""
        from imds_shim.nat import route

        route.check_permission()

    def ensure_route(
        self, destination: IPAddress, mock: IPAddress, undo: contextlib.ExitStack, *, on_link: bool
    ) -> str | None:
        """Make packets to `destination` leave by the interface to the mock; returns a description of the change."""
        from imds_shim.nat import route

        def before_change(own: Sequence[Route]) -> None:
            undo.callback(route.restore, destination, own)

        new = route.ensure_route(destination, mock, on_link=on_link, before_change=before_change)
        if new is None:
            return None
        if new.overridden_by:
            return (
                f"packets to {destination} do not leave as those to {mock} do, because {new.overridden_by} takes "
                "precedence over the shim's route"
            )
        return f"added {new}, so that packets to {destination} leave as those to {mock} do"
