"""The container agents with any `Host`: AWS SDKs use them over loopback, without the agents' addresses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

import client_install
from support.callers import FakeNetwork
from support.imds_program import running_imds
from support.mockcontrol import DrivenMock, driven_mock
from support.mockserver import head, read_answer
from support.real_clients import BOTO3, JAVASCRIPT, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.imds_program import ImdsProgram

TOKEN = "token-of-the-pod"  # noqa: S105 - planted
WEB, WORKER, DATABASE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
STATE = "/api/any/task-protection/v1/state"


@pytest.fixture(scope="module")
def imds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImdsProgram]:
    document = {"agents": {"any_host": True}, "eks": {"token": TOKEN}}
    with running_imds(document, tmp_path_factory.mktemp("any-host")) as running:
        yield running


@pytest.mark.parametrize("language", ["boto3", "javascript"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize(
    ("path", "version"), [("/v2/credentials/any", "ecs"), ("/creds", "ecs"), ("/v1/credentials", "eks")]
)
def test_an_sdk_reads_credentials_over_loopback(
    imds: ImdsProgram, language: str, host: str, path: str, version: str
) -> None:
    argv, environment = [sys.executable, "-c", BOTO3], dict[str, str]()
    if language == "javascript":
        named = placeholders(client_install.install())
        argv, environment = [named["node"], "-e", JAVASCRIPT], {"NODE_PATH": named["modules"]}
    url = f"{imds.url.replace('127.0.0.1', host)}{path}"
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN}
    imds.asked()
    _, *keys, _ = json.loads(imds.run(argv, variables=environment | variables).stdout)
    asked = imds.asked()
    shown = json.loads(imds.read("/latest/meta-data/iam/security-credentials/my-role"))
    assert keys == [shown[key] for key in ("AccessKeyId", "SecretAccessKey", "Token")]
    assert [(each.status, each.version) for each in asked] == [(200, version)]


def test_curl_protects_its_task(imds: ImdsProgram) -> None:
    body = '{"ProtectionEnabled":true,"ExpiresInMinutes":60}'
    options = ("--request", "PUT", "--header", "Content-Type: application/json", "--data", body)
    protected = json.loads(imds.curl(STATE, "--fail", *options))["protection"]
    assert protected["ProtectionEnabled"] is True
    assert json.loads(imds.curl(STATE, "--fail"))["protection"] == protected
    assert protected["TaskArn"] == json.loads(imds.curl("/v4/any/task", "--fail"))["TaskARN"]
    assert json.loads(imds.curl("/v2/metadata", "--fail"))["TaskARN"] == protected["TaskArn"]
    chunked = imds.curl(STATE, "--fail", *options, "--header", "Transfer-Encoding: chunked")
    assert json.loads(chunked)["protection"]["ProtectionEnabled"] is True
    assert imds.curl(STATE, "--request", "PUT", "--output", "/dev/null", "--write-out", "%{http_code}") == "400"


def test_the_metadata_service_keeps_its_paths(imds: ImdsProgram) -> None:
    assert "instance-id" in imds.curl("/latest/meta-data/", "--fail")
    assert "Server: EC2ws" in imds.curl("/", "--include")
    assert "Server: EC2ws" not in imds.curl("/v4/any", "--include")


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[DrivenMock]:
    names = {WEB: "proj-web-1.proj_default", WORKER: "proj-worker-1.proj_default", DATABASE: "db.proj_default"}
    hosts = {name.partition(".")[0]: frozenset({address}) for address, name in names.items()}
    document = {"variants": [{"match": {"name": "db"}, "ecs": {"family": "database"}}]}
    with driven_mock(
        tmp_path, document, FakeNetwork({**names}, hosts, own_addresses=(), names_loopback=True)
    ) as running:
        yield running


def ask(mock: DrivenMock, path: str, source: str, host: str = "169.254.170.2") -> Any:
    with mock.connect(source) as client:
        client.sendall(head("GET", path).replace("169.254.169.254", host).encode())
        answer = read_answer(client)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_containers_that_have_sent_requests_are_listed(mock: DrivenMock) -> None:
    for source in (WEB, WORKER, DATABASE):
        ask(mock, "/v4/any", source)
    task = ask(mock, "/v4/any/task", WORKER)
    assert [each["Name"] for each in task["Containers"]] == ["worker", "web"]
    assert ask(mock, "/v4/any/task", WEB)["Containers"] == task["Containers"][::-1]
    assert [each["Name"] for each in ask(mock, "/v2/metadata", DATABASE)["Containers"]] == ["db"]


def test_any_host_can_be_changed_at_run_time(mock: DrivenMock) -> None:
    asked = head("GET", "/v4/any", Connection="close")
    for chosen, status in ((False, 404), (True, 200), (False, 404)):
        mock.do("PATCH", "/v1/config", {"agents": {"any_host": chosen}})
        assert mock.ask(asked, WEB).status == status
    versions = [each["version"] for each in mock.do("GET", "/v1/requests?limit=3")]
    assert sorted(versions) == ["ecs", "v1", "v1"]


def test_a_reset_ends_protection(mock: DrivenMock) -> None:
    body = '{"ProtectionEnabled":true}'
    put = head("PUT", STATE, Content_Length=str(len(body)), Connection="close").replace(
        "169.254.169.254", "169.254.170.2"
    )
    assert json.loads(mock.ask(put + body, WEB).body)["protection"]["ProtectionEnabled"] is True
    assert ask(mock, STATE, WEB)["protection"]["ProtectionEnabled"] is True
    mock.do("POST", "/v1/reset")
    assert ask(mock, STATE, WEB)["protection"]["ProtectionEnabled"] is False
