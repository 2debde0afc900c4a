"""Verifies that an IMDS endpoint reaches the mock, because another server may answer there.

On a cloud host the real service answers, on a development machine possibly a proxy (Docker Desktop's answers 403).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim.endpoints import PORT, format_address
from imds_shim.errors import WrongMockError
from imds_shim.network.probe_result import NoAnswerError

if TYPE_CHECKING:
    from imds_shim.config import RouteMode
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.network.probe_result import ProbeResult
    from imds_shim.network.search import Mock, Network

_LONGEST_SECONDS, _FIRST_BACKEND_SECONDS, _SHORTEST_SECONDS = 5.0, 2.0, 0.4
_TRY_SECONDS, _PAUSE_SECONDS = 2.0, 0.1


def reaches_mock(network: Network, endpoint: IPAddress, mock: Mock, deadline: Deadline) -> bool:
    """Whether the endpoint already reaches this mock."""
    if mock.mock_id is None:
        return False
    try:
        result = network.probe(endpoint, PORT, deadline.within(_TRY_SECONDS))
    except NoAnswerError:
        return False
    return result.mock_id == mock.mock_id


def verification_deadline(deadline: Deadline, *, is_last: bool) -> Deadline:
    """Return the deadline by which an endpoint must reach the mock; earlier while there is another back end to try."""
    if is_last:
        return deadline.within(_LONGEST_SECONDS, at_least=_SHORTEST_SECONDS)
    return deadline.within(min(_FIRST_BACKEND_SECONDS, deadline.remaining() / 2), at_least=_SHORTEST_SECONDS)


def verify(network: Network, endpoint: IPAddress, mock: Mock, limit: Deadline, route: RouteMode) -> ProbeResult:
    """Probe the endpoint until it answers, check that it is the mock, and return the result.

    Raises:
        WrongMockError: another server answers, or none.
    """
    where = format_address(endpoint)
    reason: NoAnswerError | None = None
    while True:
        try:
            result = network.probe(endpoint, PORT, limit.within(_TRY_SECONDS))
            break
        except NoAnswerError as error:
            # The limit may cut off the last attempt, which then proves less than the one before.
            if reason is None or limit.remaining() > 0:
                reason = error
            if limit.remaining() <= _PAUSE_SECONDS:
                raise WrongMockError(f"{where} does not reach {mock}: it {reason}", _advice(route)) from reason
        network.sleep(_PAUSE_SECONDS)
    # A mock that was restarted in between has a new id; its own address then shows the same one.
    is_mock = result.mock_id == mock.mock_id or result.mock_id == _current_id(network, mock, limit)
    if not (is_mock and result.is_imds):
        raise WrongMockError(f"{where} does not reach {mock}, but another server: {result.description}", _advice(route))
    return result


def _advice(route: RouteMode) -> str:
    from imds_shim.surroundings import here

    if route == "none":
        return f"MOCK_ROUTE=none changes nothing, so the network must already lead to the mock{here().blocked}"
    if route == "route":
        held = f"a mock that holds this address itself{here().held_address}"
        return f"MOCK_ROUTE=route needs {held}{here().blocked}"
    return (
        "another program in this container or on the host handles connections to this address: see imds-shim --doctor"
    )


def _current_id(network: Network, mock: Mock, limit: Deadline) -> str | None:
    try:
        return network.probe(mock.address, mock.port, limit.within(_TRY_SECONDS)).mock_id
    except NoAnswerError:
        return mock.mock_id
