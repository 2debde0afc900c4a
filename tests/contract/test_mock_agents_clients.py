"""AWS SDKs as in ECS tasks and EKS pods: at the agents' addresses, they get the credentials of the metadata."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import client_install
from netlab import Lab
from support.container_agents import ECS, EKS6, POD, RELATIVE, TOKEN, TOKEN_FILE, add_addresses
from support.imds_program import running_imds
from support.mockserver import head, read_answer, running_mock
from support.real_clients import BOTO3, JAVASCRIPT, placeholders
from support.sdk_clients import SDK_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.imds_program import ImdsProgram

FULL = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ECS}/v2/credentials/any"}
POD6 = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://[{EKS6}]/v1/credentials"}
IN_VARIABLE = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN}


@pytest.fixture(scope="module")
def imds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImdsProgram]:
    folder = tmp_path_factory.mktemp("agents")
    (folder / "token").write_text(TOKEN)
    document = {"eks": {"token": TOKEN}, "server": {"access_log": "json"}}
    with Lab() as lab:
        namespace = lab.namespace("containers")
        options = add_addresses(namespace)
        with running_imds(document, folder, namespace=namespace, options=options) as running:
            yield running


def asking(language: str) -> tuple[list[str], dict[str, str]]:
    if language == "boto3":
        return [sys.executable, "-c", BOTO3], {}
    named = placeholders(client_install.install())
    return [named["node"], "-e", JAVASCRIPT], {"NODE_PATH": named["modules"]}


@pytest.mark.parametrize("language", ["boto3", "javascript"])
@pytest.mark.parametrize(
    ("variables", "version", "account"),
    [
        (RELATIVE, "ecs", None),
        (FULL, "ecs", None),
        (FULL | IN_VARIABLE, "ecs", None),
        (POD | IN_VARIABLE, "eks", "123456789012"),
        (POD | {TOKEN_FILE: "token"}, "eks", "123456789012"),
        (POD6 | {TOKEN_FILE: "token"}, "eks", "123456789012"),
    ],
)
def test_an_sdk_reads_credentials(
    imds: ImdsProgram, language: str, variables: Mapping[str, str], version: str, account: str | None
) -> None:
    argv, environment = asking(language)
    if TOKEN_FILE in variables:
        file = Path(imds.environment["HOME"]) / "token"
        variables = dict(variables) | {TOKEN_FILE: str(file)}
    imds.asked()
    method, *keys, known_account = json.loads(imds.run(argv, variables=environment | dict(variables)).stdout)
    asked = imds.asked()
    shown = json.loads(imds.read("/latest/meta-data/iam/security-credentials/my-role"))
    assert keys == [shown[key] for key in ("AccessKeyId", "SecretAccessKey", "Token")]
    assert method in {"", "container-role"}
    assert known_account in {account, None}
    assert [(each.status, each.version) for each in asked] == [(200, version)]


def test_a_pod_without_a_token_is_refused(imds: ImdsProgram) -> None:
    argv, _ = asking("boto3")
    imds.asked()
    done = imds.run(argv, variables=POD | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong"}, check=False)
    assert done.returncode != 0
    assert "InvalidTokenException" in done.stderr
    assert {each.status for each in imds.asked()} == {400}


def test_a_container_reads_about_its_task(imds: ImdsProgram) -> None:
    base = f"http://{ECS}/v4/5c2b4f3e"

    def read(path: str) -> Any:
        return json.loads(imds.run(["curl", "--silent", "--fail", base + path]).stdout)

    assert read("/task")["Containers"] == [read("")]
    assert read("/stats")["id"] == read("")["DockerId"]
    assert list(read("/task/stats")) == [read("")["DockerId"]]


def test_the_headers_of_an_agent_differ_from_the_metadata_service(imds: ImdsProgram) -> None:
    shown = imds.run(["curl", "--silent", "--include", f"http://{ECS}/creds", f"http://{ECS}/creds"]).stdout
    assert shown.count("HTTP/1.1 200 OK") == 2
    assert "Server: EC2ws" not in shown
    assert "Connection:" not in shown, "it stays open, as Go's server keeps it"
    closed = imds.run(["curl", "--silent", "--include", "-H", "Connection: close", f"http://{ECS}/creds"]).stdout
    assert "Connection: close" in closed
    assert "Server: EC2ws" in imds.curl("/latest/meta-data/", "--include")


def test_an_agents_connection_stays_open_unless_the_client_closes_it() -> None:
    # A snapshot without agents responds as the metadata service; this test checks only the connection.
    with running_mock() as mock, mock.connect() as client:
        asked = head("GET", "/latest/meta-data/ami-id").replace("169.254.169.254", ECS).encode()
        for _ in range(2):
            client.sendall(asked)
            assert read_answer(client).status == 200
        client.sendall(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_answer(client)["Connection"] == "close"
        assert client.recv(1) == b""


# Those that look for credentials where their language's default chain does; each shows the key in a form of its own.
OTHERS = {client.name: client for client in SDK_CLIENTS if not {"boto3", "node"} & {client.name, client.argv[0][1:-1]}}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("version", ["ecs", "eks"])
def test_other_sdks(imds: ImdsProgram, name: str, version: str) -> None:
    token_file = {TOKEN_FILE: str(Path(imds.environment["HOME"]) / "token")}
    variables = RELATIVE if version == "ecs" else POD | token_file
    client = replace(OTHERS[name], variables={**OTHERS[name].variables, **variables})
    imds.asked()
    seen = client.run(imds, client_install.install(), 4)
    asked = imds.asked()
    shown = json.loads(imds.read("/latest/meta-data/iam/security-credentials/my-role"))
    assert shown["AccessKeyId"] in json.dumps(seen)
    assert {(each.status, each.version) for each in asked if each.version in {"ecs", "eks"}} == {(200, version)}
