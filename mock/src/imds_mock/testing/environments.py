"""Environment variables with which AWS clients take this machine for an EC2 instance, an ECS task or an EKS pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.client_environment import environment_changes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

_PATHS: Final = {"ecs": "/creds", "eks": "/v1/credentials"}


def instance_environment(
    environ: Mapping[str, str], endpoint_url: str, control_url: str, region: str
) -> dict[str, str | None]:
    """The variables of a client on an EC2 instance.

    Args:
        environ: The environment to change.
        endpoint_url: The mock's URL.
        control_url: The URL of its control plane.
        region: The instance's region; boto3 does not ask the metadata service for it.

    Returns:
        Values by name; None removes a variable.
    """
    changes = environment_changes(environ, endpoint_url, control_url)
    return changes | {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}


def container_environment(
    instance: Mapping[str, str | None], endpoint_url: str, service: Literal["ecs", "eks"], token: str
) -> dict[str, str | None]:
    """The variables of a client in an ECS task or an EKS pod.

    Args:
        instance: The variables of a client on the instance.
        endpoint_url: The mock's URL.
        service: Whose agent the client asks for credentials.
        token: The pod's token.

    Returns:
        Values by name; None removes a variable.

    Raises:
        ValueError: The service is unknown.
    """
    if service not in _PATHS:
        raise ValueError(f"unknown service {service!r}; expected ecs or eks")
    changes = {**instance, "AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint_url + _PATHS[service]}
    return changes | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": token if service == "eks" else None}
