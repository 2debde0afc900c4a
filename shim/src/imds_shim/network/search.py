"""Finds the mock: probes its addresses until one answers as an IMDS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from imds_shim import endpoints
from imds_shim.endpoints import IPV4, IPV6, format_address
from imds_shim.errors import ConfigError, MockUnreachableError, ResolveError
from imds_shim.frozen_record import FrozenRecord
from imds_shim.network.probe_result import NoAnswerError
from imds_shim.network.wait import Target, retry_until_found

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imds_shim.config import ShimConfig
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.log import Log
    from imds_shim.network.probe_result import ProbeResult

_FIRST_TIMEOUT_SECONDS, _LONGEST_TIMEOUT_SECONDS = 2.0, 10.0


class Mock(FrozenRecord):
    """The address at which the mock answers, its id if it is an imds-mock, and whether it knows announcements.

    `seen_as` is the address that the mock sees, if it is not this container's.
    """

    address: IPAddress
    port: int
    mock_id: str | None
    accepts: bool = False
    seen_as: str = ""

    def __str__(self) -> str:
        return format_address(self.address, self.port)


class Network(Protocol):
    """The network operations of a start."""

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> Sequence[IPAddress]:
        """Resolve a host once; raises ResolveError."""

    def probe(self, address: IPAddress, port: int, deadline: Deadline) -> ProbeResult:
        """Probe a server once; raises NoAnswerError."""

    def announce(self, address: IPAddress, port: int, deadline: Deadline) -> ProbeResult:
        """Probe a server once and announce this container to it; raises NoAnswerError."""

    def sleep(self, seconds: float) -> None:
        """Sleep."""


def find_mock(config: ShimConfig, network: Network, deadline: Deadline, log: Log) -> list[Mock]:
    """Wait until the mock answers; returns its address, at most one per IP version, IPv4 first.

    Raises:
        ResolveError: there was no usable address before the deadline.
        MockUnreachableError: no IMDS answered before the deadline.
        ConfigError: the name resolves to the address being redirected, the port is the mock's control port, or the mock
            refuses what this container announces.
    """
    search = _Search(config, network, deadline)
    return retry_until_found(search.attempt, Target(config.hostname, config.port), deadline, log, network.sleep)


class _Search:
    """Attempts to find the mock; each attempt has a longer timeout than the one before."""

    def __init__(self, config: ShimConfig, network: Network, deadline: Deadline) -> None:
        self._config, self._network, self._deadline = config, network, deadline
        self._timeout_seconds = _FIRST_TIMEOUT_SECONDS

    def attempt(self) -> list[Mock]:
        config = self._config
        addresses = self._network.resolve(config.hostname, self._deadline, ipv6=config.ipv6)
        if config.route != "none":
            _reject_redirected_addresses(config, addresses)
        families = [[one for one in addresses if one.version == version] for version in (IPV4, IPV6)]
        if not config.ipv6:
            # NAT cannot redirect 169.254.169.254 to IPv6, so IPv6 helps only where no rule is needed.
            families = [families[0] or families[1]]
        elif not families[1] and config.route in ("auto", "nat"):
            names = ", ".join(map(str, addresses))
            raise ResolveError(f"MOCK_IPV6=1 needs an IPv6 address of the mock, but {config.hostname} has only {names}")
        return [self._first_imds(family) for family in families if family]

    def _first_imds(self, addresses: Sequence[IPAddress]) -> Mock:
        reasons: list[str] = []
        controls: list[str] = []
        for position, address in enumerate(addresses):
            fair_share = self._deadline.remaining() / (len(addresses) - position)
            limit = self._deadline.within(min(self._timeout_seconds, fair_share))
            where = format_address(address, self._config.port)
            try:
                result = self._network.announce(address, self._config.port, limit)
            except NoAnswerError as error:
                reasons.append(f"{where} {error}")
                continue
            if result.is_imds:
                require_accepted(self._config, result, where)
                return Mock(address, self._config.port, result.mock_id, result.accepts, result.seen_as)
            if result.kind == "control":
                controls.append(where)
            reasons.append(f"{where} is not an IMDS: it answers {result.description}")
        if len(controls) == len(addresses):
            raise ConfigError(
                f"MOCK_PORT={self._config.port} is the mock's control port ({controls[0]} answers "
                f"{result.description}); set MOCK_PORT to the port of its metadata service, by default 80"
            )
        self._timeout_seconds = min(self._timeout_seconds + 1, _LONGEST_TIMEOUT_SECONDS)
        raise MockUnreachableError(", ".join(reasons))


def require_accepted(config: ShimConfig, result: ProbeResult, where: str) -> None:
    """Check that the mock has accepted what this container announces.

    Raises:
        ConfigError: it has refused, or does not know announcements.
    """
    if result.refusal and config.announces:
        raise ConfigError(result.refusal)
    if config.instance is not None and not result.accepts:
        raise ConfigError(
            f"MOCK_INSTANCE needs an imds-mock that knows announcements, and {where} is answered by "
            f"{result.description}; update the mock, or remove MOCK_INSTANCE"
        )


def _reject_redirected_addresses(config: ShimConfig, addresses: Iterable[IPAddress]) -> None:
    for address in addresses:
        if address in endpoints.addresses_of(config.endpoints, ipv6=True):
            raise ConfigError(
                f"MOCK_HOSTNAME={config.hostname} resolves to {address}, the address being redirected; use another "
                "address of the mock, or set MOCK_ROUTE=none if the mock already answers there"
            )
