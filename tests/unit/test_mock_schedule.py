"""Durations, instants and windows, as people write them."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.metadata.documents import iso8601
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import DURATION_PATTERN, INSTANT_PATTERN, Scheduled, read_duration, read_instant
from imds_mock.scheduling.window import Window

MOMENTS = st.integers(min_value=0, max_value=253402300799)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("2m", 120),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1d", 86400),
        ("1.5s", 1.5),
        ("3650d", 3650 * 86400),
        ("7", 7),
        (0, 0),
        (2.5, 2.5),
    ],
)
def test_a_duration_is_a_number_with_units_or_seconds(text: str | float, seconds: float) -> None:
    assert read_duration("for", text) == seconds


@pytest.mark.parametrize("value", ["", "-3s", "soon", "3 s", "s", "1h-2m", -1, math.nan, math.inf, "inf", "3650d1ms"])
def test_an_invalid_duration_names_its_field(value: str | float) -> None:
    with pytest.raises(FieldError, match=r"^for: expected a duration such as 30s, 2m, 1h30m or 250ms, got ") as raised:
        read_duration("for", value)
    assert raised.value.field == "for"


@given(MOMENTS)
def test_a_written_time_is_read_back(moment: int) -> None:
    assert read_instant("at", iso8601(moment)) == moment


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2026-01-31T14:00:00+02:00", "2026-01-31 12:00:00Z"]
)
def test_an_instant_counts_in_utc_whatever_the_local_time_zone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        assert iso8601(read_instant("at", text)) == "2026-01-31T12:00:00Z"
    time.tzset()


@pytest.mark.parametrize(
    "value", ["", "tomorrow", "2026-13-01T00:00:00Z", -1, 253402300800, "0001-01-01T00:00:00+14:00"]
)
def test_an_invalid_instant_names_its_field(value: str | float) -> None:
    with pytest.raises(FieldError, match=r"^at: expected a time such as 2026-01-31T12:00:00Z, got "):
        read_instant("at", value)


def test_without_fields_the_window_starts_now_and_has_no_end() -> None:
    assert Scheduled().window(100.0) == Window(100.0, math.inf)


def test_in_at_and_for_place_the_window() -> None:
    assert Scheduled(in_="30s", for_="2m").window(100.0) == Window(130.0, 250.0)
    assert Scheduled(at=500, for_=1).window(100.0) == Window(500.0, 501.0)


def test_in_and_at_together_are_rejected() -> None:
    with pytest.raises(FieldError, match="either `in` or `at`"):
        Scheduled(in_=1, at=1).window(0.0)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_window_contains_its_start_but_not_its_end(start: float, length: float, now: float) -> None:
    window = Window(start, start + length)
    assert (now in window) == (start <= now < start + length)
    assert window.end not in window


@given(st.from_regex(DURATION_PATTERN, fullmatch=True).filter(lambda text: not text.endswith("\n")))
def test_every_duration_that_the_openapi_document_allows_is_accepted(text: str) -> None:
    assert read_duration("for", text) >= 0


@given(st.from_regex(INSTANT_PATTERN, fullmatch=True).filter(lambda text: not text.endswith("\n")))
def test_every_instant_that_the_openapi_document_allows_is_accepted(text: str) -> None:
    assert read_instant("at", text) >= 0
