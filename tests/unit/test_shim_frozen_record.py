"""Frozen records behave like frozen dataclasses."""

from __future__ import annotations

import pytest

from imds_shim.frozen_record import FrozenRecord


class Point(FrozenRecord):
    x: int
    y: int = 0


class Named(Point):
    name: str = ""


class Vector(FrozenRecord):
    x: int
    y: int = 0


class Positive(FrozenRecord):
    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError("must be positive")


def test_fields_by_position_by_name_and_by_default() -> None:
    assert [(p.x, p.y) for p in (Point(1, 2), Point(1, y=2), Point(y=2, x=1), Point(1))] == [(1, 2)] * 3 + [(1, 0)]
    assert repr(Named(1, name="a")) == "Named(x=1, y=0, name='a')"


def test_values_with_equal_class_and_fields_are_equal() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert Named(1) != Point(1)
    assert Point(1) != (1, 0)
    assert Point(1) != Vector(1)
    assert len({Point(1), Point(1, 0), Point(2)}) == 2


@pytest.mark.parametrize(
    ("values", "named", "sentence"),
    [
        ((), {}, "Point needs x"),
        ((1, 2, 3), {}, "Point has the fields x, y"),
        ((1,), {"z": 3}, "Point has the fields x, y"),
        ((1,), {"x": 3}, "Point has the fields x, y"),
    ],
)
def test_wrong_fields_are_rejected(values: tuple[int, ...], named: dict[str, int], sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}$"):
        Point(*values, **named)


def test_invalid_values_are_rejected() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Positive(0)


def test_values_are_immutable() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="Point is frozen"):
        point.x = 2  # type: ignore[misc]  # that is what is tested
    assert point.x == 1
