"""What `ctl top` shows: the state of the mock, polled in a thread, also while the mock restarts."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from imds_mock.ctl.request_columns import caller_name
from imds_mock.ctl.times import Now, seconds
from imds_mock.errors import MockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from imds_mock.ctl.client import Client

PERIOD_SECONDS: Final = 1.0
RATE_SECONDS: Final = 10.0
MOST_REQUESTS: Final = 200


class State(NamedTuple):
    """The state of the mock at one time.

    Attributes:
        now: The time of the mock.
        status: As the API shows it.
        statistics: As the API shows it.
        callers: As the API shows them, each with `caller` (address and name), `rate` (requests per second, of the last
            10 s) and `imdsv1` (requests without a token, in the journal).
        requests: The latest requests, newest first.
        armed: The events and faults that are active or pending, each with `what` (`event` or `fault`).
    """

    now: Now
    status: dict[str, Any]
    statistics: dict[str, Any]
    callers: list[dict[str, Any]]
    requests: list[dict[str, Any]]
    armed: list[dict[str, Any]]


class Watch:
    """Polls the state until it is stopped.

    Args:
        client: The control plane's client.
        changed: Called in the thread after each attempt.

    Attributes:
        state: The latest state.
        problem: Why the latest attempt failed; None if it succeeded.
    """

    def __init__(self, client: Client, changed: Callable[[], None]) -> None:
        self.state = read_state(client)
        self.problem: str | None = None
        self._client = client
        self._changed = changed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self) -> None:
        """Stop polling, without waiting for a call under way."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD_SECONDS):
            try:
                self.state = read_state(self._client)
                self.problem = None
            except MockError as error:
                self.problem = str(error)
            self._changed()


def read_state(client: Client) -> State:
    """Fetch the state.

    Raises:
        UnreachableError: No control plane answers.
        RefusedError: The control plane refused a call.
    """
    clock = client.call("GET", "/v1/clock")
    now = Now(seconds(clock["time"]), seconds(clock["real_time"]))
    requests = client.call("GET", "/v1/requests", query={"limit": MOST_REQUESTS})
    without_token = {each["caller"]: each["times"] for each in client.call("GET", "/v1/requests/imdsv1")}
    rates = rates_of(requests, now.real)
    callers = [
        {
            **each,
            "caller": caller_name({**each, "caller": each["address"], "instance_id": None}),
            "rate": rates.get(each["address"], 0.0),
            "imdsv1": without_token.get(each["address"], 0),
        }
        for each in client.call("GET", "/v1/callers")
    ]
    armed = [
        {**each, "what": what}
        for what in ("event", "fault")
        for each in client.call("GET", f"/v1/{what}s")
        if each["state"] in {"active", "pending"}
    ]
    return State(
        now,
        client.call("GET", "/v1/status"),
        client.call("GET", "/v1/statistics"),
        sorted(callers, key=lambda each: (-each["rate"], -each["requests"], each["address"])),
        requests[::-1],
        armed,
    )


def rates_of(requests: list[dict[str, Any]], now: float) -> dict[str, float]:
    """Requests per second of each caller, by address.

    Args:
        requests: The latest requests, oldest first, at most `MOST_REQUESTS`.
        now: The real time, in seconds since the epoch.
    """
    recent = [each for each in requests if now - seconds(each["real_time"]) <= RATE_SECONDS]
    if not recent:
        return {}
    complete = len(recent) < MOST_REQUESTS
    span = RATE_SECONDS if complete else max(now - seconds(recent[0]["real_time"]), 0.001)
    return {address: count / span for address, count in Counter(each["caller"] for each in recent).items()}
