"""Metadata and settings over the control plane's socket: the next request to the data plane sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.mockcontrol import problem

if TYPE_CHECKING:
    from support.mockcontrol import DrivenMock

LEAF = "/latest/meta-data/instance-id"
UNREADABLE = "GET /latest/ HTTP/1.1\r\nno colon\r\n\r\n"
SPOT = "/latest/meta-data/spot/instance-action"


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


def test_the_response_to_bytes_that_cannot_be_parsed_follows_the_settings(mock: DrivenMock) -> None:
    assert mock.ask(UNREADABLE)["Content-Type"] == "text/html"
    mock.do("PATCH", "/v1/metadata-options", {"bad_request_content_type": "text/plain"})
    assert mock.ask(UNREADABLE)["Content-Type"] == "text/plain"
    mock.do("PATCH", "/v1/config", {"compatibility": "aemm"})
    assert mock.ask(UNREADABLE).body == b"400 Bad Request"
    mock.do("POST", "/v1/reset")
    assert mock.ask(UNREADABLE)["Content-Type"] == "text/html"
    other = {"match": {"address": "127.0.0.2"}, "metadata_options": {"bad_request_content_type": "text/css"}}
    mock.do("PATCH", "/v1/config", {"variants": [other]})
    assert mock.ask(UNREADABLE, "127.0.0.2")["Content-Type"] == "text/css"
    assert mock.ask(UNREADABLE)["Content-Type"] == "text/html"


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


def test_metadata_that_would_change_nothing_is_refused_and_not_kept(mock: DrivenMock) -> None:
    assert problem(mock, "PUT", "/v1/metadata/meta-data/x", {"value": {"$content_type": "text/x"}})[0] == 404
    assert mock.do("GET", "/v1/config/metadata") == {"value": {}}


def test_an_empty_category_has_no_children(mock: DrivenMock) -> None:
    assert mock.do("PUT", "/v1/metadata/meta-data/x", {"value": {}}) == {"path": "meta-data/x", "children": []}
