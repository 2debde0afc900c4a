"""The mock itself: health, status, metrics, and the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.responses import Response

from imds_mock.control import openapi
from imds_mock.control.operations import Operation
from imds_mock.control.shown import moment
from imds_mock.state import metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imds_mock.control.context import ControlContext
    from imds_mock.control.operations import Call


class Health(msgspec.Struct, frozen=True):
    """The mock is running.

    Attributes:
        status: Always `ok`.
    """

    status: str


class Status(msgspec.Struct, frozen=True):
    """The current status.

    Attributes:
        version: The program's version.
        instance_id: Id of the instance.
        http_tokens: Whether session tokens are required.
        http_endpoint: Whether the endpoint is enabled, including events for all callers.
        events: Number of pending or active events.
        faults: Number of pending or active faults.
        started: Real time of the start.
        requests: Number of requests recorded since the start or the last reset.
        first_request: Number of the oldest request in the journal, or of the next one if it is empty.
        followers: Number of clients that follow the requests.
        reloads: How often the configuration was reloaded, and how often a reload was refused.
        clock_offset_seconds: How far the mock's time is ahead of the real one; null if it is the real one.
    """

    version: str
    instance_id: str
    http_tokens: str
    http_endpoint: str
    events: int
    faults: int
    started: str
    requests: int
    first_request: int
    followers: int
    reloads: dict[str, int]
    clock_offset_seconds: float | None


class ServiceRoutes:
    """The operations on the mock itself."""

    group: Final = "service"

    def __init__(self, context: ControlContext) -> None:
        self._context = context
        self._operations: list[Operation] = []
        self._document = b""
        self._version = context.version
        self._started = moment(context.clock.real())

    def operations(self) -> list[Operation]:
        """List the operations."""
        return [
            Operation("GET", "/healthz", "Check whether the mock is running", self.health, Health),
            Operation("GET", "/metrics", "Show metrics for Prometheus", self.metrics, str, answer_media="text/plain"),
            Operation("GET", "/openapi.json", "Show this document", self.document, dict[str, Any]),
            Operation("GET", "/v1/status", "Show the status", self.status, Status),
        ]

    def describe(self, operations: list[Operation]) -> None:
        """Take all operations, for the document."""
        self._operations = operations

    async def health(self, _call: Call) -> Health:
        """Report that the mock is running."""
        return Health("ok")

    async def document(self, _call: Call) -> Response:
        """Show the OpenAPI document."""
        if not self._document:
            # Generating it takes as long as loading the rest of the control plane, and few clients ask for it.
            self._document = await asyncio.to_thread(self._generate)
        return Response(self._document, media_type="application/json")

    def _generate(self) -> bytes:
        return msgspec.json.encode(openapi.document(self._operations, self._version))

    async def status(self, _call: Call) -> Status:
        """Show the status."""
        context, state = self._context, self._context.state
        now = state.clock()
        snapshot = state.snapshot_for("")
        return Status(
            self._version,
            snapshot.instance.decode(),
            snapshot.options.http_tokens,
            snapshot.options.http_endpoint,
            sum(each.state(now).value in {"pending", "active"} for each in state.events.events),
            sum(each.state(now).value in {"pending", "active"} for each in state.faults.armed),
            self._started,
            context.journal.recorded,
            context.journal.first_number,
            context.followers,
            dict(context.reloads),
            None if context.clock.is_real else context.clock.offset,
        )

    async def metrics(self, _call: Call) -> Response:
        """Show metrics in the Prometheus text format."""
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
            "Reloads of the configuration by outcome.",
            (((("outcome", outcome),), n) for outcome, n in context.reloads.items()),
        )
        entries = (((), float(len(context.journal))),)
        yield from metrics.family("imds_mock_journal_entries", "gauge", "Requests in the journal.", entries)
        info = (((("version", self._version),), 1),)
        yield from metrics.family("imds_mock_info", "gauge", "Always 1; the version as a label.", info)
