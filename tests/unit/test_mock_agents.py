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

from imds_mock.build.loading import from_document
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


DEFAULT_CONFIG = {
    "instance": {
        "availability_zone": "eu-west-1b",
        "local_ipv4": "10.3.7.9",
        "account_id": "012345678901",
        "tags": {"Name": "web-1"},
    },
    "ecs": {"cluster": "main", "service": "web", "family": "shop", "revision": 7, "container_name": "nginx", "cpu": 2},
}


def test_task_metadata_agrees_with_the_instance(signer: Signer) -> None:
    container = Container(signer, DEFAULT_CONFIG)
    task = container.ecs("/v4/anything/task")
    assert re.fullmatch(r"arn:aws:ecs:eu-west-1:012345678901:task/main/[0-9a-f]{32}", task["TaskARN"])
    assert [task[key] for key in ("Cluster", "Family", "Revision", "ServiceName", "LaunchType")] == [
        "main", "shop", "7", "web", "EC2",
    ]  # fmt: skip
    assert task["Limits"] == {"CPU": 2, "Memory": 512}
    assert task["AvailabilityZone"] == "eu-west-1b" == container.metadata.text("placement/availability-zone")
    (own,) = task["Containers"]
    assert own == container.ecs("/v4/anything")
    assert own["Image"] == "012345678901.dkr.ecr.eu-west-1.amazonaws.com/shop:latest"
    assert own["Labels"]["com.amazonaws.ecs.task-arn"] == task["TaskARN"]
    assert re.fullmatch(r"[0-9a-f]{64}", own["DockerId"])
    assert own["DockerName"].startswith("ecs-shop-7-nginx-")
    assert own["ContainerARN"].startswith(task["TaskARN"].replace(":task/", ":container/"))
    (network,) = own["Networks"]
    mac = container.metadata.text("mac")
    assert network == {
        "NetworkMode": "awsvpc",
        "IPv4Addresses": ["10.3.7.9"],
        "AttachmentIndex": 0,
        "MACAddress": mac,
        "IPv4SubnetCIDRBlock": "10.3.7.0/24",
        "DomainNameServers": ["10.3.0.2"],
        "DomainNameSearchList": ["eu-west-1.compute.internal"],
        "PrivateDNSName": container.metadata.text("local-hostname"),
        "SubnetGatewayIpv4Address": "10.3.7.1/24",
    }
    assert task["VPCID"] == container.metadata.text(f"network/interfaces/macs/{mac}/vpc-id")
    moments = [task["PullStartedAt"], task["PullStoppedAt"], own["CreatedAt"], own["StartedAt"]]
    assert moments == sorted(moments)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", moment) for moment in moments)
    assert container.ecs("/v4/x/taskWithTags") == task | {"ContainerInstanceTags": {"Name": "web-1"}}


def test_a_task_on_fargate(signer: Signer) -> None:
    document = DEFAULT_CONFIG | {"ecs": {"launch_type": "FARGATE", "task_id": "0" * 32, "image": "nginx:1"}}
    container = Container(signer, document)
    task = container.ecs("/v4/x/task")
    assert task["Cluster"] == "arn:aws:ecs:eu-west-1:012345678901:cluster/default"
    assert task["TaskARN"] == f"arn:aws:ecs:eu-west-1:012345678901:task/default/{'0' * 32}"
    assert task["ClockDrift"]["ClockSynchronizationStatus"] == "SYNCHRONIZED"
    assert task["EphemeralStorageMetrics"] == {"Utilized": 261, "Reserved": 20496}
    assert "VPCID" not in task
    (own,) = task["Containers"]
    assert re.fullmatch(rf"{'0' * 32}-\d{{10}}", own["DockerId"])
    assert (own["Image"], own["DockerName"], own["Snapshotter"]) == ("nginx:1", "app", "overlayfs")
    assert container.ecs("/v4/x/taskWithTags") == task


def test_an_ipv6_only_interface(signer: Signer) -> None:
    facts = {"instance": {"public_ipv4": None, "interfaces": [{"local_ipv4s": [], "ipv6s": ["2600:1f18::17"]}]}}
    (network,) = Container(signer, facts).ecs("/v4/x")["Networks"]
    assert network["IPv6Addresses"] == ["2600:1f18::17"]
    assert "IPv4Addresses" not in network
    assert "SubnetGatewayIpv4Address" not in network
    assert network["DomainNameServers"] == ["fd00:ec2::253"]


@pytest.mark.parametrize(
    ("subnet", "gateway"),
    [("10.0.1.20/30", "10.0.1.21/30"), ("10.0.1.22/31", "10.0.1.23/31"), ("10.0.1.23/32", None)],
)
def test_a_block_with_few_addresses(signer: Signer, subnet: str, gateway: str | None) -> None:
    blocks = {"subnet_ipv4_cidr_block": subnet, "vpc_ipv4_cidr_blocks": [subnet]}
    facts = {"instance": {"interfaces": [{"local_ipv4s": ["10.0.1.23"], **blocks}]}}
    (network,) = Container(signer, facts).ecs("/v4/x")["Networks"]
    assert network["IPv4Addresses"] == ["10.0.1.23"]
    assert network.get("SubnetGatewayIpv4Address") == gateway
    assert network.get("DomainNameServers") == (["10.0.1.22"] if subnet.endswith("/30") else None)


def test_resource_usage_grows_and_belongs_to_the_container(signer: Signer) -> None:
    container = Container(signer)
    earlier, later = (container.ecs("/v4/x/stats", STARTED + at) for at in (10, 70.5))
    assert later["id"] == container.ecs("/v4/x")["DockerId"]
    for path in (("cpu_stats", "cpu_usage", "total_usage"), ("networks", "eth1", "rx_bytes")):
        before, after = earlier, later
        for key in path:
            before, after = before[key], after[key]
        assert after > before
    assert later["read"].startswith("2025-06-15T15:07:50.75")
    assert container.ecs("/v4/x/task/stats", STARTED + 70.5) == {later["id"]: later}
    usage = later["cpu_stats"]["cpu_usage"]
    assert usage["total_usage"] == sum(usage["percpu_usage"])
    assert later["memory_stats"]["usage"] < later["memory_stats"]["limit"] == 512 * 1024 * 1024


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("/v4", "/v4/x"),
        ("/v4/task", "/v4/x/task"),
        ("/v3/x", "/v4/x"),
        ("/v3/x/task", "/v4/x/task"),
        ("/v3/containers/app/task", "/v4/x/task"),
        ("/v4/x/", "/v4/x"),
        ("/v4/task/task", "/v4/x/task"),
        ("/v4/stats/task/stats", "/v4/x/task/stats"),
    ],
)
def test_equivalent_paths(signer: Signer, path: str, same: str) -> None:
    container = Container(signer)
    assert container.ecs(path) == container.ecs(same)


def test_two_instances_have_two_tasks(signer: Signer) -> None:
    tasks = [
        Container(signer, {"instance": {"instance_id": f"i-{number:017x}"}}).ecs("/v4/x/task")["TaskARN"]
        for number in (1, 2, 1)
    ]
    assert tasks[0] == tasks[2] != tasks[1]


def test_a_number_may_be_given_as_text() -> None:
    config = from_document({"ecs": {"cpu": "0.5"}, "eks": {}})
    assert config.ecs.cpu == 0.5
