"""A scenario: a timeline of events and faults in a file, played from a moment on.

    name: interruption
    steps:
      - {at: 10s, event: {kind: rebalance}}
      - {at: 60s, event: {kind: spot, for: 3m, target: debug}}
      - {at: 90s, fault: {kind: status, path: "/latest/meta-data/iam/*", for: 5s}}

All steps are put on the clock at once, so playing needs no timer and hits its times exactly.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from imds_mock.events.armed import EventBook
from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.armed import arm
from imds_mock.faults.kinds import AnyFault
from imds_mock.scheduling.fields import FieldError
from imds_mock.scheduling.schedule import Duration, Target, read_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that happens; exactly one of `event` and `fault`.

    Attributes:
        at: How long after the beginning of the scenario.
        event: An event, without `in` and `at` of its own.
        fault: A fault, without `in` and `at` of its own.
    """

    at: Duration = 0
    event: AnyEvent | None = None
    fault: AnyFault | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A timeline.

    Attributes:
        name: For people.
        target: Whom every step that names nobody else is for; None means every caller.
        steps: What happens.
    """

    steps: tuple[Step, ...]
    name: str = ""
    target: Target | None = None

    def timeline(self, start: float) -> tuple[list[AnyEvent], list[AnyFault]]:
        """The events and faults, each with its start as an instant.

        Args:
            start: When the scenario begins, in seconds since the epoch.

        Raises:
            FieldError: A step says nothing, too much, or something that cannot be read; names the step.
        """
        events: list[AnyEvent] = []
        faults: list[AnyFault] = []
        for number, step in enumerate(self.steps):
            at = start + read_duration(f"steps/{number}/at", step.at)
            if (step.event is None) == (step.fault is None):
                raise FieldError(f"steps/{number}", "a step has either an `event` or a `fault`")
            if step.event is not None:
                event = self._placed(step.event, at, f"steps/{number}/event")
                with _named(f"steps/{number}/event"):
                    EventBook().arm(event, start)
                events.append(event)
            if step.fault is not None:
                fault = self._placed(step.fault, at, f"steps/{number}/fault")
                with _named(f"steps/{number}/fault"):
                    arm(fault, "", start)
                faults.append(fault)
        return events, faults

    def _placed(self, happening: Any, at: float, field: str) -> Any:
        if happening.in_ is not None or happening.at is not None:
            raise FieldError(field, "the step's own `at` says when; leave `in` and `at` out here")
        return replace(happening, at=at, target=happening.target or self.target)


@contextlib.contextmanager
def _named(place: str) -> Iterator[None]:
    """Name the place of a field that cannot be read."""
    try:
        yield
    except FieldError as error:
        raise FieldError(f"{place}/{error.field}", error.sentence) from error


def read_scenario(document: Mapping[str, Any]) -> Scenario:
    """Read a scenario from plain values, as a YAML or JSON file has them.

    Raises:
        msgspec.ValidationError: It does not fit; the message names the place.
    """
    scenario: Scenario = msgspec.convert(document, Scenario)
    return scenario
