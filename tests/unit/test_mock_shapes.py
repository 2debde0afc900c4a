"""The patterns of settings: they match exactly what can be read."""

from __future__ import annotations

import re
from datetime import datetime

import msgspec
import pytest

from imds_mock.config import shapes


def exists(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("year", [1000, 1900, 2000, 2023, 2024, 2100, 9999])
def test_the_pattern_of_times_matches_the_days_that_exist(year: int) -> None:
    # The OpenAPI document contains the pattern, so a client may send whatever it matches.
    times = [f"{year}-{month:02}-{day:02}T12:00:00Z" for month in range(14) for day in range(33)]
    pattern = msgspec.json.schema(shapes.Moment)["pattern"]
    assert [text for text in times if re.search(pattern, text)] == [text for text in times if exists(text)]
