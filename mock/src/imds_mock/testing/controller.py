"""What a mock for tests does on its event loop: arms events, watches requests, waits. Used by both kinds of mocks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from imds_mock.events.armed import UnknownEventError
from imds_mock.faults.armed import UnknownFaultError
from imds_mock.testing.controls import MAX_SEEN, REMOVED, meets_event
from imds_mock.testing.requests import Request, Requests
from imds_mock.testing.served_state import ServedState
from imds_mock.testing.watches import JournalWatch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from imds_mock.events.armed import ArmedEvent
    from imds_mock.events.kinds import AnyEvent
    from imds_mock.events.scenario import Scenario
    from imds_mock.faults.armed import ArmedFault
    from imds_mock.faults.kinds import AnyFault
    from imds_mock.run.mock import Mock
    from imds_mock.state.entries import Entry


class Controller(ServedState):
    """Operations on a running mock; everything is called on the mock's event loop.

    Args:
        mock: The mock.
    """

    def __init__(self, mock: Mock) -> None:
        super().__init__(mock)
        self.errors: list[BaseException] = []
        """Exceptions that no caller has received."""
        self._watches: dict[str, JournalWatch] = {}
        self._changed: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self) -> None:
        """Begin to follow the journal."""
        self.mock.journal.followers = (*self.mock.journal.followers, self._follow)

    async def stop(self) -> None:
        """End what runs in the background."""
        for task in self._tasks:
            task.cancel()
        await self.settle()

    def reset(self) -> None:
        """Restore configuration, events, faults, time and journal of the start."""
        mock = self.mock
        mock.clock.use_real_time()
        self._watches.clear()
        mock.queries.restart()
        mock.state.reset()
        self.errors.clear()

    async def settle(self) -> None:
        """Wait for the look-ups and the fetched credentials that were asked for."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def advance_clock(self, seconds: float) -> None:
        """Move the mock's time forward; credentials that are due then are fetched."""
        self.mock.clock.advance(seconds)
        self._spawn(self.mock.control_context.wait_for_renewals())

    def set_clock(self, seconds: float) -> None:
        """Set the mock's time, in seconds since the epoch; as `advance_clock`."""
        self.mock.clock.set(seconds)
        self._spawn(self.mock.control_context.wait_for_renewals())

    def use_real_time(self) -> None:
        """Return to the real time; as `advance_clock`."""
        self.mock.clock.use_real_time()
        self._spawn(self.mock.control_context.wait_for_renewals())

    def arm_event(self, event: AnyEvent) -> JournalWatch:
        """Arm an event.

        Raises:
            FieldError: A field is invalid.
            ConflictingPathsError: The event needs a path that conflicts with the configuration.
        """
        state = self.mock.state
        state.schedule(state.events.arm(event, state.clock()))
        return self._watch_event(state.events.events[-1])

    def arm_fault(self, fault: AnyFault) -> JournalWatch:
        """Arm a fault.

        Raises:
            FieldError: A field is invalid.
        """
        return self._watch_fault(self.mock.state.faults.arm(fault, self.mock.state.clock()))

    def play(self, scenario: Scenario) -> tuple[list[JournalWatch], list[JournalWatch]]:
        """Arm the events and the faults of a scenario, or none.

        Raises:
            ConflictingPathsError: An event needs a path that conflicts with the configuration.
        """
        events, faults = self.mock.state.play(scenario)
        return list(map(self._watch_event, events)), list(map(self._watch_fault, faults))

    def event(self, event_id: str) -> ArmedEvent | None:
        """The event with this id; None if it was removed."""
        try:
            return self.mock.state.events.get(event_id)
        except UnknownEventError:
            return None

    def fault(self, fault_id: str) -> ArmedFault | None:
        """The fault with this id; None if it was removed."""
        try:
            return self.mock.state.faults.get(fault_id)
        except UnknownFaultError:
            return None

    def state_of(self, armed_id: str) -> str:
        """The state of an event or fault: as in the API, or `removed`."""
        armed = self.event(armed_id) or self.fault(armed_id)
        return REMOVED if armed is None else str(armed.state(self.mock.state.clock()).value)

    def hits(self, fault_id: str) -> int:
        """Number of responses that a fault has changed; 0 once it was removed."""
        fault = self.fault(fault_id)
        return 0 if fault is None else fault.hits

    def cancel(self, event_id: str) -> None:
        """Cancel an event, unless it was removed."""
        if self.event(event_id):
            state = self.mock.state
            state.schedule(state.events.cancel(event_id, state.clock()))

    def end(self, event_id: str) -> None:
        """End an active event, unless it was removed.

        Raises:
            NotStartedError: It has not started.
        """
        if self.event(event_id):
            state = self.mock.state
            state.schedule(state.events.end(event_id, state.clock()))

    def remove(self, armed_id: str) -> None:
        """Remove an event or fault, unless that was done already."""
        state = self.mock.state
        self._watches.pop(armed_id, None)
        if self.event(armed_id):
            state.schedule(state.events.remove(armed_id))
        elif self.fault(armed_id):
            state.faults.remove(armed_id)

    def requests(self) -> Requests:
        """All requests in the journal, the oldest first."""
        return Requests(map(self.request, self.mock.journal))

    def request(self, entry: Entry) -> Request:
        """A journal entry as a request."""
        return Request.of(entry, self.mock.callers.last_names)

    async def settled_requests(self) -> Requests:
        """All requests, with the names of their callers looked up."""
        await self.mock.control_context.look_up()
        return self.requests()

    async def wait_until(self, is_met: Callable[[], bool], timeout: float) -> bool:  # noqa: ASYNC109 - a result, no error
        """Wait until a condition holds, which is checked after each request.

        Args:
            is_met: The condition.
            timeout: Seconds.

        Returns:
            Whether it holds.
        """
        changed = asyncio.Event()
        self._changed.add(changed)
        try:
            async with asyncio.timeout(timeout):
                while not is_met():
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return is_met()
        finally:
            self._changed.discard(changed)
        return True

    def _watch_event(self, armed: ArmedEvent) -> JournalWatch:
        self._look_up(armed.event.target, renews=armed.event.renews_credentials)
        meets = meets_event(armed.event, armed.period)
        return self._watch(armed.id, lambda entry: meets(entry.path, entry.status))

    def _watch_fault(self, armed: ArmedFault) -> JournalWatch:
        self._look_up(armed.fault.target)
        return self._watch(armed.id, lambda entry: armed.id in entry.faults)

    def _watch(self, armed_id: str, meets: Callable[[Entry], bool]) -> JournalWatch:
        watch = self._watches[armed_id] = JournalWatch(armed_id, meets, self.request)
        return watch

    def _follow(self, entry: Entry) -> None:
        for watch in self._watches.values():
            if len(watch.entries) < MAX_SEEN and watch.meets(entry) and self.state_of(watch.id) != "pending":
                watch.entries.append(entry)
        for changed in self._changed:
            changed.set()

    def _look_up(self, target: str | None, *, renews: bool = False) -> None:
        if target is not None:
            self._spawn(self.mock.control_context.look_up(target))
        if renews:
            self._spawn(self.mock.control_context.renew_credentials([target]))

    def _spawn(self, awaitable: Awaitable[Any]) -> None:
        task = asyncio.get_running_loop().create_task(_awaited(awaitable))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)


async def _awaited(awaitable: Awaitable[Any]) -> None:
    await awaitable
