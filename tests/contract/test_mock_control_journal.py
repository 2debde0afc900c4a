"""The journal, its queries and the metrics over the control plane's socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.callers import FakeNetwork
from support.mockcontrol import driven_mock

if TYPE_CHECKING:
    from pathlib import Path

    from support.mockcontrol import DrivenMock
    from support.mockserver import Answer

LEAF = "/latest/meta-data/instance-id"
SPOT = "/latest/meta-data/spot/instance-action"


def test_the_journal_says_who_asked_what(mock: DrivenMock) -> None:
    mock.get("//latest/meta-data/instance-id/?token=secret")
    mock.get(LEAF, X_aws_ec2_metadata_token=mock.token())
    first, put, second = mock.do("GET", "/v1/requests")
    assert (first["caller"], first["path"], first["written"]) == ("127.0.0.1", LEAF, f"//{LEAF[1:]}/")
    assert (first["version"], first["token"], first["status"], first["method"]) == ("v1", "absent", 200, "GET")
    assert (put["method"], put["token"]) == ("PUT", "issued")
    assert (second["version"], second["token"]) == ("v2", "valid")
    assert first["time"].endswith("Z")
    assert [each["number"] for each in mock.do("GET", "/v1/requests?version=v2&limit=1")] == [second["number"]]
    assert mock.do("GET", "/v1/requests?caller=other") == []
    assert len(mock.do("GET", "/v1/requests?caller=local")) == 3
    (caller,) = mock.do("GET", "/v1/callers")
    assert (caller["address"], caller["names"], caller["requests"]) == ("127.0.0.1", [], 3)
    assert (caller["instance_id"], caller["role"]) == ("i-1234567890abcdef0", "my-role")


def test_bytes_that_are_not_a_request_have_no_method_and_no_version(mock: DrivenMock) -> None:
    assert mock.ask("nonsense\r\n\r\n").status == 400
    (entry,) = mock.do("GET", "/v1/requests")
    assert (entry["method"], entry["version"], entry["status"]) == (None, None, 400)


class BusyNameServer(FakeNetwork):
    """Its answers take some turns of the event loop, as those of a real one do."""

    async def names_of(self, address: str) -> tuple[str, ...]:
        for _ in range(5):
            await asyncio.sleep(0)
        return await super().names_of(address)


@pytest.mark.parametrize("question", ["", "/imdsv1", "/notices"])
def test_who_is_shown_is_shown_with_a_name_the_first_time(tmp_path: Path, question: str) -> None:
    """In CI there is no second time."""
    network = BusyNameServer({"127.0.0.5": "proj-worker-1.proj_default"}, own_addresses=(), names_loopback=True)
    with driven_mock(tmp_path, fake_network=network) as mock:
        mock.do("POST", "/v1/events", {"kind": "spot"})
        assert mock.get("/latest/meta-data/spot/instance-action", source="127.0.0.5").status == 200
        (found,) = mock.do("GET", f"/v1/requests{question}")
    assert (found["caller"], found["names"]) == ("127.0.0.5", ["proj-worker-1", "worker"])


def test_questions_have_answers(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot"})
    assert mock.do("GET", "/v1/requests/notices") == []
    token = mock.token()
    mock.get(SPOT, X_aws_ec2_metadata_token=token)
    assert mock.do("GET", "/v1/requests/imdsv1") == []
    mock.get(LEAF)
    (v1,) = mock.do("GET", "/v1/requests/imdsv1")
    assert (v1["caller"], v1["times"]) == ("127.0.0.1", 1)
    (notice,) = mock.do("GET", "/v1/requests/notices?caller=local")
    assert (notice["subject"], notice["caller"], notice["times"]) == ("spot-interruption", "127.0.0.1", 1)
    count = "/v1/requests/count?path=*/spot/*"
    assert mock.do("GET", f"{count}&caller=local") == {
        "holds": True,
        "count": 1,
        "complete": True,
        "first": notice["first"],
        "last": notice["last"],
        "recorded": 3,
        "recorded_from_caller": 3,
        "callers": 1,
        "warning": None,
    }
    assert not mock.do("GET", f"{count}&at_least=2")["holds"]
    assert mock.do("GET", f"{count}&at_most=1")["holds"]
    assert not mock.do("GET", f"{count}&at_most=0")["holds"]
    mock.clock.now += 100
    assert mock.do("GET", f"{count}&since=50s&at_most=0")["holds"]


def test_a_caller_shows_its_clients_and_its_imdsv1_requests(mock: DrivenMock) -> None:
    mock.do("DELETE", "/v1/requests")
    mock.get("/latest/meta-data/mac", User_Agent="curl/8")
    token = mock.token()
    mock.get("/latest/meta-data/mac", User_Agent="Boto3/1.40", X_aws_ec2_metadata_token=token)
    mock.get("/latest/meta-data/mac", User_Agent="Boto3/1.40", X_aws_ec2_metadata_token=token)
    [caller] = mock.do("GET", "/v1/callers")
    assert (caller["address"], caller["requests"], caller["imdsv1"]) == ("127.0.0.1", 4, 1)
    assert caller["clients"] == [
        {"user_agent": "Boto3/1.40", "requests": 2},
        {"user_agent": "curl/8", "requests": 1},
        {"user_agent": "", "requests": 1},
    ]
    assert caller["region"] == mock.get("/latest/meta-data/placement/region").body.decode()


def test_the_first_reads_of_an_event(mock: DrivenMock) -> None:
    event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "127.0.0.1"})
    mock.clock.now += 4.6
    mock.get("/latest/meta-data/spot/instance-action")
    mock.get("/latest/meta-data/spot/termination-time")
    [read] = [each for each in mock.do("GET", "/v1/requests/first-reads") if each["event"] == event["id"]]
    assert (read["caller"], read["seconds"]) == ("127.0.0.1", 4.6)
    assert read["path"] == "meta-data/spot/instance-action"
    assert read["number"] == mock.runtime.journal.last_number - 1
    mock.do("DELETE", f"/v1/events/{event['id']}")


def test_prometheus_can_read_the_metrics(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot"})
    mock.get(SPOT)
    families = {
        family.name: family for family in text_string_to_metric_families(mock.call("GET", "/metrics").body.decode())
    }
    assert {"imds_mock_requests", "imds_mock_tokens", "imds_mock_events", "imds_mock_request_duration_seconds"} <= set(
        families
    )
    (events,) = families["imds_mock_events"].samples
    assert (events.labels, events.value) == ({"kind": "spot", "state": "active"}, 1.0)
    (info,) = families["imds_mock_info"].samples
    assert (info.labels, info.value) == ({"version": mock.do("GET", "/v1/status")["version"]}, 1.0)


def test_a_probe_counts_nowhere(mock: DrivenMock) -> None:
    answer: Answer = mock.get("/", X_Imds_Mock_Probe="abc")
    assert answer.status == 204
    assert mock.do("GET", "/v1/requests") == []
