"""The schema of the container endpoints: the ECS agent at 169.254.170.2, the EKS agent at 169.254.170.23.

See `settings` for annotations.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from imds_mock.config import shapes
from imds_mock.config.marks import A_SECRET, PRIVILEGED, WithSecrets


class EcsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The ECS task that 169.254.170.2 reports to a container; null values are derived from the instance."""

    cluster: Annotated[shapes.PathPart, Meta(description="Name of the cluster.")] = "default"
    service: Annotated[
        shapes.PathPart | None,
        Meta(description="Name of the service; null: no service, so the task cannot be protected."),
    ] = "my-service"
    family: Annotated[shapes.PathPart, Meta(description="Family of the task definition.")] = "my-task"
    revision: Annotated[shapes.Count, Meta(description="Revision of the task definition.")] = 1
    task_id: Annotated[shapes.TaskId | None, Meta(description="Id of the task.")] = None
    launch_type: Annotated[Literal["EC2", "FARGATE"], Meta(description="Launch type.")] = "EC2"
    container_name: Annotated[
        shapes.PathPart | None,
        Meta(description="Name of the container; null: its Compose service or container name, or `app` if unknown."),
    ] = None
    image: Annotated[
        shapes.ImageName | None,
        Meta(description="Image of the container; null: the family's image in the account's ECR."),
    ] = None
    cpu: Annotated[shapes.Cpus, Meta(description="vCPUs of the task.")] = 0.25
    memory: Annotated[shapes.Count, Meta(description="Memory of the task in MiB.")] = 512
    credentials_id: Annotated[
        shapes.PathPart | None,
        Meta(description="The only id accepted below `/v2/credentials/`; null: any."),
    ] = None
    any_role: Annotated[
        bool, Meta(description="Whether `/role/NAME` and `/role-arn/ARN` also return other roles' credentials.")
    ] = False
    documents: Annotated[
        dict[str, Any], Meta(description="Documents to merge, replace, add or remove (null), by name or path.")
    ] = field(default_factory=dict)


class AgentSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Access to the ECS and EKS agents."""

    any_host: Annotated[
        bool,
        Meta(description="Whether the agents serve their paths for any `Host`; false: only at their addresses."),
    ] = False


class EksSettings(WithSecrets, frozen=True, forbid_unknown_fields=True):
    """The EKS Pod Identity agent at 169.254.170.23."""

    token: Annotated[
        shapes.Line | None, Meta(description="The only accepted `Authorization` value; null: any.", extra=A_SECRET)
    ] = None
    token_file: Annotated[
        str | None,
        Meta(
            description="File with that token; read for each request, so it can be renewed in place.",
            extra={PRIVILEGED: "it names a file that the mock reads"},
        ),
    ] = None
