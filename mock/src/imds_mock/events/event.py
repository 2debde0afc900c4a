"""What all kinds of events share: the base class, the period of an event and the layer that shows a notice."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imds_mock.scheduling.schedule import Scheduled
from imds_mock.scheduling.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer


class Period(msgspec.Struct, frozen=True):
    """When one event is active.

    Attributes:
        id: The event's id in the API, such as `spot-1`.
        planned: From start to end, unless the event is canceled.
        canceled_at: When it was canceled, in seconds since the epoch.
    """

    id: str
    planned: Window
    canceled_at: float | None = None

    @property
    def window(self) -> Window:
        """The span of time in which the event is active, a cancellation included."""
        end = math.inf if self.canceled_at is None else self.canceled_at
        return Window(self.planned.start, max(self.planned.start, min(self.planned.end, end)))


class Event(Scheduled, frozen=True, kw_only=True):
    """Base of all kinds of events: a kind adds its fields and the layers that it lays over the metadata.

    Attributes:
        leaves_traces: The metadata still shows something of the event after its end.
        renews_credentials: Roles with fetched credentials fetch new ones.
        notice_name: The name under which the journal reports callers that have read one of `notice_paths`.
        notice_paths: The paths of the notice.
    """

    leaves_traces: ClassVar[bool] = False
    renews_credentials: ClassVar[bool] = False
    notice_name: ClassVar[str] = ""
    notice_paths: ClassVar[tuple[str, ...]] = ()

    def layers(self, period: Period) -> Iterator[tuple[str, Layer]]:  # noqa: ARG002 - kinds override it
        """The paths that the event changes (a last part `*` stands for all leaves there), each with its layer.

        Args:
            period: When the event is active.

        Raises:
            FieldError: A time among the fields is invalid.
        """
        yield from ()

    def consequence(self, start: float) -> tuple[str, float] | None:  # noqa: ARG002 - kinds override it
        """What the event announces, in one word, and its time; None if it announces nothing.

        Args:
            start: Start of the event, in seconds since the epoch.
        """
        return None

    def endpoint_disabled(self, period: Period) -> Window | None:  # noqa: ARG002 - kinds override it
        """When the event disables the whole endpoint; None if it does not."""
        return None


class Notice(msgspec.Struct, frozen=True):
    """A layer that shows a text while a window is open, and the value below at any other time."""

    window: Window
    since: str
    text: bytes

    @property
    def changes(self) -> tuple[float, ...]:
        """Both ends of the window."""
        return self.window.start, self.window.end

    def body(self, now: float, below: bytes | None) -> bytes | None:
        """The text, or the value below."""
        return self.text if now in self.window else below

    def modified(self, now: float, below: float | None) -> float | None:
        """The start of the window while it is open."""
        return self.window.start if now in self.window else below
