"""The schema of callers and variants; see `settings` for annotations and descriptions."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from imds_mock.config import shapes
from imds_mock.config.marks import PRIVILEGED, WITH_SECRETS


class CallerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the mock identifies callers."""

    look_up_seconds: Annotated[
        shapes.Seconds, Meta(description="Time that the first request of an unknown address waits for its name.")
    ] = 1.0
    name_server: Annotated[
        shapes.NameServer | None,
        Meta(
            description="`ADDRESS` or `ADDRESS:PORT`; null: the first one in /etc/resolv.conf; empty: no look-ups.",
            extra={PRIVILEGED: "it names the address that decides which caller gets which credentials"},
        ),
    ] = None
    announced: Annotated[
        Literal["any", "named", "off"] | None,
        Meta(
            description="What containers may announce about themselves (`MOCK_INSTANCE`): anything, only roles, "
            "accounts, regions and zones that the configuration names, or nothing; null: `named` if a source of "
            "credentials is not `generated`, otherwise `any`.",
            extra={PRIVILEGED: "it decides which roles containers may give themselves"},
        ),
    ] = None
    announced_file: Annotated[
        str | None,
        Meta(
            description="File in which the mock keeps what containers have announced, user data included, for its next "
            "start; read at the start; null: none.",
            extra={PRIVILEGED: "it names a file"},
        ),
    ] = None


class Match(Struct, frozen=True, forbid_unknown_fields=True):
    """The callers of a variant; all conditions must hold."""

    service: Annotated[shapes.Line | None, Meta(description="Compose service, or the full container name.")] = None
    name: Annotated[shapes.Line | None, Meta(description="Pattern for the container's name, such as `web-*`.")] = None
    address: Annotated[shapes.Address | None, Meta(description="IP address that the caller uses or has.")] = None
    network: Annotated[
        shapes.NetworkName | None,
        Meta(description="Docker network, with or without the project prefix, or a block such as 172.18.0.0/16."),
    ] = None


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings for selected callers: parts of sections that override the configuration."""

    match: Annotated[Match, Meta(description="The callers that the variant applies to.")]
    instance: Annotated[dict[str, Any], Meta(description="Attributes of the instance.")] = field(default_factory=dict)
    metadata_options: Annotated[dict[str, Any], Meta(description="Behaviour of the metadata service.")] = field(
        default_factory=dict
    )
    credentials: Annotated[dict[str, Any], Meta(description="The role's credentials.", extra=WITH_SECRETS)] = field(
        default_factory=dict
    )
    ecs: Annotated[dict[str, Any], Meta(description="The ECS agent.")] = field(default_factory=dict)
    eks: Annotated[dict[str, Any], Meta(description="The EKS Pod Identity agent.", extra=WITH_SECRETS)] = field(
        default_factory=dict
    )
    metadata: Annotated[dict[str, Any], Meta(description="Leaves and subtrees, by path.")] = field(default_factory=dict)

    def __repr__(self) -> str:
        # The sections may contain real credentials.
        return f"Variant({self.match!r}, instance={self.instance!r}, ...)"
