"""The steps of a start, in order, written against Protocols.

The shim first checks that it may make the changes, then finds the mock, then sets up and verifies each endpoint. Every
change is registered in an `ExitStack` before it is made, so that a failed start undoes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim.endpoints import IMDS, IPV6, PORT, addresses_of, format_address
from imds_shim.errors import ResolveError, WrongMockError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.nat.redirect import NatTables, Redirect
from imds_shim.nat.rule import DnatRule
from imds_shim.network.probe_result import NoAnswerError
from imds_shim.network.search import find_mock, require_accepted
from imds_shim.network.verify import reaches_mock, verification_deadline, verify

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.log import Log
    from imds_shim.network.probe_result import ProbeResult
    from imds_shim.network.search import Mock, Network


class Kernel(NatTables, Protocol):
    """The kernel operations of a start, in the network namespace that the shim runs in."""

    def is_on_link(self, destination: IPAddress, *, ignore_own_route: bool = False) -> bool:
        """Whether packets to `destination` leave without a gateway; optionally, not because of the shim's own route."""

    def refused_by(self, destination: IPAddress) -> str | None:
        """Return the route or policy rule that refuses packets to `destination`, if one does."""

    def route_of_user(self, destination: IPAddress, uid: int) -> str | None:
        """Describe the route of a user's packets to `destination` if it is not that of this process's packets."""

    def check_route_permission(self) -> None:
        """Raise PrivilegeError if the shim may not set routes."""

    def ensure_route(
        self, destination: IPAddress, mock: IPAddress, undo: contextlib.ExitStack, *, on_link: bool
    ) -> str | None:
        """Make packets to `destination` leave by the interface to the mock; returns a description of the change.

        With `on_link` the mock itself must hold `destination`, so a route by a gateway is replaced.
        """


class Start(FrozenRecord):
    """One start: its configuration, what it works on, the stack that undoes it, and the uid that the command gets."""

    config: ShimConfig
    network: Network
    kernel: Kernel
    undo: contextlib.ExitStack
    log: Log
    uid: int | None = None

    def run(self, deadline: Deadline) -> list[Mock]:
        """Make the endpoints reach the mock; returns the mock's addresses.

        Raises:
            ConfigError, ResolveError, MockUnreachableError, WrongMockError, KernelRefusedError, PrivilegeError: a step
                failed; `undo` reverts the steps before it.
        """
        wanted = addresses_of(self.config.endpoints, ipv6=self.config.ipv6)
        self.check_permissions()
        mocks = find_mock(self.config, self.network, deadline, self.log)
        if self.config.announces and not all(mock.accepts for mock in mocks):
            self.log.warning("MOCK_INSTANCE_NAME has no effect, because the mock does not know announcements")
        for mock in mocks:
            if self.config.announces and mock.seen_as:
                from imds_shim.surroundings import here

                self.log.warning(
                    f"the mock sees this container as {mock.seen_as}, which is not its own address, because "
                    f"{here().translator} is in between; all containers behind that address are one instance, and what "
                    "one of them announces holds for all"
                )
        unreachable = self._set_up_endpoints(wanted, mocks, deadline)
        if len(unreachable) == len(wanted):
            raise self._only_ipv6_error(mocks[0])
        for endpoint in unreachable:
            self.log.warning(
                f"{endpoint} is not redirected, because {self.config.hostname} has no IPv{endpoint.version} address"
            )
        return mocks

    def _only_ipv6_error(self, mock: Mock) -> ResolveError:
        from imds_shim.surroundings import here

        services = self.config.endpoints
        advice = here().give_ipv4
        other = addresses_of(services, ipv6=True)[-1]
        if other.version == IPV6:
            advice += f", or set MOCK_IPV6=1 to redirect {format_address(other)} instead"
        listed = " and ".join(map(str, addresses_of(services, ipv6=False)))
        return ResolveError(
            f"{self.config.hostname} has only IPv6 addresses ({mock.address}), and NAT cannot redirect {listed} to "
            f"IPv6; {advice}"
        )

    def check_permissions(self) -> None:
        """Fail before the wait for the mock if the shim is certain to need a rule or route that it may not set.

        Raises:
            PrivilegeError, KernelRefusedError: the rule or route cannot be set.
        """
        mode = self.config.route
        wanted = addresses_of(self.config.endpoints, ipv6=self.config.ipv6)
        if mode == "route" and not any(map(self.kernel.is_on_link, wanted)):
            self.kernel.check_route_permission()
        elif mode == "nat" or (mode == "auto" and not any(map(self._may_reach_mock_already, wanted))):
            with self.kernel.lock():
                self.kernel.open_tables(self.config.backend)

    def _may_reach_mock_already(self, endpoint: IPAddress) -> bool:
        return self.kernel.is_on_link(endpoint, ignore_own_route=True)

    def _set_up_endpoints(
        self, wanted: Sequence[IPAddress], mocks: Sequence[Mock], deadline: Deadline
    ) -> list[IPAddress]:
        """Make every endpoint reach the mock; returns those for which the mock has no address of the IP version."""
        redirect = Redirect(self.kernel, self.config.backend, self.undo, self.log)
        while True:
            try:
                return [one for one in wanted if not self._set_up_endpoint(one, mocks, deadline, redirect)]
            except WrongMockError as error:
                with self.kernel.lock():
                    redirect.switch_backend(error)

    def _set_up_endpoint(
        self, endpoint: IPAddress, mocks: Sequence[Mock], deadline: Deadline, redirect: Redirect
    ) -> bool:
        """Make one endpoint reach the mock; False if the mock has no address of the IP version."""
        same_version = next((mock for mock in mocks if mock.address.version == endpoint.version), None)
        mock = same_version or mocks[0]
        needs_rule = not self._works_without_rule(endpoint, mock, deadline)
        if needs_rule:
            if same_version is None:
                return False
            with self.kernel.lock():
                redirect.ensure(DnatRule(endpoint, PORT, mock.address, mock.port))
                self._ensure_route(endpoint, mock.address, on_link=False)
        if mock.mock_id is None and endpoint not in IMDS:
            self.log.warning(
                f"cannot verify that {format_address(endpoint)} reaches {mock}: this IMDS does not identify itself"
            )
        else:
            result = self._verify(endpoint, mock, verification_deadline(deadline, is_last=not redirect.can_switch))
            if result.mock_id is None:
                self.log.warning(
                    f"cannot verify that {format_address(endpoint)} reaches {mock}: an IMDS answers there "
                    f"({result.description}), but it does not identify itself"
                )
        if not needs_rule and self.config.announces and mock.accepts:
            # Without a rule, the application's packets may have another source address than those to the mock's name.
            self._announce(endpoint, deadline)
        # Verification runs as the shim's user, but a policy rule may match only the command's.
        route = None if self.uid is None else self.kernel.route_of_user(endpoint, self.uid)
        if route:
            self.log.warning(
                f"user {self.uid} may not reach the mock at {endpoint}, because a policy rule gives this user another "
                f"route than the one that was verified: {route}"
            )
        self.log.info(f"{format_address(endpoint)} -> {mock} ({self.config.hostname})")
        return True

    def _announce(self, endpoint: IPAddress, deadline: Deadline) -> None:
        try:
            result = self.network.announce(endpoint, PORT, deadline)
        except NoAnswerError as error:
            self.log.warning(f"cannot announce this container through {format_address(endpoint)}: it {error}")
        else:
            require_accepted(self.config, result, format_address(endpoint))

    def _verify(self, endpoint: IPAddress, mock: Mock, limit: Deadline) -> ProbeResult:
        """Verify one endpoint; the error names the route or policy rule that refuses its packets, if one does."""
        try:
            return verify(self.network, endpoint, mock, limit, self.config.route)
        except WrongMockError as error:
            refusing = self.kernel.refused_by(endpoint)
            if refusing is None:
                raise
            raise WrongMockError(f"{error.problem}, because {refusing} refuses packets to it", error.advice) from error

    def _works_without_rule(self, endpoint: IPAddress, mock: Mock, deadline: Deadline) -> bool:
        if self.config.route == "none":
            return True
        if self.config.route == "route":
            with self.kernel.lock():
                self._ensure_route(endpoint, mock.address, on_link=True)
            return True
        # Probed only if the packet stays on the link, so that it cannot reach a cloud's real service.
        if self.config.route == "auto" and self._may_reach_mock_already(endpoint):
            return reaches_mock(self.network, endpoint, mock, deadline)
        return False

    def _ensure_route(self, endpoint: IPAddress, mock: IPAddress, *, on_link: bool) -> None:
        change = self.kernel.ensure_route(endpoint, mock, self.undo, on_link=on_link)
        if change:
            self.log.info(change)
