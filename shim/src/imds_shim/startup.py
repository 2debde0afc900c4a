"""The order of the steps of a start, against Protocols; one log line a step.

First it is seen whether this container may do what has to be done, then the mock is found, then each IMDS endpoint is
made to lead to it, then proven to. Whatever is set is noted in an `ExitStack` at once, so that a failed start
takes it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim import rule as nat
from imds_shim.endpoints import IMDS_ADDRESSES, IMDS_PORT, IPV4, IPV6, shown
from imds_shim.errors import ResolveError
from imds_shim.proof import prove, reaches_already
from imds_shim.record import Record
from imds_shim.search import find

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Sequence

    from imds_shim.config import Backend, ShimConfig
    from imds_shim.deadline import Deadline
    from imds_shim.log import Log
    from imds_shim.rule import IPAddress, NatTable
    from imds_shim.search import Mock, Network


class Kernel(Protocol):
    """What a start asks of the kernel, in the network namespace it runs in."""

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """While it lasts, no other shim changes rules and routes of this network namespace."""

    def open_tables(self, backend: Backend) -> Sequence[NatTable]:
        """Open the NAT back ends that work here; raises PrivilegeError or KernelRefusedError."""

    def stays_near(self, destination: IPAddress) -> bool:
        """Whether the route to it is local or on-link, so that no packet passes a gateway."""

    def leads_on_link(self, destination: IPAddress) -> bool:
        """Whether it is local or on-link already, by whosever route."""

    def check_may_lead(self) -> None:
        """Raises PrivilegeError where no route can be set."""

    def lead(self, destination: IPAddress, mock: IPAddress, undo: contextlib.ExitStack, *, on_link: bool) -> str | None:
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
        self._refuse_what_no_mock_could_change()
        mocks = find(self.config, self.network, deadline, self.say)
        wanted = self._versions()
        unreachable = [version for version in wanted if not self._serve(version, mocks, deadline)]
        if len(unreachable) == len(wanted):
            raise ResolveError(
                f"{self.config.hostname} has only IPv6 addresses ({mocks[0].address}) and a rule cannot lead "
                f"{IMDS_ADDRESSES[IPV4]} to IPv6; give the mock's network IPv4, or set MOCK_IPV6=1 to serve "
                f"{shown(IMDS_ADDRESSES[IPV6])} instead"
            )
        for version in unreachable:
            self.say.warning(
                f"{IMDS_ADDRESSES[version]} is not redirected: {self.config.hostname} has no IPv{version} address"
            )
        return mocks

    def _refuse_what_no_mock_could_change(self) -> None:
        """Say at once, and not when the mock is there at last, that this container may not do what has to be done.

        Only where it is certain: a way in that needs nothing must not be refused.
        """
        endpoints = [IMDS_ADDRESSES[version] for version in self._versions()]
        if self.config.route == "route" and not any(map(self.kernel.leads_on_link, endpoints)):
            self.kernel.check_may_lead()
        elif self.config.route == "nat" or (
            self.config.route == "auto" and not any(map(self.kernel.stays_near, endpoints))
        ):
            with self.kernel.alone():
                self.kernel.open_tables(self.config.backend)

    def _versions(self) -> tuple[int, ...]:
        return (IPV4, IPV6) if self.config.ipv6 else (IPV4,)

    def _serve(self, version: int, mocks: Sequence[Mock], deadline: Deadline) -> bool:
        """Make one endpoint lead to the mock; False if no address of the mock is of a kind that it could lead to."""
        endpoint = IMDS_ADDRESSES[version]
        same_family = next((mock for mock in mocks if mock.address.version == version), None)
        mock = same_family or mocks[0]
        if not self._leads_without_a_rule(endpoint, mock, deadline):
            if same_family is None:
                return False
            self._ensure_rule(nat.DnatRule(endpoint, IMDS_PORT, mock.address, mock.port))
        answer = prove(self.network, endpoint, mock, deadline, self.config.route)
        if answer.mock_id is None:
            self.say.warning(
                f"{shown(endpoint)} is answered by an IMDS ({answer.said}) that does not say which one it is"
            )
        self.say.info(f"{shown(endpoint)} -> {mock} ({self.config.hostname})")
        return True

    def _leads_without_a_rule(self, endpoint: IPAddress, mock: Mock, deadline: Deadline) -> bool:
        if self.config.route == "none":
            return True
        if self.config.route == "route":
            with self.kernel.alone():
                self._lead(endpoint, mock.address, on_link=True)
            return True
        # Asked only where the question cannot reach a cloud's real service.
        if self.config.route == "auto" and self.kernel.stays_near(endpoint):
            return reaches_already(self.network, endpoint, mock, deadline)
        return False

    def _ensure_rule(self, rule: nat.DnatRule) -> None:
        with self.kernel.alone():
            tables = self.kernel.open_tables(self.config.backend)
            self.undo.callback(nat.restore, nat.record(tables))
            outcome = nat.ensure(tables, rule)
            self.say.debug(f"rule {outcome.value} in the {tables[0].name} nat table: {rule}")
            self._lead(rule.destination, rule.to_address, on_link=False)

    def _lead(self, endpoint: IPAddress, mock: IPAddress, *, on_link: bool) -> None:
        changed = self.kernel.lead(endpoint, mock, self.undo, on_link=on_link)
        if changed:
            self.say.info(changed)
