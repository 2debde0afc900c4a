"""The mock itself: its health, what it is, its metrics, and this API's own document."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from imds_mock.control import openapi
from imds_mock.control.operations import Operation
from imds_mock.state import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call


class Health(msgspec.Struct, frozen=True):
    """That the mock is up.

    Attributes:
        status: Always `ok`.
    """

    status: str


class Status(msgspec.Struct, frozen=True):
    """What the mock is at the moment.

    Attributes:
        version: The program's version.
        instance_id: The instance that it stands for.
        http_tokens: Whether session tokens are required.
        http_endpoint: Whether the endpoint is enabled, events for everybody included.
        events: How many events are pending or active.
        faults: How many faults are pending or active.
        requests: How many requests were recorded since the start or the last reset.
        followers: How many clients follow the requests.
        reloads: How often the configuration file was taken over, and how often refused.
    """

    version: str
    instance_id: str
    http_tokens: str
    http_endpoint: str
    events: int
    faults: int
    requests: int
    followers: int
    reloads: dict[str, int]


class ServiceRoutes:
    """The operations on the mock itself.

    Args:
        cockpit: What they drive.
    """

    group: Final = "service"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._document = b""

    def operations(self) -> list[Operation]:
        """All of them."""
        return [
            Operation("GET", "/healthz", "Is it up?", self.health, Health),
            Operation("GET", "/metrics", "Figures for Prometheus", self.metrics, str, answer_media="text/plain"),
            Operation("GET", "/openapi.json", "This document", self.document, dict[str, Any]),
            Operation("GET", "/v1/status", "What is it?", self.status, Status),
        ]

    def describe(self, operations: list[Operation]) -> None:
        """Generate the document once all operations are known."""
        self._document = msgspec.json.encode(openapi.document(operations, self._context.version))

    async def health(self, _call: Call) -> Health:
        """It is, or it would not answer."""
        return Health("ok")

    async def document(self, _call: Call) -> Response:
        """The OpenAPI document."""
        return Response(self._document, media_type="application/json")

    async def status(self, _call: Call) -> Status:
        """A few figures about the moment."""
        context, state = self._context, self._context.state
        now = state.clock()
        snapshot = state.snapshot_for("")
        return Status(
            context.version,
            snapshot.instance.decode(),
            snapshot.options.http_tokens,
            snapshot.options.http_endpoint,
            sum(each.state(now).value in {"pending", "active"} for each in state.events.events),
            sum(each.state(now).value in {"pending", "active"} for each in state.faults.armed),
            context.journal.recorded,
            len(context.journal.followers),
            dict(context.reloads),
        )

    async def metrics(self, _call: Call) -> Response:
        """Prometheus' text format."""
        self._context.journal.settle()
        return Response("\n".join(self._lines()) + "\n", headers={"Content-Type": metrics.CONTENT_TYPE})

    def _lines(self) -> Iterator[str]:
        context, state = self._context, self._context.state
        now = state.clock()
        yield from context.request_metrics.render()
        yield from metrics.family(
            "imds_mock_events",
            "gauge",
            "Events by kind and state.",
            metrics.by_kind_and_state(
                Counter((each.event.kind, each.state(now).value) for each in state.events.events)
            ),
        )
        yield from metrics.family(
            "imds_mock_faults",
            "gauge",
            "Faults by kind and state.",
            metrics.by_kind_and_state(Counter((each.fault.kind, each.state(now).value) for each in state.faults.armed)),
        )
        yield from metrics.family(
            "imds_mock_config_reloads_total",
            "counter",
            "Changes of the configuration file by what became of them.",
            (((("outcome", outcome),), n) for outcome, n in context.reloads.items()),
        )
        entries = (((), float(len(context.journal))),)
        yield from metrics.family("imds_mock_journal_entries", "gauge", "Requests in the journal.", entries)
        info = (((("version", context.version),), 1),)
        yield from metrics.family("imds_mock_info", "gauge", "Always 1; the version as a label.", info)
