"""The kinds of faults that exist. A new kind is one class, and a line here."""

from __future__ import annotations

from typing import Final, get_args

from imds_mock.faults.answers import StatusFault, TruncateFault
from imds_mock.faults.credentials import ClockSkewFault
from imds_mock.faults.delivery import DelayFault, ResetFault, StallFault
from imds_mock.faults.tokens import RevokeTokensFault

AnyFault = DelayFault | StatusFault | ResetFault | StallFault | TruncateFault | RevokeTokensFault | ClockSkewFault
"""Any fault; on the wire the field `kind` tells which."""

_KINDS: Final[dict[type, str]] = {kind: str(kind.__struct_config__.tag) for kind in get_args(AnyFault)}

KINDS: Final = tuple(_KINDS.values())
"""The values of `kind`."""


def kind_of(fault: AnyFault) -> str:
    """The value of `kind` for a fault."""
    return _KINDS[type(fault)]
