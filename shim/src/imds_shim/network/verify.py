"""Proof that an IMDS endpoint leads to the mock that was found: something that answers there is not enough.

On a cloud host the real service answers, on a development machine a proxy may (Docker Desktop's says 403).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_shim.endpoints import PORT, shown
from imds_shim.errors import WrongMockError
from imds_shim.network.answer import NoAnswerError

if TYPE_CHECKING:
    from imds_shim.config import RouteMode
    from imds_shim.deadline import Deadline
    from imds_shim.endpoints import IPAddress
    from imds_shim.network.answer import Answer
    from imds_shim.network.search import Mock, Network

_PROOF_SECONDS, _FIRST_PROOF_SECONDS, _SHORTEST_PROOF_SECONDS = 5.0, 2.0, 0.4
_TRY_SECONDS, _PAUSE_SECONDS = 2.0, 0.1
_CURES = {
    "none": "MOCK_ROUTE=none leaves the network as it is, so something else has to lead there",
    "route": "MOCK_ROUTE=route needs a mock that holds this address itself (link_local_ips)",
}
_CURE = "something else in this container or on the host handles connections to this address: see imds-shim --doctor"


def reaches_already(network: Network, endpoint: IPAddress, mock: Mock, deadline: Deadline) -> bool:
    """Whether this very mock answers at the endpoint."""
    if mock.mock_id is None:
        return False
    try:
        answer = network.who_answers(endpoint, PORT, deadline.within(_TRY_SECONDS))
    except NoAnswerError:
        return False
    return answer.mock_id == mock.mock_id


def time_for(deadline: Deadline, *, is_last: bool) -> Deadline:
    """Return the time an endpoint has to lead to the mock; less while another back end is left to be tried."""
    if is_last:
        return deadline.within(_PROOF_SECONDS, at_least=_SHORTEST_PROOF_SECONDS)
    return deadline.within(min(_FIRST_PROOF_SECONDS, deadline.remaining() / 2), at_least=_SHORTEST_PROOF_SECONDS)


def verify(network: Network, endpoint: IPAddress, mock: Mock, limit: Deadline, route: RouteMode) -> Answer:
    """Ask the endpoint itself, insist that it is the mock which was found before, return its answer.

    Raises:
        WrongMockError: it is not, or nothing answers.
    """
    cure = _CURES.get(route, _CURE)
    where = shown(endpoint)
    while True:
        try:
            answer = network.who_answers(endpoint, PORT, limit.within(_TRY_SECONDS))
            break
        except NoAnswerError as error:
            if limit.remaining() <= _PAUSE_SECONDS:
                raise WrongMockError(f"{where} {error}, so it does not lead to {mock}", cure) from error
        network.sleep(_PAUSE_SECONDS)
    # A mock that was restarted in between has a new id; then the direct way shows the same one.
    if answer.mock_id != mock.mock_id and answer.mock_id != _id_now(network, mock, limit):
        raise WrongMockError(f"{where} is answered by {answer.said} and not by the mock at {mock}", cure)
    if not answer.is_imds:
        raise WrongMockError(f"{where} is not the mock at {mock}: it answers {answer.said}", cure)
    return answer


def _id_now(network: Network, mock: Mock, limit: Deadline) -> str | None:
    try:
        return network.who_answers(mock.address, mock.port, limit.within(_TRY_SECONDS)).mock_id
    except NoAnswerError:
        return mock.mock_id
