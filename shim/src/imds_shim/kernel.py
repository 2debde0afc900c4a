"""The real network and kernel behind the Protocols of `search` and `startup`, each part imported when it is needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from imds_shim.import_stubs import load
from imds_shim.network.resolve import Resolver

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Collection, Sequence

    from imds_shim.config import Backend
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.nat.rule import NatTable
    from imds_shim.network.answer import Answer


class RealNetwork:
    """DNS and HTTP over real sockets."""

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver or Resolver()

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> Sequence[IPAddress]:
        """Look a host up once; raises ResolveError."""
        return self._resolver.addresses(host, deadline, ipv6=ipv6)

    def who_answers(self, address: IPAddress, port: int, deadline: Deadline) -> Answer:
        """Ask once; raises NoAnswerError."""
        load("httpx")
        from imds_shim.network.probe import who_answers  # noqa: PLC0415 - not needed before the name is resolved

        return who_answers(address, port, deadline)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


class RealKernel:
    """NAT tables and routes of the network namespace this process runs in; `tables` are those opened so far."""

    def __init__(self) -> None:
        self.tables: Sequence[NatTable] = ()

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """While it lasts, no other shim changes rules and routes of this network namespace."""
        from imds_shim.nat.lock import lock  # noqa: PLC0415 - not every way in changes anything

        return lock()

    def open_tables(self, backend: Backend, without: Collection[str] = ()) -> Sequence[NatTable]:
        """Open the NAT back ends that work here, first one not in `without`; raises as netfilter's does."""
        from imds_shim.nat.backend import open_tables  # noqa: PLC0415 - not every way in needs a rule

        if not self.tables or self.tables[0].name in without:
            self.tables = open_tables(backend, without)
        return self.tables

    def stays_near(self, destination: IPAddress) -> bool:
        """Whether the route to it is local or on-link, so that no packet passes a gateway."""
        from imds_shim.nat.route import is_ours  # noqa: PLC0415 - not every way in asks
        from imds_shim.nat.rtnetlink import Way, how_routed  # noqa: PLC0415 - likewise

        way = how_routed(destination).way
        # A route that an earlier run has set for its rule says nothing about where the address really is.
        return way is Way.LOCAL or (way is Way.ON_LINK and not is_ours(destination))

    def leads_on_link(self, destination: IPAddress) -> bool:
        """Whether it is local or on-link already, by whosever route."""
        from imds_shim.nat.rtnetlink import Way, how_routed  # noqa: PLC0415 - not every way in asks

        return how_routed(destination).way in (Way.LOCAL, Way.ON_LINK)

    def refused_by(self, destination: IPAddress) -> str | None:
        """Return the route or policy rule that refuses packets to it; None where there is none."""
        from imds_shim.nat.obstacle import decided_by  # noqa: PLC0415 - only for a message
        from imds_shim.nat.rtnetlink import Way, how_routed  # noqa: PLC0415 - likewise

        return decided_by(destination) if how_routed(destination).way is Way.NONE else None

    def check_may_lead(self) -> None:
        """Raises PrivilegeError where no route can be set."""
        from imds_shim.nat import route  # noqa: PLC0415 - not every way in needs one

        route.check_may_set()

    def ensure_route(
        self, destination: IPAddress, mock: IPAddress, undo: contextlib.ExitStack, *, on_link: bool
    ) -> str | None:
        """Make packets to `destination` leave by the interface that leads to the mock; says what had to be changed."""
        from imds_shim.nat import route  # noqa: PLC0415 - not every way in needs one

        def note(ours: Sequence[route.Lead]) -> None:
            undo.callback(route.restore, destination, ours)

        changed = route.ensure_route(destination, mock, on_link=on_link, note=note)
        if changed is None:
            return None
        if changed.overruled_by:
            by = changed.overruled_by
            return f"packets to {destination} leave another way than to {mock}: the kernel asks {by} first"
        return f"{changed} set: packets to {destination} could not leave as those to {mock} do"
