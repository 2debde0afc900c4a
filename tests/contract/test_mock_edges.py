"""Events and faults at their edges: at the very instant, at once, and when the clock is set."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.mockserver import Answer, head, read_all

if TYPE_CHECKING:
    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"
SPOT = "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
SCHEDULED = "/latest/meta-data/events/maintenance/scheduled"
HISTORY = "/latest/meta-data/events/maintenance/history"


def arm(mock: DrivenMock, kind: str, **fields: Any) -> str:
    return str(mock.do("POST", "/v1/events", {"kind": kind, **fields})["id"])


def state(mock: DrivenMock, event_id: str) -> str:
    return str(mock.do("GET", f"/v1/events/{event_id}")["state"])


def test_scenarios_that_are_played_at_once_are_all_on_the_clock(mock: DrivenMock) -> None:
    steps = [{"at": "10s", "event": {"kind": "spot", "for": "10s"}}, {"at": "15s", "fault": {"kind": "status"}}]
    with ThreadPoolExecutor(8) as pool:
        played = list(pool.map(lambda _: mock.do("POST", "/v1/scenarios", {"steps": steps}), range(8)))
    ids = [each["id"] for one in played for each in (*one["events"], *one["faults"])]
    assert len(set(ids)) == 16
    assert sorted(ids) == sorted(each["id"] for what in ("events", "faults") for each in mock.do("GET", f"/v1/{what}"))
    assert mock.get(SPOT).status == 404
    mock.clock.now += 10
    assert mock.get(SPOT).status == 200
    mock.clock.now += 5
    assert mock.get(SPOT).status == 503
    mock.do("DELETE", "/v1/faults")
    mock.clock.now += 5
    assert mock.get(SPOT).status == 404


@pytest.mark.parametrize(("verb", "shown"), [("cancel", "canceled"), ("end", "ended")])
def test_an_event_that_is_taken_back_at_the_instant_of_its_time_is_gone(
    mock: DrivenMock, verb: str, shown: str
) -> None:
    event = arm(mock, "spot", **{"in": "10s", "for": "10s"})
    mock.clock.now += 10
    assert mock.get(SPOT).status == 200
    assert mock.do("POST", f"/v1/events/{event}/{verb}")["state"] == shown
    assert mock.get(SPOT).status == 404
    mock.clock.now += 5
    assert mock.get(SPOT).status == 404


@pytest.mark.parametrize("verb", ["cancel", "end"])
def test_what_is_over_at_that_instant_was_not_taken_back(mock: DrivenMock, verb: str) -> None:
    event = arm(mock, "maintenance", **{"for": "10s"})
    mock.clock.now += 10
    assert mock.do("POST", f"/v1/events/{event}/{verb}")["state"] == "ended"
    (entry,) = json.loads(mock.get(HISTORY).body)
    assert entry["State"] == "completed"


def test_rearming_at_the_instant_of_the_end_starts_it_over_without_a_gap(mock: DrivenMock) -> None:
    event = arm(mock, "spot", **{"for": "10s"})
    mock.clock.now += 10
    assert mock.get(SPOT).status == 404
    assert mock.do("POST", f"/v1/events/{event}/rearm")["state"] == "active"
    assert mock.get(SPOT).status == 200
    mock.do("POST", f"/v1/events/{event}/cancel")
    mock.do("POST", f"/v1/events/{event}/rearm", {"in": "5s"})
    assert (state(mock, event), mock.get(SPOT).status) == ("pending", 404)
    mock.clock.now += 5
    assert (state(mock, event), mock.get(SPOT).status) == ("active", 200)


def test_a_clock_that_jumps_ahead_passes_over_what_is_between(mock: DrivenMock) -> None:
    spot = arm(mock, "spot", **{"in": "10s", "for": "10s"})
    maintenance = arm(mock, "maintenance", **{"in": "10s", "for": "10s"})
    mock.clock.now += 3600
    assert [state(mock, spot), state(mock, maintenance)] == ["ended", "ended"]
    assert (mock.get(SPOT).status, mock.get(SCHEDULED).body) == (404, b"[]")
    assert json.loads(mock.get(HISTORY).body)[0]["State"] == "completed"


def test_a_clock_that_is_set_back_shows_what_the_list_says(mock: DrivenMock) -> None:
    over, canceled = arm(mock, "rebalance", **{"for": "10s"}), arm(mock, "spot")
    mock.clock.now += 20
    mock.do("POST", f"/v1/events/{canceled}/cancel")
    mock.clock.now -= 15
    mock.run(mock.runtime.state.check_clock)
    assert [state(mock, over), mock.get(REBALANCE).status] == ["active", 200]
    assert [state(mock, canceled), mock.get(SPOT).status] == ["canceled", 404]
    arm(mock, "lifecycle", state="Standby")
    assert [state(mock, canceled), mock.get(SPOT).status] == ["canceled", 404]
    mock.clock.now -= 15
    assert [state(mock, over), mock.get(REBALANCE).status] == ["pending", 404]


def test_maintenance_that_was_canceled_stays_so_when_the_clock_is_set_back(mock: DrivenMock) -> None:
    event = arm(mock, "maintenance")
    mock.clock.now += 20
    mock.do("POST", f"/v1/events/{event}/cancel")
    mock.clock.now -= 10
    assert (state(mock, event), mock.get(SCHEDULED).body) == ("canceled", b"[]")
    assert json.loads(mock.get(HISTORY).body)[0]["State"] == "canceled"


def ask_at_once(mock: DrivenMock, number: int) -> list[Answer]:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(mock.connect()) for _ in range(number)]
        for client in clients:
            client.sendall(head("GET", LEAF).encode())
        return [Answer.parse(read_all(client)) for client in clients]


def test_a_count_is_reached_by_those_who_ask_at_once_and_not_passed(mock: DrivenMock) -> None:
    fault = mock.do("POST", "/v1/faults", {"kind": "status", "status": 500, "count": 5})
    answers = [answer.status for answer in ask_at_once(mock, 32)]
    assert (answers.count(500), answers.count(200)) == (5, 27)
    shown = mock.do("GET", f"/v1/faults/{fault['id']}")
    assert (shown["hits"], shown["state"]) == (5, "spent")


def test_a_delay_goes_on_for_those_whom_it_hit_when_it_is_over_or_reset(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/faults", {"kind": "delay", "delay": "200ms", "for": "50ms", "count": 2})
    with mock.connect() as held, mock.connect() as reset:
        for client in (held, reset):
            client.sendall(head("GET", LEAF).encode())
        for _ in range(1000):
            if mock.do("GET", "/v1/faults")[0]["hits"] == 2:
                break
        mock.clock.now += 1
        mock.do("POST", "/v1/reset")
        assert mock.get(LEAF).status == 200
        assert [Answer.parse(read_all(client)).status for client in (held, reset)] == [200, 200]
    assert mock.do("GET", "/v1/faults") == []


def test_reset_takes_everything_back_while_it_holds(mock: DrivenMock) -> None:
    arm(mock, "endpoint-disabled")
    first = arm(mock, "spot", target="local")
    arm(mock, "maintenance")
    mock.do("POST", "/v1/faults", {"kind": "status", "target": "local"})
    assert mock.get(LEAF).status == 503
    mock.do("POST", "/v1/reset")
    assert [mock.get(path).status for path in (LEAF, SPOT, SCHEDULED, HISTORY)] == [200, 404, 200, 200]
    assert mock.get(HISTORY).body == b"[]"
    assert int(arm(mock, "spot").removeprefix("spot-")) > int(first.removeprefix("spot-")), "no id is used twice"
