"""Finding the mock: which of its addresses answers as an IMDS, tried until one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim import endpoints
from imds_shim.endpoints import IPV4, IPV6, shown
from imds_shim.errors import ConfigError, MockUnreachableError, ResolveError
from imds_shim.network.answer import NoAnswerError
from imds_shim.network.wait import Target, until_found
from imds_shim.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from imds_shim.config import ShimConfig
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.log import Log
    from imds_shim.network.answer import Answer
else:
    Protocol = object  # making a real one costs every start 0.1 ms

_FIRST_PATIENCE_SECONDS, _LONGEST_PATIENCE_SECONDS = 2.0, 10.0


class Mock(Record):
    """Where the mock was found, and its id if it is an imds-mock."""

    address: IPAddress
    port: int
    mock_id: str | None

    def __str__(self) -> str:
        return shown(self.address, self.port)


class Network(Protocol):
    """What a start asks of the network."""

    def resolve(self, host: str, deadline: Deadline, *, ipv6: bool) -> Sequence[IPAddress]:
        """Look a host up once; raises ResolveError."""

    def who_answers(self, address: IPAddress, port: int, deadline: Deadline) -> Answer:
        """Ask once; raises NoAnswerError."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


def find(config: ShimConfig, network: Network, deadline: Deadline, say: Log) -> list[Mock]:
    """Wait until the mock answers; returns where, at most once for each address family, IPv4 first.

    Raises:
        ResolveError: no usable address until the deadline.
        MockUnreachableError: no IMDS there until the deadline.
        ConfigError: the name leads to the address that is to be redirected, or the port is the mock's control port.
    """
    search = _Search(config, network, deadline)
    return until_found(search.attempt, Target(config.hostname, config.port), deadline, say, network.sleep)


class _Search:
    """Tries to find the mock; each try has more patience with a slow answer than the one before."""

    def __init__(self, config: ShimConfig, network: Network, deadline: Deadline) -> None:
        self._config, self._network, self._deadline = config, network, deadline
        self._patience = _FIRST_PATIENCE_SECONDS

    def attempt(self) -> list[Mock]:
        config = self._config
        addresses = self._network.resolve(config.hostname, self._deadline, ipv6=config.ipv6)
        if config.route != "none":
            _refuse_the_endpoint_itself(config, addresses)
        families = [[one for one in addresses if one.version == version] for version in (IPV4, IPV6)]
        if not config.ipv6:
            # IPv6 is of use to 169.254.169.254 only where nothing has to be translated.
            families = [families[0] or families[1]]
        elif not families[1] and config.route in ("auto", "nat"):
            names = ", ".join(map(str, addresses))
            raise ResolveError(f"MOCK_IPV6=1 needs an IPv6 address and {config.hostname} has only {names}")
        return [self._first_that_answers(family) for family in families if family]

    def _first_that_answers(self, addresses: Sequence[IPAddress]) -> Mock:
        reasons: list[str] = []
        controls: list[str] = []
        for position, address in enumerate(addresses):
            fair_share = self._deadline.remaining() / (len(addresses) - position)
            limit = self._deadline.within(min(self._patience, fair_share))
            where = shown(address, self._config.port)
            try:
                answer = self._network.who_answers(address, self._config.port, limit)
            except NoAnswerError as error:
                reasons.append(f"{where} {error}")
                continue
            if answer.is_imds:
                return Mock(address, self._config.port, answer.mock_id)
            if answer.kind == "control":
                controls.append(where)
            reasons.append(f"{where} is not an IMDS: it answers {answer.said}")
        if controls and len(controls) == len(addresses):
            raise ConfigError(
                f"MOCK_PORT is {self._config.port}: that is the mock's control port ({controls[0]} answers "
                f"{answer.said}); set MOCK_PORT to the port of its metadata service, 80 unless the mock uses another"
            )
        self._patience = min(self._patience + 1, _LONGEST_PATIENCE_SECONDS)
        raise MockUnreachableError(", ".join(reasons))


def _refuse_the_endpoint_itself(config: ShimConfig, addresses: Iterable[IPAddress]) -> None:
    for address in addresses:
        if address in endpoints.of(config.endpoints, ipv6=True):
            raise ConfigError(
                f"MOCK_HOSTNAME is {config.hostname}, which is {address}, the address being redirected; name another "
                "address of the mock, or set MOCK_ROUTE=none if nothing has to be redirected"
            )
