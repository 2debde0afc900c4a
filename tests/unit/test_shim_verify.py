"""The time that an endpoint has to reach the mock."""

from __future__ import annotations

import pytest

from imds_shim.network.verify import verification_deadline
from support.fakes import FakeClock


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
