"""A scenario: a timeline of events and faults in a file.

    name: interruption
    steps:
      - {at: 10s, event: {kind: rebalance}}
      - {at: 60s, event: {kind: spot, for: 3m, target: debug}}
      - {at: 90s, fault: {kind: status, path: "/latest/meta-data/iam/*", for: 5s}}

All steps are scheduled at once, so a scenario needs no timer and its times are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from imds_mock.config.errors import ConfigError, Problem
from imds_mock.config.plain_documents import read_yaml
from imds_mock.events.armed import ArmedEvents
from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.armed import arm
from imds_mock.faults.kinds import AnyFault
from imds_mock.scheduling.checking import completed, read
from imds_mock.scheduling.fields import FieldError, WrongField, collecting, raise_if_any
from imds_mock.scheduling.schedule import Duration, Target, read_duration
from imds_mock.violations.marks import EXPECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEPS: Final = "a list of one or more steps, each with an `event` or a `fault` and optionally `at`"
_ONE: Final = "expected either an `event` or a `fault`"
_OWN_TIME: Final = "remove `in` and `at` here; the step's own `at` sets the time"


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One step of a scenario; it has exactly one of `event` and `fault`."""

    at: Annotated[Duration, msgspec.Meta(description="Time from the start of the scenario.")] = 0
    event: Annotated[AnyEvent | None, msgspec.Meta(description="An event, without `in` and `at`.")] = None
    fault: Annotated[AnyFault | None, msgspec.Meta(description="A fault, without `in` and `at`.")] = None

    @classmethod
    def mistakes_in(cls, value: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
        """See `violations.marks.MISTAKES`."""
        given = [name for name in ("event", "fault") if value.get(name) is not None]
        if len(given) != 1 and not value.keys() - {"at", "event", "fault"}:
            yield (), f"{_ONE}, got {'both' if given else 'neither'}"
        for name in given:
            scheduled = value[name]
            if isinstance(scheduled, Mapping) and (scheduled.keys() & {"in", "at"}):
                yield (name,), _OWN_TIME


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A timeline of events and faults."""

    steps: Annotated[tuple[Step, ...], msgspec.Meta(description="The steps.", min_length=1, extra={EXPECTED: _STEPS})]
    name: Annotated[str, msgspec.Meta(description="Name of the scenario; it has no effect.")] = ""
    target: Annotated[
        Target | None, msgspec.Meta(description="Target of the steps without a target (default: every caller).")
    ] = None

    def timeline(self, start: float) -> tuple[list[AnyEvent], list[AnyFault]]:
        """The events and faults, each with its start as an instant.

        Args:
            start: Start of the scenario in seconds since the epoch.

        Raises:
            FieldError: One or more steps are invalid.
        """
        events: list[AnyEvent] = []
        faults: list[AnyFault] = []
        problems: list[WrongField] = []
        for number, step in enumerate(self.steps):
            with collecting(problems, f"steps[{number}]"):
                self._place(step, start, events, faults)
        raise_if_any(problems)
        return events, faults

    def _place(self, step: Step, start: float, events: list[AnyEvent], faults: list[AnyFault]) -> None:
        """Schedule one step.

        Raises:
            FieldError: The step is invalid; fields are named relative to the step.
        """
        if (step.event is None) == (step.fault is None):
            raise FieldError("", f"{_ONE}, got {'neither' if step.event is None else 'both'}")
        problems: list[WrongField] = []
        delay = 0.0
        with collecting(problems):
            delay = read_duration("at", step.at)
        name, scheduled = ("event", step.event) if step.event is not None else ("fault", step.fault)
        assert scheduled is not None  # noqa: S101 - one of them is there
        if scheduled.in_ is not None or scheduled.at is not None:
            problems.append(WrongField(name, _OWN_TIME))
        # An instant does not depend on when it is read. Times before 1970 cannot be written as one.
        at = start + delay if start >= 0 else None
        in_ = None if start >= 0 else delay
        placed: Any = replace(scheduled, in_=in_, at=at, target=scheduled.target or self.target)
        with collecting(problems, name):
            if step.event is not None:
                ArmedEvents().arm(placed, start)
            else:
                arm(placed, "", start)
        raise_if_any(problems)
        (events if step.event is not None else faults).append(placed)


def read_scenario(document: Any, *, is_strict: bool = True) -> Scenario:
    """Read a scenario from the plain values of a YAML or JSON file.

    Args:
        document: The values.
        is_strict: Reject text where a number is expected.

    Raises:
        FieldError: One or more fields are invalid.
    """
    scenario: Scenario = read(Scenario, document, is_strict=is_strict)
    try:
        scenario.timeline(0.0)
    except FieldError as error:
        raise completed(error, Scenario, document, is_strict=is_strict) from error
    return scenario


def read_scenario_text(text: str, name: str) -> Scenario:
    """Read a scenario from YAML, or from JSON, which is YAML too.

    Args:
        text: The YAML or JSON.
        name: What an error calls it.

    Raises:
        ConfigError: It does not fit; names every wrong field.
    """
    if not text.strip():
        raise ConfigError(f"{name}: expected a scenario with steps, got nothing")
    try:
        return read_scenario(read_yaml(text, name), is_strict=False)
    except FieldError as error:
        raise ConfigError([Problem(f"{name}: {problem}") for problem in error.problems]) from error
