"""The task metadata endpoint, version 4: one task with one container, which is the caller.

Shapes are those of the ECS Developer Guide ("Task metadata version 4", examples for EC2 and for Fargate) and of
aws/amazon-ecs-agent (`ecs-agent/tmds/handlers/v4/state`). Version 3 is answered likewise; its clients do not mind more.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents.container_stats import stats
from imds_mock.metadata.documents import iso8601
from imds_mock.metadata.unique_ids import random_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.instance import Instance

_RUNNING: Final = "RUNNING"
_FARGATE: Final = "FARGATE"
# Of one task, in seconds before the instance's launch time: everything has happened when somebody can ask.
_PULL_STARTED, _PULL_STOPPED, _CREATED, _STARTED = 9, 4, 3, 2
_RESOLVER_IPV6: Final = "fd00:ec2::253"
_OWN_PATHS: Final = (["task"], ["taskWithTags"], ["stats"], ["task", "stats"])
_STORAGE_MIB: Final = {"Utilized": 261, "Reserved": 20496}


class Task:
    """One task.

    Args:
        instance: The instance that the container has.
        settings: What was said about the task.
    """

    def __init__(self, instance: Instance, settings: EcsSettings) -> None:
        self._instance = instance
        self._settings = settings
        self._seed = (instance.instance_id, settings.cluster, settings.family, settings.container_name)
        self.task_id = settings.task_id or random_bytes(16, "task", *self._seed).hex()

    def document(self, path: str, now: float) -> Any:
        """What there is at a path.

        Args:
            path: Behind the version: `<id>`, `<id>/task`, `<id>/taskWithTags`, `<id>/stats`, `<id>/task/stats`. The id
                may be anything, since a container asks about itself, or be left out.
            now: Seconds since the epoch.

        Returns:
            None if there is nothing.
        """
        parts = path.split("/") if path else []
        if parts[:1] == ["containers"]:
            parts = parts[1:]
        if parts not in _OWN_PATHS:
            parts = parts[1:]
        match parts:
            case []:
                return self._container()
            case ["task"]:
                return self._task()
            case ["taskWithTags"]:
                return self._task() | self._tags()
            case ["stats"]:
                return self._stats(now)
            case ["task", "stats"]:
                return {self._docker_id: self._stats(now)}
            case _:
                return None

    @property
    def _is_fargate(self) -> bool:
        return self._settings.launch_type == _FARGATE

    @property
    def _docker_id(self) -> str:
        if self._is_fargate:
            number = int.from_bytes(random_bytes(5, "container", *self._seed), "big") % 10**10
            return f"{self.task_id}-{number:010}"
        return random_bytes(32, "container", *self._seed).hex()

    @property
    def _docker_name(self) -> str:
        settings = self._settings
        if self._is_fargate:
            return settings.container_name
        unique = random_bytes(10, "name", *self._seed).hex()
        return f"ecs-{settings.family}-{settings.revision}-{settings.container_name}-{unique}"

    def _arn(self, resource: str) -> str:
        instance = self._instance
        return f"arn:{instance.partition.name}:ecs:{instance.region}:{instance.account_id}:{resource}"

    @property
    def _task_arn(self) -> str:
        return self._arn(f"task/{self._settings.cluster}/{self.task_id}")

    @property
    def _cluster(self) -> str:
        return self._arn(f"cluster/{self._settings.cluster}") if self._is_fargate else self._settings.cluster

    def _moment(self, before: int) -> str:
        fraction = int.from_bytes(random_bytes(4, "moment", *self._seed, str(before)), "big") % 10**9
        return f"{iso8601(self._instance.pending_time - before)[:-1]}.{fraction:09}Z"

    def _task(self) -> dict[str, Any]:
        settings, instance = self._settings, self._instance
        document: dict[str, Any] = {
            "Cluster": self._cluster,
            "TaskARN": self._task_arn,
            "Family": settings.family,
            "Revision": str(settings.revision),
            "DesiredStatus": _RUNNING,
            "KnownStatus": _RUNNING,
            "Limits": {"CPU": _number(settings.cpu), "Memory": settings.memory},
            "PullStartedAt": self._moment(_PULL_STARTED),
            "PullStoppedAt": self._moment(_PULL_STOPPED),
            "AvailabilityZone": instance.availability_zone,
            "LaunchType": settings.launch_type,
            "Containers": [self._container()],
        }
        if not self._is_fargate:
            document["VPCID"] = instance.primary.vpc_id
        if settings.service is not None:
            document["ServiceName"] = settings.service
        if self._is_fargate:
            document["ClockDrift"] = {
                "ClockErrorBound": 0.5458234999999999,
                "ReferenceTimestamp": self._moment(_STARTED)[:19] + "Z",
                "ClockSynchronizationStatus": "SYNCHRONIZED",
            }
            document["EphemeralStorageMetrics"] = _STORAGE_MIB
        document["FaultInjectionEnabled"] = False
        return document

    def _tags(self) -> dict[str, Mapping[str, str]]:
        tags = self._instance.settings.tags
        return {} if self._is_fargate or not tags else {"ContainerInstanceTags": tags}

    def _container(self) -> dict[str, Any]:
        settings, instance = self._settings, self._instance
        registry = f"{instance.account_id}.dkr.ecr.{instance.region}.{instance.partition.domain}"
        unique = random_bytes(16, "container arn", *self._seed).hex()
        container_id = f"{unique[:8]}-{unique[8:12]}-4{unique[13:16]}-a{unique[17:20]}-{unique[20:]}"
        document: dict[str, Any] = {
            "DockerId": self._docker_id,
            "Name": settings.container_name,
            "DockerName": self._docker_name,
            "Image": settings.image or f"{registry}/{settings.family}:latest",
            "ImageID": f"sha256:{random_bytes(32, 'image', settings.image or settings.family).hex()}",
            "Labels": {
                "com.amazonaws.ecs.cluster": self._cluster,
                "com.amazonaws.ecs.container-name": settings.container_name,
                "com.amazonaws.ecs.task-arn": self._task_arn,
                "com.amazonaws.ecs.task-definition-family": settings.family,
                "com.amazonaws.ecs.task-definition-version": str(settings.revision),
            },
            "DesiredStatus": _RUNNING,
            "KnownStatus": _RUNNING,
            "Limits": {"CPU": round(settings.cpu * 1024), "Memory": settings.memory},
            "CreatedAt": self._moment(_CREATED),
            "StartedAt": self._moment(_STARTED),
            "Type": "NORMAL",
            "ContainerARN": self._arn(f"container/{settings.cluster}/{self.task_id}/{container_id}"),
            "Networks": [self._network()],
        }
        return document | ({"Snapshotter": "overlayfs"} if self._is_fargate else {})

    def _network(self) -> dict[str, Any]:
        instance, interface = self._instance, self._instance.primary
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
        # The resolver is at the base of the VPC's block plus two; over IPv6 it has a fixed address (VPC User Guide).
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

    def _stats(self, now: float) -> dict[str, Any]:
        began = self._instance.pending_time - _STARTED
        limit = self._settings.memory * 1024 * 1024
        return stats(self._docker_id, self._docker_name, began=began, now=now, memory_limit=limit)


def _address(block: str | None, place: int) -> str | None:
    """The address at a place of a block, if it has as many: that of a pod is often its address alone."""
    network = None if block is None else IPv4Network(block)
    return str(network[place]) if network is not None and network.num_addresses > place else None


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
