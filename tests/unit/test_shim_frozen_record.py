"""Values with named fields behave as frozen dataclasses do."""

from __future__ import annotations

import pytest

from imds_shim.frozen_record import FrozenRecord


class Point(FrozenRecord):
    x: int
    y: int = 0


class Named(Point):
    name: str = ""


class Positive(FrozenRecord):
    number: int

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError("must be positive")


def test_fields_come_in_order_by_name_or_from_their_defaults() -> None:
    assert [(p.x, p.y) for p in (Point(1, 2), Point(1, y=2), Point(y=2, x=1), Point(1))] == [(1, 2)] * 3 + [(1, 0)]
    assert repr(Named(1, name="a")) == "Named(x=1, y=0, name='a')"


def test_equal_fields_make_equal_values_of_one_class() -> None:
    assert Point(1) == Point(1, 0)
    assert Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert Named(1) != Point(1)
    assert Point(1) != (1, 0)
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
def test_wrong_fields_are_refused(values: tuple[int, ...], named: dict[str, int], sentence: str) -> None:
    with pytest.raises(TypeError, match=f"^{sentence}$"):
        Point(*values, **named)


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Positive(0)


def test_a_value_stays_as_it_is() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="Point is frozen"):
        point.x = 2  # type: ignore[misc]  # that is what is tested
    assert point.x == 1
