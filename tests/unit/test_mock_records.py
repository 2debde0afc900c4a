"""Records are immutable values; parts can be replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from imds_mock.records import Parts, Record

if TYPE_CHECKING:
    Unknown = int


class Point(Record, frozen=True):
    x: int
    y: Unknown = 0


class Corner(Parts, eq=False):
    point: Point


def test_records_with_the_same_fields_are_equal() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert len({Point(1), Point(1), Point(1, 5)}) == 2


def test_a_record_cannot_change() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]


def test_parts_can_be_replaced_and_are_equal_to_themselves_only() -> None:
    corner = Corner(Point(1))
    corner.point = Point(2)
    assert corner.point.x == 2
    assert corner == corner  # noqa: PLR0124 - the point of the test
    assert corner != Corner(Point(2))
