"""The metadata service switched off for a time: every request is refused, the token PUT included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imds_mock.events.kind import Course, Event

if TYPE_CHECKING:
    from imds_mock.scheduling.schedule import Window


class EndpointDisabled(Event, frozen=True, kw_only=True, tag_field="kind", tag="endpoint-disabled"):
    """As if `http_endpoint` were `disabled` while the event holds."""

    def endpoint_disabled(self, course: Course) -> Window | None:
        """The whole course."""
        return course.window
