"""Plain values read as events and faults, with every invalid field reported."""

from __future__ import annotations

import pytest

from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.kinds import AnyFault, StatusFault
from imds_mock.scheduling.checking import completed, read
from imds_mock.scheduling.fields import FieldError, WrongField, collecting, raise_if_any


def test_a_number_without_fraction_is_a_whole_number_as_in_json_schema() -> None:
    fault = read(AnyFault, {"kind": "status", "status": 500.0, "count": 2.0})
    assert fault == StatusFault(status=500, count=2)
    with pytest.raises(FieldError, match=r"^status: expected a whole number from 400 to 599, got 500\.5$"):
        read(AnyFault, {"kind": "status", "status": 500.5})


def test_text_is_a_number_only_if_the_values_are_read_leniently() -> None:
    values = {"kind": "status", "status": "500"}
    assert read(AnyFault, values, is_strict=False) == StatusFault(status=500)
    with pytest.raises(FieldError, match=r"^status: expected a whole number"):
        read(AnyFault, values)


def test_every_invalid_field_is_reported_once() -> None:
    values = {"kind": "spot", "in": "soon", "action": "explode", "x": 1}
    with pytest.raises(FieldError) as raised:
        read(AnyEvent, values)
    fields = ["in", "action", "x"]
    assert [each.field for each in raised.value.problems] == fields
    found = FieldError("in", "as found", [WrongField("target", "unknown")])
    assert [each.field for each in completed(found, AnyEvent, values).problems] == [*fields, "target"]


def refuse(error: FieldError) -> None:
    raise error


def test_collected_fields_are_named_from_their_parent_on() -> None:
    problems: list[WrongField] = []
    with collecting(problems):
        refuse(FieldError("at", "a"))
    with collecting(problems, "steps[1]"):
        refuse(FieldError("event", "b", [WrongField("", "c")]))
    with pytest.raises(FieldError, match=r"^3 problems:\n  at: a\n  steps\[1\]\.event: b\n  steps\[1\]: c$"):
        raise_if_any(problems)
    raise_if_any([])
