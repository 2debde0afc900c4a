"""The schema of the configuration: every key with its type, default and meaning, as frozen values.

The descriptions are what the JSON Schema and `docs/configuration.md` say. Names of metadata options are those of EC2's
ModifyInstanceMetadataOptions.

Here and in `facts` annotations are evaluated at once: as text, msgspec would evaluate them at the first use, which
takes several milliseconds of the start.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from imds_mock.config import shapes
from imds_mock.config.callers import CallerSettings, Profile
from imds_mock.config.containers import AgentSettings, EcsSettings, EksSettings
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.roles import CredentialSettings
from imds_mock.config.secrets import A_SECRET, PRIVILEGED, WITH_SECRETS, WithSecrets

Switch = Literal["enabled", "disabled"]


class MetadataOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How the metadata service answers."""

    http_tokens: Annotated[
        Literal["optional", "required"], Meta(description="Whether requests need a session token (IMDSv2).")
    ] = "optional"
    http_endpoint: Annotated[Switch, Meta(description="Disabled: every request is answered 403.")] = "enabled"
    http_put_response_hop_limit: Annotated[
        shapes.HopLimit | None,
        Meta(description="IP TTL of token answers; null: the system's own on the wire, 1 in what is reported."),
    ] = None
    http_protocol_ipv6: Annotated[
        Switch | None,
        Meta(description="Whether callers over IPv6 are answered; null: they are, but `disabled` is reported."),
    ] = None
    instance_metadata_tags: Annotated[Switch, Meta(description="Whether `tags/` is there.")] = "disabled"
    container_hops: Annotated[
        shapes.Hops,
        Meta(description="Hops that containers add on the way; at the hop limit or above, token answers are lost."),
    ] = 0
    hop_limit_effect: Annotated[
        Literal["stall", "reset"], Meta(description="How a lost token answer looks: no answer, or a reset.")
    ] = "stall"
    not_found_content_type: Annotated[shapes.ContentType, Meta(description="`Content-Type` of the 404 page.")] = (
        "text/html"
    )
    bad_request_content_type: Annotated[shapes.ContentType, Meta(description="`Content-Type` of the 400 page.")] = (
        "text/html"
    )
    data_path_allow: Annotated[shapes.Methods, Meta(description="`Allow` of a 405 on data paths.")] = (
        "OPTIONS, GET, HEAD"
    )
    put_elsewhere_status: Annotated[shapes.Status, Meta(description="Status of PUT on any other path.")] = 403


class ServerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The listener of the data plane."""

    hosts: Annotated[
        tuple[shapes.Address, ...], Meta(description="IP addresses to listen on; none: all, of both families.")
    ] = ()
    port: Annotated[shapes.Port, Meta(description="TCP port; 0 takes a free one.")] = 1338
    access_log: Annotated[Literal["text", "json", "off"], Meta(description="Access log, one line a request.")] = "text"
    access_log_file: Annotated[
        str | None,
        Meta(
            description="File that the access log is appended to; null: standard error.",
            extra={PRIVILEGED: "it names a file that the mock writes"},
        ),
    ] = None
    watch_config: Annotated[
        bool, Meta(description="Whether a change of the configuration file is taken over at once.")
    ] = True
    max_connections: Annotated[
        shapes.Count, Meta(description="Open connections; beyond them the most silent ones are closed.")
    ] = 4096
    head_timeout_seconds: Annotated[shapes.Seconds, Meta(description="To send the head of a request.")] = 20.0
    idle_timeout_seconds: Annotated[shapes.Seconds, Meta(description="Between two requests.")] = 75.0
    write_timeout_seconds: Annotated[shapes.Seconds, Meta(description="To read an answer.")] = 30.0
    stop_grace_seconds: Annotated[shapes.GraceSeconds, Meta(description="For answers under way at the end.")] = 5.0
    max_target_bytes: Annotated[shapes.Count, Meta(description="Request target; beyond it 414.")] = 8192
    max_head_bytes: Annotated[shapes.Count, Meta(description="Request line and headers; beyond them 431.")] = 16384
    max_headers: Annotated[shapes.Count, Meta(description="Header lines; beyond them 431.")] = 100
    max_body_bytes: Annotated[shapes.Index, Meta(description="Body, which nothing reads; beyond it 413.")] = 65536


class ControlSettings(WithSecrets, frozen=True, forbid_unknown_fields=True):
    """The control plane, which drives a running mock."""

    enabled: Annotated[bool, Meta(description="Whether there is one.")] = True
    hosts: Annotated[
        tuple[shapes.Address, ...],
        Meta(description="IP addresses to listen on; none: all, or loopback where `server.hosts` is loopback."),
    ] = ()
    port: Annotated[
        shapes.Port | None, Meta(description="TCP port; null: 1339, or a free one where `server.port` is 0.")
    ] = None
    socket: Annotated[
        str | None,
        Meta(
            description="Path of the Unix socket; null: in the first folder that can be written; empty: none.",
            extra={PRIVILEGED: "it names a file that the mock makes"},
        ),
    ] = None
    token: Annotated[
        shapes.Token | None,
        Meta(description="Bearer token for callers over TCP; with one, only loopback needs none.", extra=A_SECRET),
    ] = None
    trust_gateway: Annotated[
        bool,
        Meta(
            description="Whether the default gateway's address needs no token: the host, through a published port. "
            "Set it to false where no port is published. With a `token`, the gateway needs it too."
        ),
    ] = True
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Names that callers may use in `Host`, besides addresses and `localhost`."),
    ] = ()
    journal_entries: Annotated[shapes.Count, Meta(description="Requests that the journal keeps.")] = 10_000


class SigningSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What signs the instance identity document."""

    key_directory: Annotated[
        str | None,
        Meta(
            description="Folder of keys and certificates, made where missing; null: this user's temporary one.",
            extra={PRIVILEGED: "it names a folder that the mock reads and writes"},
        ),
    ] = None


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    server: Annotated[ServerSettings, Meta(description="The listener of the data plane.")] = ServerSettings()
    control: Annotated[ControlSettings, Meta(description="The control plane.")] = ControlSettings()
    metadata_options: Annotated[MetadataOptions, Meta(description="How the service answers.")] = MetadataOptions()
    instance: Annotated[InstanceSettings, Meta(description="Facts of the instance.")] = InstanceSettings()
    credentials: Annotated[CredentialSettings, Meta(description="The role's credentials.")] = CredentialSettings()
    agents: Annotated[AgentSettings, Meta(description="How ECS's and EKS's agents are reached.")] = AgentSettings()
    ecs: Annotated[EcsSettings, Meta(description="What ECS's agent tells a container.")] = EcsSettings()
    eks: Annotated[EksSettings, Meta(description="Whom EKS's agent gives credentials.")] = EksSettings()
    signing: Annotated[SigningSettings, Meta(description="Signatures of the identity document.")] = SigningSettings()
    profile: Annotated[
        Literal["imds", "aemm"] | None,
        Meta(
            description="Whose data and events are served: the real service's, or those of amazon-ec2-metadata-mock; "
            "null: the latter's when one of its variables is set."
        ),
    ] = None
    identity: Annotated[
        Literal["shared", "per-container"],
        Meta(description="Whether all callers are one instance, or every container is one of its own."),
    ] = "shared"
    callers: Annotated[CallerSettings, Meta(description="How the mock finds out who asks.")] = CallerSettings()
    profiles: Annotated[
        tuple[Profile, ...],
        Meta(description="What some callers have of their own; of several that match the last wins."),
    ] = ()
    versions: Annotated[
        tuple[shapes.Date, ...] | None, Meta(description="Metadata versions that `/` lists; null: those of 2024.")
    ] = None
    metadata: Annotated[
        dict[str, Any], Meta(description="Leaves and subtrees to set, add or (null) remove, by path.")
    ] = field(default_factory=dict)
    aemm: Annotated[
        dict[str, Any],
        Meta(
            description="Settings of amazon-ec2-metadata-mock by its own keys, for the profile `aemm`.",
            extra=WITH_SECRETS,
        ),
    ] = field(default_factory=dict)
