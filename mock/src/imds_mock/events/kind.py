"""What every kind of event is: fields for the wire, and layers over the metadata while it runs its course."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from imds_mock.scheduling.schedule import Scheduled, Target, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.metadata.layers import Layer


class Course(msgspec.Struct, frozen=True):
    """When one event holds.

    Attributes:
        id: The event's name in the control plane, such as `spot-1`.
        planned: From its start to its end, if nobody interferes.
        canceled_at: When it was taken back, in seconds since the epoch.
    """

    id: str
    planned: Window
    canceled_at: float | None = None

    @property
    def window(self) -> Window:
        """The span of time in which the event really holds."""
        end = math.inf if self.canceled_at is None else self.canceled_at
        return Window(self.planned.start, max(self.planned.start, min(self.planned.end, end)))


class Event(Scheduled, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all kinds; a kind adds its fields and says what it lays over the metadata.

    Attributes:
        target: Who sees it: an address, container or service name; None means every caller.
        leaves_traces: Something of it stays visible when it is over.
        renews_credentials: New credentials are fetched where they are not made up.
    """

    leaves_traces: ClassVar[bool] = False
    renews_credentials: ClassVar[bool] = False

    target: Target | None = None

    def layers(self, course: Course) -> Iterator[tuple[str, Layer]]:  # noqa: ARG002 - kinds override it
        """The paths that the event touches (a last part `*` stands for all leaves there), each with its layer.

        Args:
            course: When the event holds.

        Raises:
            FieldError: A time among the fields cannot be read.
        """
        yield from ()

    def endpoint_disabled(self, course: Course) -> Window | None:  # noqa: ARG002 - kinds override it
        """When the event keeps the whole endpoint switched off; None if it has no say in that."""
        return None


@dataclass(frozen=True, slots=True)
class Notice:
    """A layer that shows a text while a window is open and what is below at any other time."""

    window: Window
    since: str
    text: bytes

    def body(self, now: float, below: bytes | None) -> bytes | None:
        """The text, or what is below."""
        return self.text if now in self.window else below

    def modified(self, now: float, below: float | None) -> float | None:
        """The notice was written when its window opened."""
        return self.window.start if now in self.window else below
