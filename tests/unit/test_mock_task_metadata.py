"""ECS task metadata, version 4: it agrees with the instance, and its statistics with time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from imds_mock.build.loading import from_document
from support.agents import Container
from support.metadata import STARTED

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer


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
