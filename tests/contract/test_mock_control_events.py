"""Events, faults and tokens over the control plane's socket: the next request to the data plane sees them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.callers import FakeNetwork
from support.mockcontrol import driven_mock, problem

if TYPE_CHECKING:
    from pathlib import Path

    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"
SPOT = "/latest/meta-data/spot/instance-action"
ROLE = "/latest/meta-data/iam/security-credentials/my-role"


def test_an_event_is_seen_by_the_next_request_and_gone_after_cancelling(mock: DrivenMock) -> None:
    assert mock.get(SPOT).status == 404
    event = mock.do("POST", "/v1/events", {"kind": "spot"})
    assert (event["state"], event["ends"], event["target"]) == ("active", None, None)
    assert mock.get(SPOT).status == 200
    assert b"spot/" in mock.get("/latest/meta-data/").body
    assert [each["id"] for each in mock.do("GET", "/v1/events")] == [event["id"]]
    canceled = mock.do("POST", f"/v1/events/{event['id']}/cancel")
    assert (canceled["state"], mock.get(SPOT).status) == ("canceled", 404)
    assert b"spot/" not in mock.get("/latest/meta-data/").body
    again = mock.do("POST", f"/v1/events/{event['id']}/rearm", {"in": "0s"})
    assert (again["state"], mock.get(SPOT).status) == ("active", 200)
    mock.do("DELETE", f"/v1/events/{event['id']}")
    assert mock.get(SPOT).status == 404
    assert mock.do("GET", "/v1/events") == []


def test_a_planned_event_comes_when_the_clock_says_so(mock: DrivenMock) -> None:
    event = mock.do("POST", "/v1/events", {"kind": "rebalance", "in": "10s", "for": "1m"})
    path = "/latest/meta-data/events/recommendations/rebalance"
    assert (event["state"], mock.get(path).status) == ("pending", 404)
    mock.clock.now += 10
    assert mock.get(path).status == 200
    mock.clock.now += 60
    assert mock.get(path).status == 404
    assert mock.do("GET", f"/v1/events/{event['id']}")["state"] == "ended"


@pytest.mark.parametrize(("target", "status"), [("local", 200), ("127.0.0.1", 200), ("other", 404), ("nobody", 404)])
def test_only_its_target_sees_an_event(mock: DrivenMock, target: str, status: int) -> None:
    event = mock.do("POST", "/v1/events", {"kind": "spot", "target": target})
    assert event["addresses"] == {"local": ["127.0.0.1"], "other": ["172.18.0.9"]}.get(target, [])
    assert mock.get(SPOT).status == status


def test_the_endpoint_goes_off_and_on(mock: DrivenMock) -> None:
    event = mock.do("POST", "/v1/events", {"kind": "endpoint-disabled"})
    assert mock.get(LEAF).status == 403
    mock.do("POST", f"/v1/events/{event['id']}/cancel")
    assert mock.get(LEAF).status == 200


def test_credentials_rotate_on_command(mock: DrivenMock) -> None:
    before = json.loads(mock.get(ROLE).body)
    mock.clock.now += 2
    mock.do("POST", "/v1/events", {"kind": "credentials-rotation"})
    after = json.loads(mock.get(ROLE).body)
    assert after["AccessKeyId"] != before["AccessKeyId"]
    assert mock.get(ROLE)["Content-Length"] == str(len(mock.get(ROLE).body))


def test_a_scenario_is_put_on_the_clock_as_a_whole(mock: DrivenMock) -> None:
    steps = [
        {"at": "10s", "event": {"kind": "rebalance"}},
        {"at": "60s", "event": {"kind": "spot", "for": "3m"}},
        {"at": "90s", "fault": {"kind": "status", "path": "*/iam/*", "for": "5s"}},
    ]
    played = mock.do("POST", "/v1/scenarios", {"steps": steps, "target": "local"})
    assert [len(played["events"]), len(played["faults"])] == [2, 1]
    mock.clock.now += 90
    assert (mock.get(SPOT).status, mock.get(ROLE).status) == (200, 503)
    mock.clock.now += 5
    assert (mock.get(SPOT).status, mock.get(ROLE).status) == (200, 200)


def test_a_scenario_with_one_bad_step_changes_nothing(mock: DrivenMock) -> None:
    steps = [
        {"event": {"kind": "spot"}},
        {"fault": {"kind": "reset"}},
        {"fault": {"kind": "delay", "delay": "soon"}},
    ]
    status, detail, fields = problem(mock, "POST", "/v1/scenarios", {"steps": steps})
    assert (status, fields) == (422, ["steps[2].fault.delay"])
    assert "soon" in detail
    assert mock.do("GET", "/v1/events") == mock.do("GET", "/v1/faults") == []


def test_a_fault_hits_is_counted_and_is_removed(mock: DrivenMock) -> None:
    fault = mock.do("POST", "/v1/faults", {"kind": "status", "path": "*/iam/*", "retry_after": 3, "count": 2})
    assert [mock.get(ROLE).status for _ in range(3)] == [503, 503, 200]
    listed = mock.do("GET", "/v1/faults")[0]
    assert (listed["id"], listed["hits"], listed["state"]) == (fault["id"], 2, "spent")
    assert mock.do("GET", f"/v1/requests?fault={fault['id']}")[0]["faults"] == [fault["id"]]
    mock.do("DELETE", f"/v1/faults/{fault['id']}")
    assert mock.do("GET", "/v1/faults") == []


def test_tokens_from_before_are_revoked_and_new_ones_work(mock: DrivenMock) -> None:
    token = mock.token()
    mock.clock.now += 1
    mock.do("POST", "/v1/faults", {"kind": "revoke-tokens"})
    assert mock.get(LEAF, X_aws_ec2_metadata_token=token).status == 401
    assert mock.get(LEAF, X_aws_ec2_metadata_token=mock.token()).status == 200
    assert mock.get(LEAF).status == 200


def test_the_addresses_of_a_target_are_sorted(tmp_path: Path) -> None:
    replicas = [f"172.18.0.{number}" for number in range(30, 10, -1)]
    with driven_mock(tmp_path, fake_network=FakeNetwork(hosts={"app": frozenset(replicas)})) as mock:
        event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "app"})
    assert event["addresses"] == sorted(replicas)
    assert event["callers"] == len(replicas)
