"""The ECS and EKS agents: their formats and errors, and the same credentials as in the metadata."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from imds_mock.credentials.values import RoleCredentials
from imds_mock.events.armed import ArmedEvents
from imds_mock.events.kinds import AnyEvent
from imds_mock.faults.kinds import ClockSkewFault, FaultContext
from imds_mock.metadata.layers import apply_layers
from imds_mock.service.exchange import Exchange
from imds_mock.service.messages import ECS, EKS, PROBE_HEADER, Request, agent_of
from imds_mock.state.journal import Journal
from support.agents import CREDENTIALS_PATH, Container
from support.metadata import STARTED

if TYPE_CHECKING:
    from pathlib import Path

    from imds_mock.credentials.requests import CredentialRequest
    from imds_mock.signing.signer import Signer

BY_ID = "/v2/credentials/5c2b4f3e-0000-4000-8000-000000000000"
KEYS = ["AccessKeyId", "SecretAccessKey", "Token"]


@pytest.mark.parametrize(
    ("host", "agent"),
    [
        ("169.254.170.2", ECS),
        ("169.254.170.2:80", ECS),
        ("169.254.170.23", EKS),
        ("169.254.170.23:8080", EKS),
        ("[fd00:ec2::23]", EKS),
        ("[FD00:EC2::23]:80", EKS),
        ("fd00:ec2::23", EKS),
        ("169.254.169.254", ""),
        ("[fd00:ec2::254]", ""),
        ("fd00:ec2::254", ""),
        ("mock_metadata:80", ""),
        ("169.254.170.2.example.com", ""),
        ("", ""),
    ],
)
def test_the_host_header_selects_the_agent(host: str, agent: str) -> None:
    assert agent_of(host) == agent


@given(st.text())
def test_any_host_header_is_accepted(host: str) -> None:
    assert agent_of(host) in {"", ECS, EKS}


def test_the_task_role_has_the_credentials_of_the_metadata(signer: Signer) -> None:
    container = Container(signer)
    answer = container.ask(ECS, BY_ID)
    assert answer.status == 200
    assert answer.head.leading == (("Content-Type", "application/json"),)
    assert answer.head.trailing == (("Content-Length", str(len(answer.body))),)
    assert not answer.head.names_server
    credentials = container.credentials()
    document = json.loads(answer.body)
    assert list(document) == ["RoleArn", *KEYS, "Expiration"]
    assert document == {"RoleArn": "arn:aws:iam::123456789012:role/my-role"} | {
        key: credentials[key] for key in (*KEYS, "Expiration")
    }
    assert b'","' in answer.body, "compact, as in Go"


def test_a_pod_has_the_credentials_of_the_metadata(signer: Signer) -> None:
    container = Container(signer, {"instance": {"account_id": "012345678901"}})
    answer = container.eks()
    assert answer.status == 200
    assert answer.head.leading == (("Content-Type", "application/json"),)
    credentials = container.credentials()
    document = json.loads(answer.body)
    assert list(document) == [*KEYS, "AccountId", "Expiration"]
    assert document == {"AccountId": "012345678901"} | {key: credentials[key] for key in (*KEYS, "Expiration")}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/v2/credentials/", 400, ("NoIdInRequest", "No Credential ID in the request")),
        ("/v2/credentials/other", 400, ("InvalidIdInRequest", "Credentials not found")),
        ("/role/other", 400, ("InvalidIdInRequest", "Credentials not found")),
        ("/v2/credentials", 404, None),
        ("/", 404, None),
        ("/latest/meta-data/instance-id", 404, None),
        ("/v4/x/nothing", 404, None),
        ("/role-arn/web", 404, None),
        ("/creds/x", 404, None),
    ],
)  # fmt: skip
def test_errors_of_the_ecs_agent(signer: Signer, path: str, status: int, body: tuple[str, str] | None) -> None:
    answer = Container(signer, {"ecs": {"credentials_id": "mine"}}).ask(ECS, path)
    assert answer.status == status
    if body is None:
        assert answer.body == b"404 page not found\n"
        assert answer.head.leading == (
            ("Content-Type", "text/plain; charset=utf-8"),
            ("X-Content-Type-Options", "nosniff"),
        )
    else:
        code, message = body
        document = {"code": code, "message": f"CredentialsV2Request: {message}", "HTTPErrorCode": status}
        assert json.loads(answer.body) == document


def test_the_credentials_id_is_any_or_the_configured_one(signer: Signer) -> None:
    assert Container(signer).ask(ECS, "/v2/credentials/whatever").status == 200
    assert Container(signer, {"ecs": {"credentials_id": "mine"}}).ask(ECS, "/v2/credentials/mine").status == 200


def test_the_agents_ignore_the_method(signer: Signer) -> None:
    container = Container(signer)
    for method in ("HEAD", "POST", "PUT", "DELETE"):
        assert container.ask(ECS, BY_ID, method=method).status == 200
        assert container.ask(EKS, "/v1/credentials", method=method, authorization="t").status == 200


@pytest.mark.parametrize("path", ["/creds", "/role/my-role", "/role-arn/arn:aws:iam::123456789012:role/my-role"])
def test_the_paths_of_ecs_local_container_endpoints(signer: Signer, path: str) -> None:
    container = Container(signer)
    assert container.ecs(path) == container.ecs(BY_ID)


def test_credentials_of_other_roles(signer: Signer) -> None:
    container = Container(signer, {"ecs": {"any_role": True}})
    other, foreign = container.ecs("/role/other"), container.ecs("/role-arn/arn:aws:iam::999999999999:role/x/other")
    assert other["RoleArn"] == "arn:aws:iam::123456789012:role/other"
    assert foreign["RoleArn"] == "arn:aws:iam::999999999999:role/x/other"
    assert len({each["AccessKeyId"] for each in (other, foreign, container.ecs("/creds"))}) == 3
    assert container.ecs("/role/other") == other


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/v1/credentials/", 404, "404 page not found\n"), ("/", 404, "404 page not found\n")],
)
def test_unknown_paths_of_the_eks_agent(signer: Signer, path: str, status: int, body: str) -> None:
    answer = Container(signer).ask(EKS, path, authorization="t")
    assert (answer.status, answer.body.decode()) == (status, body)


def test_a_pod_sends_a_token(signer: Signer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    container = Container(signer)
    answer = container.eks("")
    assert (answer.status, answer.body) == (400, b"Service account token cannot be empty\n")
    assert container.ask(EKS, "/v1/credentials").status == 400
    assert Container(signer, {"eks": {"token": "right"}}).eks("right").status == 200
    wrong = Container(signer, {"eks": {"token": "right"}}).eks("wr\u00f6ng")
    assert wrong.status == 400
    assert re.fullmatch(
        r"\[[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}\]: \(InvalidTokenException\): "
        r"The token included in the request is invalid\., fault: client\n",
        wrong.body.decode(),
    )
    file = tmp_path / "token"
    with_file = Container(signer, {"eks": {"token_file": str(file)}})
    for _ in range(2):
        answer = with_file.eks()
        assert (answer.status, answer.head.names_server) == (503, False)
        assert b"(ServiceUnavailableException)" in answer.body
    assert capsys.readouterr().err == f"imds-mock: eks.token_file: {file} cannot be read: No such file or directory\n"
    for token in ("first", "renewed"):
        file.write_text(f"{token}\n")
        assert with_file.eks(token).status == 200
    assert with_file.eks("first").status == 400


def test_a_role_that_may_not_be_assumed(signer: Signer) -> None:
    container = Container(signer, {"credentials": {"failure": "AssumeRoleUnauthorizedAccess"}})
    answer = container.ask(ECS, BY_ID)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "NoCredentialsAssociated")
    answer = container.eks()
    assert answer.status == 400
    assert b"(AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume" in answer.body


def test_no_role(signer: Signer) -> None:
    container = Container(signer, {"instance": {"role": None}})
    answer = container.ask(ECS, BY_ID)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "InvalidIdInRequest")
    answer = container.eks()
    assert answer.status == 404
    assert b"(ResourceNotFoundException)" in answer.body
    assert container.ask(ECS, "/creds").status == 400
    assert container.ask(ECS, "/role/x").status == 400


@pytest.mark.parametrize(
    "where", [{"credentials": {"source": "assume-role"}}, {"metadata": {f"meta-data/{CREDENTIALS_PATH}": "x"}}]
)
def test_credentials_that_are_not_available_yet(signer: Signer, where: dict[str, Any]) -> None:
    container = Container(signer, where)
    answer = container.ask(ECS, BY_ID)
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "CredentialsUninitialized")
    answer = container.eks()
    assert answer.status == 503
    assert answer.body.endswith(b"fault: server\n")


class Issued:
    """Credentials that are available at once."""

    refused_at = None

    def __init__(self, request: CredentialRequest) -> None:
        self.request = request

    def valid_at(self, now: float) -> RoleCredentials:
        return RoleCredentials(f"ASIA{self.request.display_name[-4:]}", "s", "t", now, now + 3600)

    def renew_after(self, moment: float) -> None:
        raise AssertionError(moment)


def test_other_roles_are_fetched_too(signer: Signer) -> None:
    document = {"credentials": {"source": "assume-role", "role_arn": "arn:aws:iam::999999999999:role/main"}}
    container = Container(signer, document | {"ecs": {"any_role": True}}, Issued)
    assert container.ecs("/role-arn/arn:aws:iam::111111111111:role/else")["AccessKeyId"] == "ASIAelse"


def armed(*events: dict[str, Any]) -> ArmedEvents:
    import msgspec

    timeline = ArmedEvents()
    for each in events:
        timeline = timeline.arm(msgspec.convert(each, AnyEvent), STARTED)
    return timeline


def test_events_and_faults_apply_to_the_agents(signer: Signer) -> None:
    container = Container(signer)
    before = container.ecs(BY_ID)
    timeline = armed({"kind": "credentials-rotation"})
    layers = [layer for each in timeline.events for layer in each.event.layers(each.period)]
    tree = type(container.snapshot.tree)(apply_layers(container.metadata.leaves, layers))
    container.snapshot = replace(container.snapshot, tree=tree)
    after = container.ecs(BY_ID, STARTED + 1)
    assert after["AccessKeyId"] != before["AccessKeyId"]
    assert after["AccessKeyId"] == json.loads(container.eks(now=STARTED + 1).body)["AccessKeyId"]
    skewed = ClockSkewFault(seconds=-60).apply(container.ask(ECS, BY_ID, STARTED + 1), FaultContext(STARTED, STARTED))
    assert skewed is not None
    moments = [datetime.fromisoformat(each["Expiration"]) for each in (json.loads(skewed.body), after)]
    assert (moments[1] - moments[0]).total_seconds() == 60
    assert dict(skewed.head.trailing)["Content-Length"] == str(len(skewed.body))
    assert ClockSkewFault(seconds=1).apply(container.ask(ECS, "/v4/x"), FaultContext(STARTED, STARTED)) is None


def test_the_metadata_service_has_none_of_these_paths_and_the_probe_comes_first(signer: Signer) -> None:
    container = Container(signer)
    for path in (BY_ID, "/v1/credentials", "/v4/x/task", "/creds"):
        assert container.ask("", path).status == 404
    for agent in (ECS, EKS):
        assert container.ask(agent, "/", STARTED, "GET", b"", **{PROBE_HEADER: "n"}).status == 204
    container.snapshot = replace(container.snapshot, agents=None)
    assert container.ask(ECS, "/latest/meta-data/instance-id").status == 200, "compatibility aemm knows no agents"


def test_metadata_options_do_not_apply_to_the_agents(signer: Signer) -> None:
    container = Container(signer, {"metadata_options": {"http_endpoint": "disabled", "http_tokens": "required"}})
    assert container.ask(ECS, BY_ID).status == 200
    assert container.ask("", "/latest/meta-data/").status == 403


def test_the_journal_distinguishes_the_agents(signer: Signer) -> None:
    container, journal = Container(signer), Journal()
    for agent in (ECS, EKS, ""):
        request = Request("GET", "/x", "/x", headers={"authorization": "hush"}, agent=agent)
        response = container.service.respond(request, "10.1.2.3", STARTED)
        journal.record(STARTED, Exchange("10.1.2.3", request, response), 10)
    assert [(entry.version, entry.token) for entry in journal] == [(3, "absent"), (4, "absent"), (1, "absent")]
    assert "hush" not in str(list(journal))
