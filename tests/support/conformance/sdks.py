"""All SDKs, in the order of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from support.conformance import go_v2

if TYPE_CHECKING:
    from support.conformance.sdk import Sdk

SDKS: Final[tuple[Sdk, ...]] = (*go_v2.SDKS,)
