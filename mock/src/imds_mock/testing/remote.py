"""A mock for tests that runs elsewhere, such as in a container: the same operations over its control plane."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from imds_mock.ctl.client import RefusedError, UnreachableError
from imds_mock.events.armed import NotStartedError
from imds_mock.events.event import Period
from imds_mock.scheduling.window import Window
from imds_mock.testing.controls import REMOVED, meets_event
from imds_mock.testing.remote_state import NOT_FOUND, RemoteState, seconds_of
from imds_mock.testing.requests import Request, Requests
from imds_mock.testing.watches import RemoteWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from imds_mock.ctl.client import Client
    from imds_mock.events.kinds import AnyEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.kinds import AnyFault

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1
_ALL: Final = 100_000
_CONFLICT: Final = 409


class RemoteController(RemoteState):
    """Operations on a mock through its control plane.

    Args:
        client: Returns the control plane's client.
        endpoint_url: Returns the URL of the metadata service.
    """

    def __init__(self, client: Callable[[], Client], endpoint_url: Callable[[], str]) -> None:
        super().__init__(client, endpoint_url)
        self._watches: dict[str, RemoteWatch] = {}

    def reset(self) -> None:
        """Restore configuration, events, faults, time and journal of the start."""
        for watch in self._watches.values():
            watch.close()
        self._watches.clear()
        self._call("POST", "/v1/reset")

    def arm_event(self, event: AnyEvent) -> RemoteWatch:
        """Arm an event."""
        after = self._last_number()
        return self._watch_event(event, self._call("POST", "/v1/events", msgspec.to_builtins(event)), after)

    def arm_fault(self, fault: AnyFault) -> RemoteWatch:
        """Arm a fault."""
        return self._watch_fault(self._call("POST", "/v1/faults", msgspec.to_builtins(fault)))

    def play(self, scenario: Scenario) -> tuple[list[RemoteWatch], list[RemoteWatch]]:
        """Arm the events and the faults of a scenario, or none."""
        after = self._last_number()
        armed = self._call("POST", "/v1/scenarios", msgspec.to_builtins(scenario))
        events = [step.event for step in scenario.steps if step.event is not None]
        watches = [self._watch_event(*each, after) for each in zip(events, armed["events"], strict=True)]
        return watches, list(map(self._watch_fault, armed["faults"]))

    def state_of(self, armed_id: str) -> str:
        """The state of an event or fault: as in the API, or `removed`."""
        armed = self._armed(armed_id)
        return REMOVED if armed is None else str(armed["state"])

    def hits(self, fault_id: str) -> int:
        """Number of responses that a fault has changed; 0 once it was removed."""
        armed = self._armed(fault_id)
        return 0 if armed is None else int(armed["hits"])

    def cancel(self, event_id: str) -> None:
        """Cancel an event, unless it was removed."""
        self._unless_removed("POST", f"/v1/events/{event_id}/cancel")

    def end(self, event_id: str) -> None:
        """End an active event, unless it was removed.

        Raises:
            NotStartedError: It has not started.
        """
        try:
            self._unless_removed("POST", f"/v1/events/{event_id}/end")
        except RefusedError as error:
            if error.status == _CONFLICT:
                raise NotStartedError(str(error)) from error
            raise

    def remove(self, armed_id: str) -> None:
        """Remove an event or fault, unless that was done already."""
        watch = self._watches.pop(armed_id, None)
        if watch is not None:
            watch.close()
        for kind in ("events", "faults"):
            self._unless_removed("DELETE", f"/v1/{kind}/{armed_id}")

    def requests(self) -> Requests:
        """All requests in the journal, the oldest first."""
        return self.journal()

    async def settled_requests(self) -> Requests:
        """All requests; the control plane has looked up their callers."""
        return self.journal()

    def journal(self, **query: Any) -> Requests:
        """The requests in the journal that the API's query selects, the oldest first."""
        found = self._call("GET", "/v1/requests", query={"limit": _ALL, **query})
        return Requests(map(Request.of_shown, found))

    def imdsv1_requests(self, caller: str | None) -> int:
        """Number of requests without a session token, of one caller or of all."""
        return sum(each["times"] for each in self._call("GET", "/v1/requests/imdsv1", query={"caller": caller}))

    async def wait_until(self, is_met: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109 - a result, no error
        """Wait until a condition holds, which is checked ten times a second.

        Args:
            is_met: The condition.
            timeout: Seconds.

        Returns:
            Whether it holds.
        """
        deadline = time.monotonic() + timeout
        while not is_met():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, left))  # noqa: ASYNC251 - see RemoteDriver.run
        return True

    def _watch_event(self, event: AnyEvent, armed: Mapping[str, Any], after: int) -> RemoteWatch:
        start, end = seconds_of(armed["starts"]), seconds_of(armed["ends"]) if armed["ends"] else math.inf
        shows = meets_event(event, Period(armed["id"], Window(start, end)))

        def meets(each: Request) -> bool:
            return each.time.timestamp() >= start and shows(each.path, each.status)

        return self._watch(armed["id"], after, meets, {})

    def _watch_fault(self, armed: Mapping[str, Any]) -> RemoteWatch:
        return self._watch(armed["id"], 0, lambda _each: True, {"fault": armed["id"]})

    def _watch(
        self, armed_id: str, after: int, meets: Callable[[Request], bool], query: Mapping[str, str]
    ) -> RemoteWatch:
        watch = self._watches[armed_id] = RemoteWatch(self.journal, armed_id, after, meets, query)
        return watch

    def _last_number(self) -> int:
        last = self.journal(limit=1)
        return last[0].number if last else 0

    def _armed(self, armed_id: str) -> dict[str, Any] | None:
        """An event or fault as the API shows it; None if it was removed."""
        for kind in ("events", "faults"):
            found: dict[str, Any] | None = self._unless_removed("GET", f"/v1/{kind}/{armed_id}")
            if found is not None:
                return found
        return None

    def _unless_removed(self, method: str, path: str) -> Any:
        try:
            return self._call(method, path)
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise


class RemoteDriver:
    """Calls the operations of a remote mock in the caller's thread.

    Args:
        controller: The operations.
        unreachable: Makes the exception for a mock that does not answer.
    """

    def __init__(self, controller: RemoteController, unreachable: Callable[[UnreachableError], BaseException]) -> None:
        self.controller = controller
        self._unreachable = unreachable

    def call(self, function: Callable[[], T]) -> T:
        """The function's result."""
        try:
            return function()
        except UnreachableError as error:
            raise self._unreachable(error) from error

    def call_settled(self, function: Callable[[], T]) -> T:
        """The function's result; the control plane answers after the look-ups and fetched credentials have arrived."""
        return self.call(function)

    def run(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a coroutine. It needs no event loop: whatever waits in it blocks this thread."""
        coroutine = make()

        def result() -> T:
            try:
                coroutine.send(None)
            except StopIteration as end:
                value: T = end.value
                return value
            raise RuntimeError("an operation on a remote mock waits for an event loop")

        try:
            return self.call(result)
        finally:
            coroutine.close()
