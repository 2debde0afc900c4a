"""Metadata of the ECS agent for one container of a task.

Shapes are those of the ECS Developer Guide ("Task metadata version 4", examples for EC2 and for Fargate; "version 2")
and of aws/amazon-ecs-agent (`ecs-agent/tmds/handlers/v4/state`, `agent/handlers/v2`).
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents.container_stats import stats
from imds_mock.agents.document_overrides import CONTAINER
from imds_mock.metadata.unique_ids import random_bytes, uuid

if TYPE_CHECKING:
    from imds_mock.agents.task_metadata import Task

_RUNNING: Final = "RUNNING"
# Seconds before the instance's launch time: these steps precede the container's first request.
_CREATED, _STARTED = 3, 2
_RESOLVER_IPV6: Final = "fd00:ec2::253"
_NETWORK_OF_2: Final = ("NetworkMode", "IPv4Addresses", "IPv6Addresses")
_ONLY_IN_4: Final = ("ContainerARN", "Snapshotter")


class Container:
    """One container.

    Args:
        task: The container's task.
        name: Name of the container in the task.
    """

    def __init__(self, task: Task, name: str) -> None:
        self.name = name
        self._task = task
        self._seed = (task.task_id, task.instance.instance_id, name)

    @property
    def docker_id(self) -> str:
        """The container's id in paths."""
        if self._task.is_fargate:
            number = int.from_bytes(random_bytes(5, "container", *self._seed), "big") % 10**10
            return f"{self._task.task_id}-{number:010}"
        return random_bytes(32, "container", *self._seed).hex()

    def document(self, *, version: int = 4) -> dict[str, Any]:
        """The container's document, with its override.

        Args:
            version: 2 for the shorter document of version 2.
        """
        own = self._document()
        if version == 2:  # noqa: PLR2004 - a version
            own = {key: value for key, value in own.items() if key not in _ONLY_IN_4}
            own["Networks"] = [{key: each[key] for key in _NETWORK_OF_2 if key in each} for each in own["Networks"]]
        document: dict[str, Any] = self._task.overrides.apply(CONTAINER, own)
        return document

    def stats(self, now: float, *, version: int = 4) -> dict[str, Any]:
        """The container's resource usage at a time in seconds since the epoch; version 2 omits the agent's rates."""
        started = self._task.instance.pending_time - _STARTED
        limit = self._task.settings.memory * 1024 * 1024
        usage = stats(self.docker_id, self._docker_name, started=started, now=now, memory_limit=limit)
        if version == 2:  # noqa: PLR2004 - a version
            del usage["network_rate_stats"]
        return usage

    @property
    def _docker_name(self) -> str:
        settings = self._task.settings
        if self._task.is_fargate:
            return self.name
        unique = random_bytes(10, "name", *self._seed).hex()
        return f"ecs-{settings.family}-{settings.revision}-{self.name}-{unique}"

    def _document(self) -> dict[str, Any]:
        task = self._task
        settings, instance = task.settings, task.instance
        registry = f"{instance.account_id}.dkr.ecr.{instance.region}.{instance.partition.domain}"
        container_id = uuid("container arn", *self._seed)
        document: dict[str, Any] = {
            "DockerId": self.docker_id,
            "Name": self.name,
            "DockerName": self._docker_name,
            "Image": settings.image or f"{registry}/{settings.family}:latest",
            "ImageID": f"sha256:{random_bytes(32, 'image', settings.image or settings.family).hex()}",
            "Labels": {
                "com.amazonaws.ecs.cluster": task.cluster,
                "com.amazonaws.ecs.container-name": self.name,
                "com.amazonaws.ecs.task-arn": task.arn,
                "com.amazonaws.ecs.task-definition-family": settings.family,
                "com.amazonaws.ecs.task-definition-version": str(settings.revision),
            },
            "DesiredStatus": _RUNNING,
            "KnownStatus": _RUNNING,
            "Limits": {"CPU": round(settings.cpu * 1024), "Memory": settings.memory},
            "CreatedAt": task.moment(_CREATED),
            "StartedAt": task.moment(_STARTED),
            "Type": "NORMAL",
            "ContainerARN": task.arn_of(f"container/{settings.cluster}/{task.task_id}/{container_id}"),
            "Networks": [self._network()],
        }
        return document | ({"Snapshotter": "overlayfs"} if task.is_fargate else {})

    def _network(self) -> dict[str, Any]:
        instance = self._task.instance
        interface = instance.primary
        document: dict[str, Any] = {"NetworkMode": "awsvpc"}
        if interface.local_ipv4s:
            document["IPv4Addresses"] = list(interface.local_ipv4s)
        if interface.ipv6s:
            document["IPv6Addresses"] = list(interface.ipv6s)
        document |= {"AttachmentIndex": 0, "MACAddress": interface.mac}
        subnet = interface.subnet_ipv4_cidr_block
        if subnet is not None:
            document["IPv4SubnetCIDRBlock"] = subnet
        if interface.subnet_ipv6_cidr_blocks:
            document["IPv6SubnetCIDRBlock"] = interface.subnet_ipv6_cidr_blocks[0]
        # The resolver has the third address of the VPC's block; over IPv6 it has a fixed address (VPC User Guide).
        resolver: str | None = _RESOLVER_IPV6
        if interface.local_ipv4s:
            resolver = _address(next(iter(interface.vpc_ipv4_cidr_blocks), None), 2)
        if resolver is not None:
            document["DomainNameServers"] = [resolver]
        document["DomainNameSearchList"] = [instance.private_domain]
        document["PrivateDNSName"] = instance.private_hostname(interface)
        gateway = _address(subnet, 1)
        if subnet is not None and gateway is not None:
            document["SubnetGatewayIpv4Address"] = f"{gateway}/{IPv4Network(subnet).prefixlen}"
        return document


def _address(block: str | None, index: int) -> str | None:
    """The address at an index of a block; None if the block is smaller: a pod's block is often a single address."""
    network = None if block is None else IPv4Network(block)
    return str(network[index]) if network is not None and network.num_addresses > index else None
