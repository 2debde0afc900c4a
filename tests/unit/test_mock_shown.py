"""How the control plane's API shows times and targets."""

from __future__ import annotations

import pytest

from imds_mock.control.shown import moment, past
from imds_mock.scheduling.fields import FieldError

T0 = 1_769_860_800.0


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (T0, "2026-01-31T12:00:00.000Z"),
        (T0 + 0.25, "2026-01-31T12:00:00.250Z"),
        (T0 + 0.0079, "2026-01-31T12:00:00.007Z"),
        (T0 - 0.001, "2026-01-31T11:59:59.999Z"),
    ],
)
def test_a_time_has_whole_milliseconds_rounded_down(seconds: float, written: str) -> None:
    assert moment(seconds) == written


@pytest.mark.parametrize(("text", "seconds"), [("5m", T0 - 300), ("2026-01-31T11:00:00Z", T0 - 3600), (None, None)])
def test_a_past_time_is_an_instant_or_counts_back_from_now(text: str | None, seconds: float | None) -> None:
    assert past("since", text, T0) == seconds


def test_an_invalid_past_time_names_its_field() -> None:
    with pytest.raises(FieldError, match=r"^until: "):
        past("until", "soon", T0)
