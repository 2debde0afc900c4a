"""Faults of the way: the answer is late, does not come, or the connection is reset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from imds_mock.faults.kind import Fault
from imds_mock.scheduling.schedule import Duration, read_duration
from imds_mock.service.messages import Delivery

if TYPE_CHECKING:
    from imds_mock.faults.kind import Moment
    from imds_mock.service.messages import Response


class DelayFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="delay"):
    """The answer comes late.

    Attributes:
        delay: How late.
    """

    delay: Duration

    def check(self) -> None:
        """The delay must be a duration."""
        read_duration("delay", self.delay)

    def apply(self, response: Response, _moment: Moment, /) -> Response:
        """The same answer, to be held back; two delays add up."""
        return replace(response, delay_seconds=response.delay_seconds + read_duration("delay", self.delay))


class StallFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="stall"):
    """The request is taken and never answered; the connection stays open until a time-out ends it."""

    def apply(self, response: Response, _moment: Moment, /) -> Response:
        """No answer."""
        return replace(response, delivery=Delivery.STALL)


class ResetFault(Fault, frozen=True, kw_only=True, tag_field="kind", tag="reset"):
    """The connection is reset instead of an answer."""

    def apply(self, response: Response, _moment: Moment, /) -> Response:
        """A reset."""
        return replace(response, delivery=Delivery.RESET)
