"""Scenarios: a timeline of steps becomes events and faults at instants."""

from __future__ import annotations

import pytest
import yaml

from imds_mock.events.scenario import read_scenario
from imds_mock.scheduling.fields import FieldError

EXAMPLE = """
name: interruption
target: debug
steps:
  - {at: 10s, event: {kind: rebalance}}
  - {at: 60s, event: {kind: spot, for: 3m}}
  - {at: 90s, fault: {kind: status, path: "/latest/meta-data/iam/*", for: 5s, target: other}}
"""


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (
            [],
            "steps: expected a list of one or more steps, each with an `event` or a `fault` and optionally `at`, got ",
        ),
        (None, "got null"),
        ({}, "got an empty mapping"),
        (
            [{"event": {"kind": "spot"}, "fault": {"kind": "reset"}}],
            "expected either an `event` or a `fault`, got both",
        ),
        ([{"at": 1}], "got neither"),
    ],
)
def test_each_step_must_have_exactly_one_event_or_fault(steps: object, words: str) -> None:
    with pytest.raises(FieldError) as raised:
        read_scenario({"steps": steps})
    assert words in str(raised.value)


def test_steps_are_scheduled_from_the_start_of_the_scenario() -> None:
    events, faults = read_scenario(yaml.safe_load(EXAMPLE)).timeline(1000.0)
    assert [(each.window(0.0).start, each.window(0.0).end, each.target) for each in events] == [
        (1010.0, float("inf"), "debug"),
        (1060.0, 1240.0, "debug"),
    ]
    assert [(each.window(0.0).start, each.window(0.0).end, each.target) for each in faults] == [
        (1090.0, 1095.0, "other")
    ]


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ({"at": 1}, "steps[0]"),
        ({"event": {"kind": "spot"}, "fault": {"kind": "reset"}}, "steps[0]"),
        ({"at": "x", "event": {"kind": "spot"}}, "steps[0].at"),
        ({"event": {"kind": "spot", "in": 1}}, "steps[0].event"),
        ({"fault": {"kind": "reset", "at": 1}}, "steps[0].fault"),
        ({"event": {"kind": "spot", "for": "soon"}}, "steps[0].event.for"),
        ({"event": {"kind": "maintenance", "not_before": "x"}}, "steps[0].event.not_before"),
        ({"fault": {"kind": "reset", "for": "soon"}}, "steps[0].fault.for"),
        ({"fault": {"kind": "delay", "delay": "soon"}}, "steps[0].fault.delay"),
        ({"fault": {"kind": "reset", "path": ""}}, "steps[0].fault.path"),
    ],
)
def test_an_invalid_step_is_named(step: dict[str, object], field: str) -> None:
    with pytest.raises(FieldError) as raised:
        read_scenario({"steps": [step]}).timeline(0.0)
    assert raised.value.field == field


def test_every_invalid_step_is_named() -> None:
    fault: dict[str, object] = {"kind": "delay", "delay": "soon", "rate": 2}
    steps: list[dict[str, object]] = [{"event": {"kind": "gremlin"}}, {"at": 1}, {"fault": fault}]
    with pytest.raises(FieldError) as raised:
        read_scenario({"steps": steps})
    assert [each.field for each in raised.value.problems] == [
        "steps[0].event.kind",
        "steps[1]",
        "steps[2].fault.delay",
        "steps[2].fault.rate",
    ]
    del steps[0], fault["rate"]
    with pytest.raises(FieldError) as raised:
        read_scenario({"steps": steps})
    assert {each.field for each in raised.value.problems} == {"steps[0]", "steps[1].fault.delay"}
