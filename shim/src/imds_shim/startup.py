"""The order of the steps of a start, against Protocols; one log line a step.

First it is seen whether this container may do what has to be done, then the mock is found, then each IMDS endpoint is
made to lead to it, then proven to. Whatever is set is noted in an `ExitStack` at once, so that a failed start
takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim import endpoints
from imds_shim.endpoints import shown
from imds_shim.errors import ResolveError, WrongMockError
from imds_shim.nat import rule as nat
from imds_shim.nat.redirect import Redirect, Tables
from imds_shim.network.search import find
from imds_shim.network.verify import reaches_already, time_for, verify
from imds_shim.record import Record

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence
    from typing import Protocol

    from imds_shim.config import ShimConfig
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.log import Log
    from imds_shim.network.answer import Answer
    from imds_shim.network.search import Mock, Network
else:
    Protocol = object  # making a real one costs every start 0.1 ms


class Kernel(Tables, Protocol):
    """What a start asks of the kernel, in the network namespace it runs in."""

    def stays_near(self, destination: IPAddress) -> bool:
        """Whether the route to it is local or on-link, so that no packet passes a gateway."""

    def leads_on_link(self, destination: IPAddress) -> bool:
        """Whether it is local or on-link already, by whosever route."""

    def refused_by(self, destination: IPAddress) -> str | None:
        """Return the route or policy rule that refuses packets to it; None where there is none."""

    def check_may_lead(self) -> None:
        """Raises PrivilegeError where no route can be set."""

    def ensure_route(
        self, destination: IPAddress, mock: IPAddress, undo: contextlib.ExitStack, *, on_link: bool
    ) -> str | None:
        """Make packets to `destination` leave by the interface that leads to the mock; says what had to be changed.

        With `on_link` they go to whoever holds `destination` on that link, and a gateway there will not do.
        """


class Start(Record):
    """One start: what is wanted, what it works on, and where it notes how to take things back."""

    config: ShimConfig
    network: Network
    kernel: Kernel
    undo: contextlib.ExitStack
    say: Log

    def run(self, deadline: Deadline) -> list[Mock]:
        """Bring the mock to the IMDS endpoints; returns where it was found.

        Raises:
            ConfigError, ResolveError, MockUnreachableError, WrongMockError, KernelRefusedError, PrivilegeError: see
                there; what was set so far is noted in `undo`.
        """
        wanted = endpoints.of(self.config.endpoints, ipv6=self.config.ipv6)
        self.check()
        mocks = find(self.config, self.network, deadline, self.say)
        unreachable = self._serve_all(wanted, mocks, deadline)
        if len(unreachable) == len(wanted):
            raise self._only_ipv6(mocks[0])
        for endpoint in unreachable:
            self.say.warning(
                f"{endpoint} is not redirected: {self.config.hostname} has no IPv{endpoint.version} address"
            )
        return mocks

    def _only_ipv6(self, mock: Mock) -> ResolveError:
        services = self.config.endpoints
        cure = "give the mock's network IPv4"
        other = endpoints.of(services, ipv6=True)[-1]
        if other.version == endpoints.IPV6:
            cure += f", or set MOCK_IPV6=1 to serve {shown(other)} instead"
        listed = " and ".join(map(str, endpoints.of(services, ipv6=False)))
        return ResolveError(
            f"{self.config.hostname} has only IPv6 addresses ({mock.address}) and a rule cannot lead {listed} to IPv6; "
            f"{cure}"
        )

    def check(self) -> None:
        """Say before the mock is waited for that this container may not do what has to be done.

        Only where it is certain: a way in that needs nothing must not be refused.

        Raises:
            PrivilegeError, KernelRefusedError: no mock could change that.
        """
        way = self.config.route
        wanted = endpoints.of(self.config.endpoints, ipv6=self.config.ipv6)
        if way == "route" and not any(map(self.kernel.leads_on_link, wanted)):
            self.kernel.check_may_lead()
        elif way == "nat" or (way == "auto" and not any(map(self.kernel.stays_near, wanted))):
            with self.kernel.lock():
                self.kernel.open_tables(self.config.backend)

    def _serve_all(self, wanted: Sequence[IPAddress], mocks: Sequence[Mock], deadline: Deadline) -> list[IPAddress]:
        """Make every endpoint lead to the mock; returns those that no address of the mock is of a kind for."""
        redirect = Redirect(self.kernel, self.config.backend, self.undo, self.say)
        while True:
            try:
                return [endpoint for endpoint in wanted if not self._serve(endpoint, mocks, deadline, redirect)]
            except WrongMockError as error:
                with self.kernel.lock():
                    redirect.change(error)

    def _serve(self, endpoint: IPAddress, mocks: Sequence[Mock], deadline: Deadline, redirect: Redirect) -> bool:
        """Make one endpoint lead to the mock; False if no address of the mock is of a kind that it could lead to."""
        same_family = next((mock for mock in mocks if mock.address.version == endpoint.version), None)
        mock = same_family or mocks[0]
        if not self._leads_without_a_rule(endpoint, mock, deadline):
            if same_family is None:
                return False
            with self.kernel.lock():
                redirect.ensure(nat.DnatRule(endpoint, endpoints.PORT, mock.address, mock.port))
                self._ensure_route(endpoint, mock.address, on_link=False)
        if mock.mock_id is None and endpoint not in endpoints.IMDS:
            self.say.warning(
                f"cannot verify that {shown(endpoint)} leads to {mock}: this IMDS does not identify itself"
            )
        else:
            answer = self._verified(endpoint, mock, time_for(deadline, is_last=not redirect.may_change))
            if answer.mock_id is None:
                self.say.warning(
                    f"{shown(endpoint)} is answered by an IMDS ({answer.said}) that does not identify itself"
                )
        self.say.info(f"{shown(endpoint)} -> {mock} ({self.config.hostname})")
        return True

    def _verified(self, endpoint: IPAddress, mock: Mock, limit: Deadline) -> Answer:
        """Prove one endpoint; a failure names the route or policy rule that refuses its packets, if one does."""
        try:
            return verify(self.network, endpoint, mock, limit, self.config.route)
        except WrongMockError as error:
            refusing = self.kernel.refused_by(endpoint)
            if refusing is None:
                raise
            raise WrongMockError(f"{error.what}, because {refusing} refuses packets to it", error.cure) from error

    def _leads_without_a_rule(self, endpoint: IPAddress, mock: Mock, deadline: Deadline) -> bool:
        if self.config.route == "none":
            return True
        if self.config.route == "route":
            with self.kernel.lock():
                self._ensure_route(endpoint, mock.address, on_link=True)
            return True
        # Asked only where the question cannot reach a cloud's real service.
        if self.config.route == "auto" and self.kernel.stays_near(endpoint):
            return reaches_already(self.network, endpoint, mock, deadline)
        return False

    def _ensure_route(self, endpoint: IPAddress, mock: IPAddress, *, on_link: bool) -> None:
        changed = self.kernel.ensure_route(endpoint, mock, self.undo, on_link=on_link)
        if changed:
            self.say.info(changed)
