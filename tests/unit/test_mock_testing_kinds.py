"""The typed methods for events and faults: they offer what the structures of the kinds have, and refuse the rest."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest

from imds_mock.events.kinds import EVENTS
from imds_mock.faults.kinds import FAULTS
from imds_mock.scheduling.fields import FieldError
from imds_mock.testing.kinds import Credentials, Endpoint, Events, Faults, Requested, Spot, When
from imds_mock.violations.words import names_of, tag_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.scheduling.schedule import Scheduled


def given(scheduled: Any) -> Any:
    return scheduled


EVENT_METHODS: dict[str, Callable[..., Any]] = {
    "spot": Spot(given).interrupt,
    "rebalance": Spot(given).rebalance,
    "maintenance": Events(given).maintenance,
    "lifecycle": Events(given).lifecycle,
    "credentials-rotation": Credentials(given).rotate,
    "credentials-expiry": Credentials(given).expire,
    "endpoint-disabled": Endpoint(given).off,
}
FAULT_METHODS: dict[str, Callable[..., Any]] = {
    str(tag_of(kind)): getattr(Faults(given), str(tag_of(kind)).replace("-", "_")) for kind in FAULTS
}


@pytest.mark.parametrize("kind", [*EVENTS, *FAULTS])
def test_each_kind_has_a_method_with_its_fields(kind: type[Scheduled]) -> None:
    method = {**EVENT_METHODS, **FAULT_METHODS}[str(tag_of(kind))]
    common = get_type_hints(Requested if kind in FAULTS else When)
    own = {name for name, each in inspect.signature(method).parameters.items() if each.kind is not each.VAR_KEYWORD}
    renamed = {"in": "in_seconds", "for": "for_seconds"}
    assert own | common.keys() == {renamed.get(name, name) for name in names_of(kind)} - {"kind"}


def test_times_are_given_as_python_has_them() -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    spot = Spot(given).interrupt("stop", notice=timedelta(minutes=1), at=at, for_seconds="1h")
    assert (spot.action, spot.notice, spot.at, spot.for_) == ("stop", 60.0, at.timestamp(), "1h")
    maintenance = Events(given).maintenance(not_before=timedelta(hours=1), not_after=None)
    assert (maintenance.not_before, maintenance.not_after) == ("3600.0", None)
    assert Events(given).maintenance(not_before=at).not_before == "2026-05-01T12:00:00Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone; write"):
        Spot(given).interrupt(at=datetime(2026, 5, 1))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("arm", "sentence"),
    [
        (lambda: Faults(given).add("satus"), "did you mean status"),
        (lambda: Faults(given).status(700), "status: expected a whole number from 400 to 599, got 700"),
        (lambda: Spot(given).add("spot", in_second=3), "unknown argument of spot 'in_second'; did you mean in_seconds"),
        (lambda: Faults(given).delay("soon"), "delay: expected a duration"),
    ],
)
def test_what_is_wrong_is_named(arm: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(FieldError, match=sentence):
        arm()
