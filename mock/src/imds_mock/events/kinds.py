"""The kinds of events that exist. A new kind is a module with one class, and a line here."""

from __future__ import annotations

from typing import Final, get_args

from imds_mock.events.credentials import CredentialsExpiry, CredentialsRotation
from imds_mock.events.endpoint import EndpointDisabled
from imds_mock.events.lifecycle import TargetLifecycleState
from imds_mock.events.maintenance import ScheduledMaintenance
from imds_mock.events.rebalance import RebalanceRecommendation
from imds_mock.events.spot import SpotInterruption

AnyEvent = (
    SpotInterruption
    | RebalanceRecommendation
    | ScheduledMaintenance
    | TargetLifecycleState
    | CredentialsRotation
    | CredentialsExpiry
    | EndpointDisabled
)
"""Any event; on the wire the field `kind` tells which."""

_KINDS: Final[dict[type, str]] = {kind: str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)}

KINDS: Final = tuple(_KINDS.values())
"""The values of `kind`."""


def kind_of(event: AnyEvent) -> str:
    """The value of `kind` for an event."""
    return _KINDS[type(event)]
