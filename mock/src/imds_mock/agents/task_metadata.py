"""Task metadata of the ECS agent, derived from an instance and the section `ecs` of the configuration.

Shapes are those of the ECS Developer Guide ("Task metadata version 4", examples for EC2 and for Fargate; "version 2")
and of aws/amazon-ecs-agent (`ecs-agent/tmds/handlers/v4/state`, `agent/handlers/v2`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from imds_mock.agents.document_overrides import TASK, DocumentOverrides
from imds_mock.metadata.documents import iso8601
from imds_mock.metadata.unique_ids import random_bytes

if TYPE_CHECKING:
    from imds_mock.config.containers import EcsSettings
    from imds_mock.metadata.instance import Instance

_RUNNING: Final = "RUNNING"
_FARGATE: Final = "FARGATE"
# Seconds before the instance's launch time: these steps precede the container's first request.
_PULL_STARTED, _PULL_STOPPED = 9, 4
_CLOCK_SET: Final = 2
_STORAGE_MIB: Final = {"Utilized": 261, "Reserved": 20496}
_NOT_IN_2: Final = frozenset(
    {"LaunchType", "VPCID", "ServiceName", "ClockDrift", "EphemeralStorageMetrics", "FaultInjectionEnabled"}
)


class Task:
    """One task. Containers with the same task ARN share it.

    Attributes:
        instance: The container's instance.
        settings: Settings of the task.
        overrides: Overrides of the documents.
        task_id: Id of the task.
    """

    def __init__(self, instance: Instance, settings: EcsSettings) -> None:
        self.instance = instance
        self.settings = settings
        self.overrides = DocumentOverrides(settings.documents)
        self._seed = (instance.instance_id, settings.cluster, settings.family)
        self.task_id = settings.task_id or random_bytes(16, "task", *self._seed).hex()

    @property
    def is_fargate(self) -> bool:
        """Whether the task runs on Fargate."""
        return self.settings.launch_type == _FARGATE

    @property
    def arn(self) -> str:
        """ARN of the task."""
        return self.arn_of(f"task/{self.settings.cluster}/{self.task_id}")

    @property
    def cluster(self) -> str:
        """The cluster in documents: its ARN on Fargate, its name on EC2."""
        return self.arn_of(f"cluster/{self.settings.cluster}") if self.is_fargate else self.settings.cluster

    def arn_of(self, resource: str) -> str:
        """The ARN of a resource in the task's account and region.

        Args:
            resource: The last part of the ARN.
        """
        instance = self.instance
        return f"arn:{instance.partition.name}:ecs:{instance.region}:{instance.account_id}:{resource}"

    def moment(self, before: int) -> str:
        """A time before the instance's launch, in nanosecond precision.

        Args:
            before: Seconds before the launch.
        """
        fraction = int.from_bytes(random_bytes(4, "moment", *self._seed, str(before)), "big") % 10**9
        return f"{iso8601(self.instance.pending_time - before)[:-1]}.{fraction:09}Z"

    def document(self, containers: list[dict[str, Any]], *, tags: bool = False, version: int = 4) -> dict[str, Any]:
        """The task's document, with its override.

        Args:
            containers: Documents of the task's containers.
            tags: Include the instance's tags.
            version: 2 for the shorter document of version 2.
        """
        own = self._document()
        if version == 2:  # noqa: PLR2004 - a version
            own = {key: value for key, value in own.items() if key not in _NOT_IN_2}
        own["Containers"] = containers
        if tags and self.instance.settings.tags and not self.is_fargate:
            own["ContainerInstanceTags"] = self.instance.settings.tags
        document: dict[str, Any] = self.overrides.apply(TASK, own)
        return document

    def _document(self) -> dict[str, Any]:
        settings, instance = self.settings, self.instance
        document: dict[str, Any] = {
            "Cluster": self.cluster,
            "TaskARN": self.arn,
            "Family": settings.family,
            "Revision": str(settings.revision),
            "DesiredStatus": _RUNNING,
            "KnownStatus": _RUNNING,
            "Limits": {"CPU": _number(settings.cpu), "Memory": settings.memory},
            "PullStartedAt": self.moment(_PULL_STARTED),
            "PullStoppedAt": self.moment(_PULL_STOPPED),
            "AvailabilityZone": instance.availability_zone,
            "LaunchType": settings.launch_type,
            "Containers": [],
        }
        if not self.is_fargate:
            document["VPCID"] = instance.primary.vpc_id
        if settings.service is not None:
            document["ServiceName"] = settings.service
        if self.is_fargate:
            document["ClockDrift"] = {
                "ClockErrorBound": 0.5458234999999999,
                "ReferenceTimestamp": self.moment(_CLOCK_SET)[:19] + "Z",
                "ClockSynchronizationStatus": "SYNCHRONIZED",
            }
            document["EphemeralStorageMetrics"] = _STORAGE_MIB
        document["FaultInjectionEnabled"] = False
        return document


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
