"""The addresses at which a mock stands in for the agents of ECS and EKS, and the variables that name them to SDKs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from netlab import Namespace

ECS: Final = "169.254.170.2"
EKS: Final = "169.254.170.23"
EKS6: Final = "fd00:ec2::23"
TOKEN: Final = "token-of-the-pod"  # noqa: S105 - planted
RELATIVE: Final = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/5c2b4f3e-0000-4000-8000-000000000000"}
POD: Final = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{EKS}/v1/credentials"}
TOKEN_FILE: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - a variable's name


def add_addresses(namespace: Namespace) -> list[str]:
    """Give the agents' addresses to a namespace; returns the options with which `imds-mock serve` listens on them."""
    for address in (f"{ECS}/32", f"{EKS}/32", f"{EKS6}/128"):
        namespace.ip("address", "add", address, "dev", "lo", *(("nodad",) if ":" in address else ()))
    return [word for address in (ECS, EKS, EKS6) for word in ("--host", address)]
