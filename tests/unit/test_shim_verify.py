"""Verification that an endpoint reaches the mock: its time, and the reason that it gives."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from imds_shim.errors import WrongMockError
from imds_shim.network.search import Mock
from imds_shim.network.verify import verification_deadline, verify
from support.fakes import FakeClock, FakeNetwork


@pytest.mark.parametrize(
    ("remaining", "first", "last"),
    [(60, 2, 5), (5, 2, 5), (3, 1.5, 3), (1, 0.5, 1), (0.2, 0.4, 0.4), (0, 0.4, 0.4)],
)
def test_the_first_of_two_back_ends_uses_at_most_half_of_the_remaining_time(
    remaining: float, first: float, last: float
) -> None:
    """Otherwise a first back end without effect would leave the second one no time."""
    deadline = FakeClock().deadline(remaining)
    assert verification_deadline(deadline, is_last=False).seconds == pytest.approx(first)
    assert verification_deadline(deadline, is_last=True).seconds == pytest.approx(last)


def test_an_attempt_that_the_limit_cuts_off_does_not_hide_the_reason() -> None:
    network = FakeNetwork()
    reasons = iter(["refuses the connection", "accepts the connection, but does not answer"])
    network.servers["169.254.169.254:80"] = lambda: next(reasons)
    mock = Mock(IPv4Address("172.18.0.2"), 80, "one")
    with pytest.raises(WrongMockError, match=r"does not reach 172\.18\.0\.2:80: it refuses the connection"):
        verify(network, IPv4Address("169.254.169.254"), mock, network.clock.deadline(0.5), "auto")
    assert next(reasons, None) is None
