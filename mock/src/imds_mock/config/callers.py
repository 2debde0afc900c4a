"""What may be said about callers: whether each is an instance of its own, and what some of them have of their own.

As in `settings`, annotations are evaluated at once and descriptions are what the reference says.
"""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from imds_mock.config import shapes
from imds_mock.config.secrets import PRIVILEGED, WITH_SECRETS


class CallerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the mock finds out who asks."""

    look_up_seconds: Annotated[
        shapes.Seconds, Meta(description="How long the first request of an unknown address waits for its name.")
    ] = 1.0
    name_server: Annotated[
        shapes.NameServer | None,
        Meta(
            description="`ADDRESS` or `ADDRESS:PORT`; null: the first one of /etc/resolv.conf; empty: none is asked.",
            extra={PRIVILEGED: "it names the address that decides which caller gets which credentials"},
        ),
    ] = None


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a profile is for: all conditions that are there must hold."""

    service: Annotated[shapes.Line | None, Meta(description="Compose service, or the container's whole name.")] = None
    name: Annotated[shapes.Line | None, Meta(description="Pattern for the container's name, such as `web-*`.")] = None
    address: Annotated[shapes.Address | None, Meta(description="IP address that it calls from, or has.")] = None
    network: Annotated[
        shapes.NetworkName | None,
        Meta(description="Docker network, with or without the project in front; or a block such as 172.18.0.0/16."),
    ] = None


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """What some callers have of their own: parts of sections, laid over the configuration's."""

    match: Annotated[Match, Meta(description="Whom it is for.")]
    instance: Annotated[dict[str, Any], Meta(description="Facts of the instance.")] = field(default_factory=dict)
    metadata_options: Annotated[dict[str, Any], Meta(description="How the service answers.")] = field(
        default_factory=dict
    )
    credentials: Annotated[dict[str, Any], Meta(description="The role's credentials.", extra=WITH_SECRETS)] = field(
        default_factory=dict
    )
    ecs: Annotated[dict[str, Any], Meta(description="What ECS's agent tells.")] = field(default_factory=dict)
    eks: Annotated[dict[str, Any], Meta(description="Whom EKS's agent gives credentials.", extra=WITH_SECRETS)] = field(
        default_factory=dict
    )
    metadata: Annotated[dict[str, Any], Meta(description="Leaves and subtrees by path.")] = field(default_factory=dict)

    def __repr__(self) -> str:
        # Credentials among it may be real ones.
        return f"Profile({self.match!r}, instance={self.instance!r}, ...)"
