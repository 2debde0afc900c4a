"""The operations that tell where values come from: leaves, settings, statistics, and previews of scenarios."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any

import pytest

from support.mockcontrol import DrivenMock, driven_mock
from support.mockprogram import running_program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "meta-data/placement/region"
TYPE = "meta-data/instance-type"
SPOT = "meta-data/spot/instance-action"
CONFIGURED = {"metadata": {"meta-data/own/a": "1", "meta-data/own/b": "2"}, "instance": {"tags": {"Name": "web"}}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("mock"), CONFIGURED) as mock:
        yield mock


@pytest.fixture
def mock(running: DrivenMock) -> DrivenMock:
    running.do("POST", "/v1/reset")
    return running


def leaves(mock: DrivenMock, query: str = "") -> dict[str, dict[str, Any]]:
    return {each["path"]: each for each in mock.do("GET", f"/v1/leaves{query}")["leaves"]}


def test_each_leaf_tells_where_its_value_comes_from(mock: DrivenMock) -> None:
    options = {"metadata_options.instance_metadata_tags": "enabled"}
    mock.do("POST", "/v1/config", {"instance.instance_type": "m7g.large", **options})
    found = leaves(mock)
    assert (found[TYPE]["value"], found[TYPE]["source"], found[TYPE]["settings"]) == (
        "m7g.large",
        "setting",
        ["instance.instance_type"],
    )
    assert (found["meta-data/tags/instance/Name"]["source"]) == "setting"
    assert found["meta-data/placement/availability-zone"]["source"] == "derived"
    assert found["meta-data/services/domain"]["settings"] == ["instance.region"]
    assert found["meta-data/own/a"]["source"] == "override"
    assert found["meta-data/own/a"]["is_overridden"] is True


def test_an_event_is_the_source_of_what_it_changes_for_its_target(mock: DrivenMock) -> None:
    event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "local"})
    assert leaves(mock, "?caller=local")[SPOT]["events"] == [event["id"]]
    assert leaves(mock, "?caller=local")[SPOT]["source"] == "event"
    assert SPOT not in leaves(mock)
    assert SPOT not in leaves(mock, "?caller=local&at=start")
    mock.do("POST", f"/v1/events/{event['id']}/cancel")
    assert SPOT not in leaves(mock, "?caller=local")


def test_the_start_can_be_compared_with_now(mock: DrivenMock) -> None:
    mock.do("PUT", f"/v1/metadata/{REGION}", {"value": "eu-west-1"})
    mock.do("DELETE", "/v1/metadata/meta-data/own")
    now, start = leaves(mock), leaves(mock, "?at=start")
    assert (now[REGION]["value"], start[REGION]["value"]) == ("eu-west-1", "us-east-1")
    assert "meta-data/own/a" not in now
    assert start["meta-data/own/a"]["value"] == "1"
    assert mock.do("GET", "/v1/leaves")["removed"] == ["meta-data/own"]


def test_a_caller_without_changes_is_the_same_at_the_start(tmp_path: Path) -> None:
    with driven_mock(tmp_path, {"identity": "per-container"}) as mock:
        for name in ("local", "other"):
            query = f"?caller={name}"
            assert leaves(mock, query) == leaves(mock, f"{query}&at=start")


def test_a_version_that_is_not_served_is_refused(mock: DrivenMock) -> None:
    assert "meta-data/spot/instance-action" not in leaves(mock, "?version=1.0")
    assert mock.call("GET", "/v1/leaves?version=2099-01-01").status == 404
    assert mock.call("GET", "/v1/leaves?caller=nobody").status == 404


def test_secrets_stay_masked(mock: DrivenMock) -> None:
    value = leaves(mock)["meta-data/iam/security-credentials/my-role"]["value"]
    assert json.loads(value)["SecretAccessKey"] == "********"


def test_a_path_goes_back_to_the_start_and_other_changes_stay(mock: DrivenMock) -> None:
    mock.do("PUT", f"/v1/metadata/{REGION}", {"value": "eu-west-1"})
    mock.do("DELETE", "/v1/metadata/meta-data/own/a")
    mock.do("PUT", "/v1/metadata/meta-data/own/b", {"value": "3"})
    mock.do("POST", "/v1/metadata/meta-data/own/revert")
    assert mock.get("/latest/meta-data/own/a").body == b"1"
    assert mock.get("/latest/meta-data/own/b").body == b"2"
    assert mock.get(f"/latest/{REGION}").body == b"eu-west-1"
    mock.do("POST", f"/v1/metadata/{REGION}/revert")
    assert mock.get(f"/latest/{REGION}").body == b"us-east-1"
    mock.do("DELETE", "/v1/metadata/meta-data/own")
    refused = mock.call("POST", "/v1/metadata/meta-data/own/a/revert")
    assert refused.status == 204
    assert mock.get("/latest/meta-data/own/a").body == b"1"


def test_a_path_that_is_as_at_the_start_cannot_be_reverted(mock: DrivenMock) -> None:
    refused = mock.call("POST", f"/v1/metadata/{REGION}/revert")
    assert (refused.status, refused.json["detail"]) == (404, f"{REGION}: no override was changed since the start")
    mock.do("DELETE", "/v1/metadata/meta-data/placement")
    refused = mock.call("POST", f"/v1/metadata/{REGION}/revert")
    assert (refused.status, refused.json["detail"]) == (
        409,
        f"{REGION} is changed by the override of meta-data/placement; revert that path",
    )


def test_each_setting_tells_its_source(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("instance: {region: eu-west-1}\ncredentials: {seed: a-seed}\n")
    options = ["--config", str(file), "--set", "instance.instance_type=m7g.large", "--set", "control.port=0"]
    with running_program(tmp_path, options, IMDS_MOCK_HTTP_TOKENS="required") as program:
        program.await_line("control plane on unix:")
        port = next(line.rpartition(":")[2] for line in program.lines if "control plane on unix:" in line)
        call(port, "PUT", "/v1/config/instance/account_id", {"value": "210987654321"})
        found = {each["key"]: each for each in call(port, "GET", "/v1/settings")}
    assert {
        key: found[key]["source"]
        for key in (
            "instance.region",
            "instance.instance_type",
            "metadata_options.http_tokens",
            "instance.account_id",
            "instance.image_id",
        )
    } == {
        "instance.region": str(file),
        "instance.instance_type": "command line",
        "metadata_options.http_tokens": "IMDS_MOCK_HTTP_TOKENS",
        "instance.account_id": "control plane",
        "instance.image_id": "default",
    }
    assert (found["credentials.seed"]["value"], found["credentials.seed"]["source"]) == ("********", str(file))
    assert (found["instance.account_id"]["value"], found["instance.account_id"]["at_start"]) == (
        "210987654321",
        "123456789012",
    )


def test_statistics_count_the_latest_requests(mock: DrivenMock) -> None:
    empty = mock.do("GET", "/v1/statistics")
    assert (empty["requests"], empty["p99_microseconds"], empty["imdsv1_share"]) == (0, None, None)
    token = mock.token()
    for _ in range(2):
        mock.get("/latest/meta-data/instance-id", X_aws_ec2_metadata_token=token)
    mock.get("/latest/meta-data/instance-id")
    found = mock.do("GET", "/v1/statistics")
    assert (found["requests"], found["requests_per_second"], found["imdsv1_share"]) == (4, 0.4, 0.25)
    assert 0 < found["p50_microseconds"] <= found["p99_microseconds"]
    assert found["tokens"]["issued"] > 0
    assert 10_000_000 < found["memory_bytes"] < 2_000_000_000


def test_a_scenario_is_read_and_planned_without_arming_anything(mock: DrivenMock) -> None:
    text = "steps:\n- {at: 60s, fault: {kind: status, for: 10s}}\n- {at: 10s, event: {kind: spot, target: nobody}}\n"
    preview = mock.do("POST", "/v1/scenarios/preview", {"text": text})
    first, second = preview["steps"]
    assert (first["what"], first["kind"], first["after_seconds"], first["callers"]) == ("event", "spot", 10, 0)
    assert "matches no caller" in first["warning"]
    assert (second["what"], second["kind"], second["after_seconds"], second["ends"] is None) == (
        "fault",
        "status",
        60,
        False,
    )
    assert mock.do("GET", "/v1/events") == mock.do("GET", "/v1/faults") == []
    assert len(mock.do("POST", "/v1/scenarios", preview["scenario"])["events"]) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: [{event: {kind: sport}}]", "did you mean spot?"),
        ("steps: [", "scenario:2:1: is not valid YAML"),
        ("", "expected a scenario with steps"),
    ],
)
def test_a_wrong_scenario_is_explained(mock: DrivenMock, text: str, sentence: str) -> None:
    refused = mock.call("POST", "/v1/scenarios/preview", {"text": text})
    assert refused.status == 422
    assert sentence in refused.json["detail"]


def call(port: str, method: str, path: str, body: Any = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer
