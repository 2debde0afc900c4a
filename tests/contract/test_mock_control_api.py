"""The control plane over its Unix socket: each operation, and that the next request to the data plane sees it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imds_mock.control.request_stream import MAX_FOLLOWERS
from imds_mock.service import responses
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import Request
from imds_mock.wire.descriptors import CONTROL_CONNECTIONS
from support.callers import FakeNetwork
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.mockserver import Answer

LEAF = "/latest/meta-data/instance-id"
SPOT = "/latest/meta-data/spot/instance-action"
ROLE = "/latest/meta-data/iam/security-credentials/my-role"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrivenMock]:
    with driven_mock(tmp_path_factory.mktemp("mock")) as mock:
        yield mock


@pytest.fixture
def mock(running: DrivenMock) -> DrivenMock:
    running.do("POST", "/v1/reset")
    running.do("DELETE", "/v1/requests")
    return running


def problem(mock: DrivenMock, method: str, path: str, body: Any = None) -> tuple[int, str, list[str]]:
    reply = mock.call(method, path, body)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == reply.status
    return reply.status, reply.json["detail"], [each["field"] for each in reply.json.get("errors", [])]


def test_it_is_up_and_says_what_it_is(mock: DrivenMock) -> None:
    assert mock.do("GET", "/healthz") == {"status": "ok"}
    mock.get(LEAF)
    status = mock.do("GET", "/v1/status")
    assert (status["instance_id"], status["http_tokens"], status["events"]) == ("i-1234567890abcdef0", "optional", 0)


def test_the_body_of_a_client_that_offers_another_protocol_is_read(mock: DrivenMock) -> None:
    # As Java's HTTP client does with the first request of a connection.
    offer: Any = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2_Settings": "AAEAAEAAAAIAAAAB"}
    reply = mock.call("POST", "/v1/events", b'{"kind": "spot"}', Content_Type="application/json", **offer)
    assert (reply.status, [each["kind"] for each in mock.do("GET", "/v1/events")]) == (201, ["spot"])


def test_a_key_that_stands_twice_in_a_body_is_named(mock: DrivenMock) -> None:
    body = b'{"kind": "spot", "action": "stop", "in": 1.5, "action": "terminate"}'
    reply = mock.call("POST", "/v1/events", body, Content_Type="application/json")
    assert (reply.status, mock.do("GET", "/v1/events")) == (422, [])
    assert reply.json["detail"] == "body: the key 'action' appears twice in one mapping; write it once"


@pytest.mark.parametrize(
    ("method", "path", "sentence"),
    [
        ("GET", "/v1/evnts", "unknown path '/v1/evnts'; did you mean /v1/events?"),
        ("GET", "/qqqq", "unknown path '/qqqq'; GET /openapi.json lists all paths"),
        ("DELETE", "/v1/status", "DELETE is not allowed at '/v1/status'; use "),
    ],
)
def test_an_unknown_path_or_method_is_named(mock: DrivenMock, method: str, path: str, sentence: str) -> None:
    assert sentence in json.loads(mock.call(method, path).body)["detail"]


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


def test_metadata_is_set_read_and_removed_by_path(mock: DrivenMock) -> None:
    mock.do("PUT", "/v1/metadata/meta-data/placement/region", {"value": "eu-west-1"})
    assert mock.get("/latest/meta-data/placement/region").body == b"eu-west-1"
    mock.do("PUT", "/v1/metadata/meta-data/deep/er", {"value": ["a", "b"]})
    assert mock.get("/latest/meta-data/deep/er").body == b"a\nb"
    assert mock.do("GET", "/v1/metadata/meta-data/deep") == {"path": "meta-data/deep", "children": ["er"]}
    assert mock.do("GET", "/v1/metadata")["meta-data/deep/er"]["value"] == "a\nb"
    mock.do("DELETE", "/v1/metadata/meta-data/deep")
    assert mock.get("/latest/meta-data/deep/er").status == 404
    assert b"deep/" not in mock.get("/latest/meta-data/").body
    mock.do("DELETE", "/v1/metadata/meta-data/placement/region")
    assert mock.get("/latest/meta-data/placement/region").status == 404
    mock.do("PUT", "/v1/metadata/meta-data/placement/region", {"value": "eu-west-3"})
    assert mock.get("/latest/meta-data/placement/region").body == b"eu-west-3"


def test_what_is_not_there_cannot_be_removed(mock: DrivenMock) -> None:
    assert problem(mock, "DELETE", "/v1/metadata/meta-data/nothing")[0] == 404
    assert problem(mock, "GET", "/v1/metadata/meta-data/nothing")[0] == 404


def test_metadata_that_an_event_needs_otherwise_is_refused(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot"})
    status, detail, _ = problem(mock, "PUT", "/v1/metadata/meta-data/spot", {"value": "x"})
    assert (status, "meta-data/spot" in detail) == (409, True)
    assert mock.get(SPOT).status == 200


def test_a_caller_sees_his_own_metadata(mock: DrivenMock) -> None:
    mock.do("POST", "/v1/events", {"kind": "spot", "target": "other"})
    path = "/v1/metadata/meta-data/spot/instance-action"
    assert mock.call("GET", path).status == 404
    assert mock.do("GET", f"{path}?caller=other")["leaf"]["value"].startswith('{"action"')


def test_the_configuration_is_patched_and_replaced(mock: DrivenMock) -> None:
    patched = mock.do("PATCH", "/v1/config", {"instance": {"region": "eu-central-1"}})
    assert patched["instance"]["region"] == "eu-central-1"
    assert mock.get("/latest/meta-data/placement/region").body == b"eu-central-1"
    assert mock.do("GET", "/v1/config/instance/region") == {"value": "eu-central-1"}
    mock.do("PATCH", "/v1/config", {"instance": {"region": None}})
    assert mock.get("/latest/meta-data/placement/region").body == b"us-east-1"
    mock.do("PUT", "/v1/config/instance/region", {"value": "eu-west-2"})
    assert mock.get("/latest/meta-data/placement/region").body == b"eu-west-2"
    mock.do("DELETE", "/v1/config/instance/region")
    assert mock.get("/latest/meta-data/placement/region").body == b"us-east-1"
    mock.do("PUT", "/v1/config", {"metadata": {"meta-data/x": "1"}})
    assert mock.get("/latest/meta-data/x").body == b"1"
    mock.do("PUT", "/v1/config", {})
    assert mock.get("/latest/meta-data/x").status == 404


@pytest.mark.parametrize("query", ["", "?keep_journal=true"])
def test_reset_leads_back_to_the_start(mock: DrivenMock, query: str) -> None:
    mock.do("PATCH", "/v1/config", {"metadata": {"meta-data/x": "1"}})
    mock.do("POST", "/v1/events", {"kind": "spot"})
    mock.do("POST", "/v1/faults", {"kind": "status"})
    mock.do("DELETE", "/v1/faults")
    assert mock.get(SPOT).status == 200
    before = mock.do("GET", "/v1/status")["requests"]
    kept = len(mock.do("GET", "/v1/requests")) if query else 0
    mock.do("POST", f"/v1/reset{query}")
    assert len(mock.do("GET", "/v1/requests")) == kept
    assert bool(mock.do("GET", "/v1/requests/notices")) == bool(query)
    assert bool(mock.do("GET", "/v1/requests/imdsv1")) == bool(query)
    assert mock.do("GET", "/v1/status")["requests"] == (before if query else 0)
    assert (mock.get(SPOT).status, mock.get("/latest/meta-data/x").status, mock.get(LEAF).status) == (404, 404, 200)
    assert mock.do("GET", "/v1/events") == mock.do("GET", "/v1/faults") == []


def test_settings_are_set_together_by_their_dotted_keys(mock: DrivenMock) -> None:
    # Each alone contradicts what is there.
    both = {"instance.region": "eu-west-1", "instance.availability_zone": "eu-west-1b"}
    mock.do("POST", "/v1/config", {"instance.availability_zone": "us-east-1b"})
    assert mock.do("POST", "/v1/config", both) == both
    assert mock.get("/latest/meta-data/placement/availability-zone").body == b"eu-west-1b"
    assert b'"region": "eu-west-1"'.replace(b" ", b"") in mock.get(
        "/latest/dynamic/instance-identity/document"
    ).body.replace(b" ", b"")
    assert mock.do("POST", "/v1/config", {"instance.role": None, "instance.public_ipv4": None}) == {
        "instance.role": None,
        "instance.public_ipv4": None,
    }
    assert mock.get("/latest/meta-data/iam/info").status == mock.get("/latest/meta-data/public-ipv4").status == 404
    status, detail, fields = problem(mock, "POST", "/v1/config", {"instance.regoin": "x", "instance.mac": "y"})
    assert (status, fields) == (422, ["instance.regoin", "instance.mac"])
    assert "instance.regoin: unknown setting instance.regoin; did you mean instance.region?\n" in detail
    assert mock.get("/latest/meta-data/placement/region").body == b"eu-west-1"


@pytest.mark.parametrize(
    "settings",
    [
        {"instance.user_data": {"file": "/etc/hostname"}},
        {"instance": {"user_data": {"file": "/etc/hostname"}}},
        {"eks.token_file": "/etc/hostname"},
        {"eks": "{token_file: /etc/hostname}"},
        {"credentials.source": "profile"},
        {"credentials.endpoint_url": "http://127.0.0.1:9"},
        {"variants": [{"match": {"service": "a"}, "eks": {"token_file": "/etc/hostname"}}]},
        {"server.port": 1},
    ],
)
def test_settings_that_reach_beyond_the_mock_are_refused_by_key_as_well(mock: DrivenMock, settings: Any) -> None:
    before = mock.do("GET", "/v1/config")
    status, detail, _ = problem(mock, "POST", "/v1/config", settings)
    assert status == 422
    assert "cannot be set" in detail or "at the start only" in detail
    assert mock.do("GET", "/v1/config") == before


@pytest.mark.parametrize(
    ("method", "path", "body", "example"),
    [
        ("PATCH", "/v1/config", {"profile": "aemm"}, "compatibility: aemm"),
        ("PUT", "/v1/config", {"profile": "aemm"}, "compatibility: aemm"),
        ("PATCH", "/v1/config", {"profile": None}, "compatibility"),
        ("POST", "/v1/config", {"profile": "aemm"}, "compatibility"),
        ("PUT", "/v1/config/profile", {"value": "aemm"}, "compatibility"),
    ],
)
def test_a_renamed_setting_is_refused_with_its_new_name(
    mock: DrivenMock, method: str, path: str, body: Any, example: str
) -> None:
    status, detail, _ = problem(mock, method, path, body)
    assert status == (404 if path.endswith("profile") else 422)
    assert f"profile: renamed to compatibility in 0.2.0; write {example}" in detail


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"value": "x"}), ("DELETE", None)])
def test_an_unknown_setting_in_a_path_is_answered_with_the_nearest_one(
    mock: DrivenMock, method: str, body: Any
) -> None:
    for path, sentence in (
        ("instance/regoin", "unknown setting instance.regoin; did you mean instance.region?"),
        ("instence", "unknown setting instence; did you mean instance?"),
        ("instance/region/name", "unknown setting instance.region.name; did you mean instance.region?"),
    ):
        assert problem(mock, method, f"/v1/config/{path}", body)[:2] == (404, sentence)
    if method != "PUT":
        assert problem(mock, method, "/v1/config/metadata/meta-data/own", body)[:2] == (
            404,
            "metadata.meta-data/own is not set",
        )


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"value": "x"}), ("DELETE", None)])
def test_a_path_with_more_parts_than_a_document_has_levels_is_refused(mock: DrivenMock, method: str, body: Any) -> None:
    for parts in (63, 1500, 15_000):
        path = "instance/tags/" + "/".join(["a"] * parts)
        assert problem(mock, method, f"/v1/config/{path}", body)[:2] == (
            404,
            "the path is nested too deeply, in more than 64 levels",
        )


def test_a_null_that_restores_a_default_is_said(mock: DrivenMock) -> None:
    def note(patch: Any) -> str:
        reply = mock.call("PATCH", "/v1/config", patch)
        assert reply.status == 200
        return reply.headers.get("imds-mock-note", "")

    assert 'instance.role: null in a merge patch restores the default "my-role"; ' in note({"instance": {"role": None}})
    assert "`imds-mock ctl config set instance.public_ipv4=null`" in note({"instance": {"public_ipv4": None}})
    assert note({"instance": {"region": None, "tags": {"Name": None}}, "server": {}}) == ""


@pytest.mark.parametrize(
    ("method", "path", "setting"),
    [
        ("PUT", "meta-data/placement/region", "instance.region"),
        ("PUT", "latest/meta-data/instance-id/", "instance.instance_id"),
        ("DELETE", "meta-data/public-keys", "instance.public_keys"),
        ("DELETE", "meta-data/network", "instance.interfaces"),
        ("PUT", "meta-data/spot/instance-action", "ctl spot interrupt"),
        ("PUT", "meta-data/own", ""),
    ],
)
def test_a_change_of_a_derived_path_names_the_setting(mock: DrivenMock, method: str, path: str, setting: str) -> None:
    reply = mock.call(method, f"/v1/metadata/{path}", {"value": "x"} if method == "PUT" else None)
    assert reply.status in {200, 204}
    note = reply.headers.get("imds-mock-note", "")
    assert setting in note
    assert bool(note) == bool(setting)


def test_metadata_options_change_as_in_ec2(mock: DrivenMock) -> None:
    options = mock.do("PATCH", "/v1/metadata-options", {"http_tokens": "required"})
    assert options["http_tokens"] == mock.do("GET", "/v1/metadata-options")["http_tokens"] == "required"
    assert mock.get(LEAF).status == 401


@pytest.mark.parametrize("section", ["server", "control", "signing"])
def test_what_only_a_start_can_change_is_refused(mock: DrivenMock, section: str) -> None:
    key = {"server": "port", "control": "port", "signing": "key_directory"}[section]
    value: Any = "/tmp/x" if section == "signing" else 4711  # noqa: S108 - never made
    status, _, fields = problem(mock, "PATCH", "/v1/config", {section: {key: value}})
    assert (status, fields) == (422, ["signing.key_directory" if section == "signing" else section])


def test_a_rejected_change_changes_nothing_and_names_the_field(mock: DrivenMock) -> None:
    before = mock.do("GET", "/v1/config")
    for method, path, body, field in (
        ("PATCH", "/v1/config", {"metadata_options": {"http_tokens": "maybe"}}, "metadata_options.http_tokens"),
        ("PATCH", "/v1/config", {"instance": {"regio": "x"}}, "instance.regio"),
        ("PATCH", "/v1/metadata-options", {"http_tokens": 7}, "metadata_options.http_tokens"),
        ("PUT", "/v1/config", {"metadata": {"nowhere/x": "1"}}, "metadata.nowhere/x"),
        ("PUT", "/v1/metadata/meta-data/x", {"value": {"$base64": "%"}}, "metadata.meta-data/x.$base64"),
        ("PUT", "/v1/metadata/meta-data/x", {"valu": 1}, "valu"),
        ("POST", "/v1/events", {"kind": "spot", "action": "explode"}, "action"),
        ("POST", "/v1/events", {"kind": "spot", "in": "soon"}, "in"),
        ("POST", "/v1/events", {"kind": "gremlin"}, "kind"),
        ("POST", "/v1/events", {"kind": "lifecycle"}, "state"),
        ("POST", "/v1/faults", {"kind": "status", "rate": 2}, "rate"),
        ("POST", "/v1/scenarios", {"steps": [{"event": {"kind": "spot", "x": 1}}]}, "steps[0].event.x"),
        ("POST", "/v1/events", {"kind": "spot", "target": ""}, "target"),
        ("POST", "/v1/faults", {"kind": "reset", "target": "x" * 254}, "target"),
        ("POST", "/v1/faults", {"kind": "reset", "path": "*a" * 513}, "path"),
        ("PUT", "/v1/metadata/meta-data/ami-id", {"value": None}, "value"),
        ("PUT", "/v1/metadata/meta-data/../x", {"value": "1"}, "metadata.meta-data/../x"),
        ("PUT", "/v1/config/instance/user_data", {"value": {"file": "/etc/passwd"}}, "instance.user_data.file"),
        (
            "PATCH",
            "/v1/config",
            {"variants": [{"match": {"name": "x"}, "instance": {"user_data": {"file": "/etc/passwd"}}}]},
            "variants[0].instance.user_data.file",
        ),
        ("GET", "/v1/requests?limit=0", None, "limit"),
        ("GET", "/v1/requests?since=soon", None, "since"),
        ("GET", "/v1/requests?sinc=1", None, "sinc"),
    ):
        status, _, fields = problem(mock, method, path, body)
        assert (status, fields) == (422, [field]), path
    assert mock.do("GET", "/v1/config") == before
    assert mock.do("GET", "/v1/events") == mock.do("GET", "/v1/faults") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/events/spot-99", 404),
        ("POST", "/v1/events/spot-99/cancel", 404),
        ("POST", "/v1/events/spot-99/end", 404),
        ("POST", "/v1/events/spot-99/rearm", 404),
        ("DELETE", "/v1/events/spot-99", 404),
        ("GET", "/v1/faults/x", 404),
        ("DELETE", "/v1/faults/x", 404),
        ("GET", "/v1/config/instance/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/v1/events/", 404),
        ("DELETE", "/healthz", 405),
        ("HEAD", "/v1/requests/stream", 405),
        ("GET", "/v1/requests?limit=1&limit=2", 422),
    ],
)
def test_other_mistakes_are_problems_as_well(mock: DrivenMock, method: str, path: str, status: int) -> None:
    reply = mock.call(method, path)
    assert (reply.status, reply.headers["content-type"]) == (status, "application/problem+json")
    assert status != 405 or reply.headers["allow"]


def test_bodies_are_json_and_not_endless(mock: DrivenMock) -> None:
    assert mock.call("POST", "/v1/events", b"{", Content_Type="application/json").status == 400
    assert mock.call("POST", "/v1/events", b"\xff", Content_Type="application/json").status == 400
    assert mock.call("POST", "/v1/events", b"{}", Content_Type="text/plain").status == 415
    for size, status in ((256 * 1024, 400), (256 * 1024 + 1, 413)):
        assert mock.call("POST", "/v1/events", b" " * size, Content_Type="application/json").status == status


def nested(depth: int) -> bytes:
    return b'{"value":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"


@pytest.mark.parametrize("depth", [100, 400, 900, 20_000])
def test_a_body_that_is_nested_too_deeply_is_refused(mock: DrivenMock, depth: int) -> None:
    before = mock.do("GET", "/v1/config")
    reply = mock.call("PUT", "/v1/metadata/meta-data/x", nested(depth), Content_Type="application/json")
    assert (reply.status, reply.headers["content-type"]) == (422, "application/problem+json")
    assert mock.do("GET", "/v1/config") == before


def test_metadata_that_would_change_nothing_is_refused_and_not_kept(mock: DrivenMock) -> None:
    assert problem(mock, "PUT", "/v1/metadata/meta-data/x", {"value": {"$content_type": "text/x"}})[0] == 404
    assert mock.do("GET", "/v1/config/metadata") == {"value": {}}


def test_an_empty_category_has_no_children(mock: DrivenMock) -> None:
    assert mock.do("PUT", "/v1/metadata/meta-data/x", {"value": {}}) == {"path": "meta-data/x", "children": []}


def connect(mock: DrivenMock) -> socket.socket:
    return socket.create_connection(("127.0.0.1", mock.control_port), 60)


def test_a_head_without_end_is_cut_off(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        endless = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 8192) for number in range(1000))
        with pytest.raises(ConnectionError):
            client.sendall(endless)
    assert mock.call("GET", "/healthz", tcp=True).status == 200


def test_a_client_that_half_closes_is_answered(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_away_while_it_sends_a_body_is_no_error(
    mock: DrivenMock, caplog: pytest.LogCaptureFixture
) -> None:
    with connect(mock) as client:
        client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    assert mock.do("GET", "/healthz") is not None
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_those_who_only_connect_are_kept_to_a_number_and_ctl_is_not_concerned(mock: DrivenMock) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(mock)) for _ in range(CONTROL_CONNECTIONS + 1)]
        assert silent[-1].recv(1) == b""
        assert mock.call("GET", "/healthz").status == 200
    assert mock.get(LEAF).status == 200


def test_a_follower_that_knows_numbers_of_another_run_misses_nothing(mock: DrivenMock) -> None:
    for last_seen in ("1000000", "9" * 5000):
        with connect(mock) as client:
            client.sendall(
                b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: %b\r\n\r\n" % last_seen.encode()
            )
            with client.makefile("rb") as lines:
                while b"following" not in lines.readline():
                    pass
                mock.get(LEAF)
                while not (line := lines.readline()).startswith(b"data:"):
                    pass
        assert json.loads(line[5:])["path"] == LEAF


def test_a_name_that_is_followed_stays_known_when_others_are_looked_up(mock: DrivenMock) -> None:
    with connect(mock) as client:
        client.sendall(b"GET /v1/requests/stream?caller=local HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with client.makefile("rb") as lines:
            while b"following" not in lines.readline():
                pass
            mock.do("GET", "/v1/requests?caller=other")
            mock.get(LEAF)
            while not (line := lines.readline()).startswith(b"data:"):
                pass
    assert json.loads(line[5:])["path"] == LEAF


def test_head_is_get_without_the_body(mock: DrivenMock) -> None:
    reply = mock.call("HEAD", "/healthz")
    assert (reply.status, reply.body) == (200, b"")


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


def test_the_addresses_of_a_target_are_sorted(tmp_path: Path) -> None:
    replicas = [f"172.18.0.{number}" for number in range(30, 10, -1)]
    with driven_mock(tmp_path, fake_network=FakeNetwork(hosts={"app": frozenset(replicas)})) as mock:
        event = mock.do("POST", "/v1/events", {"kind": "spot", "target": "app"})
    assert event["addresses"] == sorted(replicas)
    assert event["callers"] == len(replicas)


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


def test_no_secret_leaves_through_the_control_plane(mock: DrivenMock) -> None:
    secret = "ThisIsTheSecretOfTheStaticSource"  # noqa: S105 - what must not show up
    keys = {"access_key_id": "ASIAX", "secret_access_key": secret, "session_token": secret, "source": "static"}
    mock.do("PATCH", "/v1/config", {"credentials": keys})
    token = mock.token()
    assert secret in mock.get(ROLE, X_aws_ec2_metadata_token=token).body.decode()
    told = b"".join(
        mock.call("GET", path).body
        for path in (
            *("/v1/config", "/v1/config/credentials", "/v1/metadata", f"/v1/metadata{ROLE}", "/v1/requests"),
            *("/v1/status", "/metrics", "/v1/callers", "/v1/events", "/openapi.json"),
        )
    )
    assert b"ASIAX" in told
    assert secret.encode() not in told
    assert token.encode() not in told
    mock.do("PUT", "/v1/config", mock.do("GET", "/v1/config"))
    assert secret in mock.get(ROLE).body.decode(), "a masked secret that is sent back stays what it was"


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


def batches(client: socket.socket) -> Iterator[dict[str, Any]]:
    """The batches of a stream of requests."""
    file = client.makefile("rb")
    for line in file:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


def test_a_stream_in_batches_is_complete_or_an_even_sample(mock: DrivenMock) -> None:
    last = mock.runtime.journal.last_number
    for _ in range(3):
        mock.get("/latest/meta-data/mac", User_Agent="probe/1.0")
    with socket.create_connection(("127.0.0.1", mock.control_port), timeout=60) as client:
        client.sendall(
            f"GET /v1/requests/stream?after={last}&interval=100ms HTTP/1.1\r\nHost: x.localhost\r\n\r\n".encode()
        )
        found = batches(client)
        earlier = next(found)
        assert [each["number"] for each in earlier["requests"]] == [last + 1, last + 2, last + 3]
        assert {each["user_agent"] for each in earlier["requests"]} == {"probe/1.0"}
        assert (earlier["last"], earlier["skipped"]) == (last + 3, 0)

        def flood() -> None:
            for number in range(1000):
                request = Request("GET", f"/{number}", f"/{number}")
                mock.runtime.journal.record(1.0, Exchange("127.0.0.1", request, responses.refusal(404)), 9)

        mock.run(flood)
        flooded = next(found)
        numbers = [each["number"] - last - 3 for each in flooded["requests"]]
        assert numbers == list(range(10, 1001, 10))
        assert flooded["skipped"] == 900
        assert mock.do("GET", "/v1/status")["followers"] == 1


def test_a_stream_with_a_wrong_interval_is_refused(mock: DrivenMock) -> None:
    for interval in ("0", "11s", "1ms"):
        reply = mock.call("GET", f"/v1/requests/stream?interval={interval}")
        assert (reply.status, reply.json["errors"][0]["field"]) == (422, "interval")


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


def test_the_stream_shows_requests_as_they_come(mock: DrivenMock) -> None:
    mock.get("/latest/missed")
    last = mock.do("GET", "/v1/requests")[-1]["number"]
    mock.get(LEAF)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(mock.socket_path))
        client.sendall(f"GET /v1/requests/stream HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {last}\r\n\r\n".encode())
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.readline() == b": following\n"
        assert next_data(answer)["path"] == LEAF
        mock.get("/latest/user-data")
        assert next_data(answer)["path"] == "/latest/user-data"
        answer.close()


def next_data(answer: http.client.HTTPResponse) -> Any:
    while not (line := answer.readline()).startswith(b"data: "):
        assert line, "the stream has ended"
    return json.loads(line[6:])


def test_a_follower_that_goes_leaves_nothing_behind(mock: DrivenMock) -> None:
    test_the_stream_shows_requests_as_they_come(mock)
    wait_until_nobody_follows(mock)


def followers(mock: DrivenMock) -> int:
    return len(mock.runtime.journal.followers)


def test_the_other_followers_stay_when_one_goes(mock: DrivenMock) -> None:
    wait_until_nobody_follows(mock)
    request = b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(mock) as staying, staying.makefile("rb") as lines:
        with connect(mock) as leaving, leaving.makefile("rb") as other_lines:
            for client, received in ((staying, lines), (leaving, other_lines)):
                client.sendall(request)
                while b"following" not in received.readline():
                    pass
            assert followers(mock) == 2
        for _ in range(1000):
            mock.get(LEAF)
            if followers(mock) < 2:
                break
        assert followers(mock) == 1


def wait_until_nobody_follows(mock: DrivenMock) -> None:
    # The server notices when it next writes: by then a follower that went has to be gone.
    for _ in range(1000):
        mock.get(LEAF)
        if not mock.runtime.journal.followers:
            return
    raise AssertionError(mock.runtime.journal.followers)


def test_a_burst_of_followers_is_kept_to_the_number_of_places(mock: DrivenMock) -> None:
    wait_until_nobody_follows(mock)
    first_lines = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(mock)) for _ in range(MAX_FOLLOWERS * 2)]
        mock.do("GET", "/healthz")  # and all of them are accepted
        sent = threading.Event()
        mock.loop.call_soon_threadsafe(sent.wait, 60)
        for client in clients:
            client.sendall(b"GET /v1/requests/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sent.set()
        for client in clients:
            with client.makefile("rb") as lines:
                first_lines.append(lines.readline().split()[1])
        assert len(mock.runtime.journal.followers) == MAX_FOLLOWERS
    assert sorted(first_lines) == [b"200"] * MAX_FOLLOWERS + [b"503"] * MAX_FOLLOWERS
    wait_until_nobody_follows(mock)


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
