"""The schema of the configuration: every key with its type, default and meaning, as frozen values.

The descriptions are part of the JSON Schema and of `docs/configuration.md`. Metadata options are named as in EC2's
ModifyInstanceMetadataOptions.

The schema does not import `annotations` from `__future__`: msgspec would evaluate annotations that are text at their
first use, which delays a start by several milliseconds.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Struct, field

from imds_mock.config import shapes
from imds_mock.config.callers import CallerSettings, Variant
from imds_mock.config.containers import AgentSettings, EcsSettings, EksSettings
from imds_mock.config.facts import InstanceSettings
from imds_mock.config.marks import A_SECRET, PRIVILEGED, WITH_SECRETS, WithSecrets
from imds_mock.config.roles import CredentialSettings

Switch = Literal["enabled", "disabled"]


class MetadataOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """Behaviour of the metadata service."""

    http_tokens: Annotated[
        Literal["optional", "required"], Meta(description="Whether requests need a session token (IMDSv2).")
    ] = "optional"
    http_endpoint: Annotated[Switch, Meta(description="`disabled`: every request gets 403.")] = "enabled"
    http_put_response_hop_limit: Annotated[
        shapes.HopLimit | None,
        Meta(description="IP TTL of token responses; null: the system's TTL on the wire, reported as 1."),
    ] = None
    http_protocol_ipv6: Annotated[
        Switch | None,
        Meta(description="Whether the mock answers over IPv6; null: it answers but reports `disabled`."),
    ] = None
    instance_metadata_tags: Annotated[Switch, Meta(description="Whether `tags/` exists.")] = "disabled"
    container_hops: Annotated[
        shapes.Hops,
        Meta(description="Hops that containers add; at or above the hop limit, token responses are lost."),
    ] = 0
    hop_limit_effect: Annotated[
        Literal["stall", "reset"],
        Meta(description="How a lost token response appears: no response, or a connection reset."),
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
        tuple[shapes.Address, ...],
        Meta(description="IP addresses to listen on; empty: all addresses of both families."),
    ] = ()
    port: Annotated[shapes.Port, Meta(description="TCP port; 0: any free port.")] = 1338
    access_log: Annotated[
        Literal["text", "json", "off"], Meta(description="Format of the access log, one line per request.")
    ] = "text"
    access_log_file: Annotated[
        str | None,
        Meta(
            description="File to append the access log to; null: standard error.",
            extra={PRIVILEGED: "it names a file that the mock writes"},
        ),
    ] = None
    watch_config: Annotated[
        bool, Meta(description="Whether the mock reloads the configuration file when it changes.")
    ] = True
    max_connections: Annotated[
        shapes.Count, Meta(description="Open connections; beyond this number, the longest idle ones are closed.")
    ] = 4096
    head_timeout_seconds: Annotated[
        shapes.Seconds, Meta(description="Time for a client to send the headers of a request.")
    ] = 20.0
    idle_timeout_seconds: Annotated[shapes.Seconds, Meta(description="Time between two requests of a connection.")] = (
        75.0
    )
    write_timeout_seconds: Annotated[shapes.Seconds, Meta(description="Time for a client to read a response.")] = 30.0
    stop_grace_seconds: Annotated[shapes.GraceSeconds, Meta(description="Time for open responses at shutdown.")] = 5.0
    max_target_bytes: Annotated[shapes.Count, Meta(description="Size of a request target; beyond it 414.")] = 8192
    max_head_bytes: Annotated[
        shapes.Count, Meta(description="Size of the request line and headers; beyond it 431.")
    ] = 16384
    max_headers: Annotated[shapes.Count, Meta(description="Number of header lines; beyond it 431.")] = 100
    max_body_bytes: Annotated[
        shapes.Index, Meta(description="Size of a body, which the mock discards; beyond it 413.")
    ] = 65536


class ControlSettings(WithSecrets, frozen=True, forbid_unknown_fields=True):
    """The control plane, which changes and observes a running mock."""

    enabled: Annotated[bool, Meta(description="Whether the control plane is enabled.")] = True
    hosts: Annotated[
        tuple[shapes.Address, ...],
        Meta(description="IP addresses to listen on; empty: all, or loopback if `server.hosts` is loopback."),
    ] = ()
    port: Annotated[
        shapes.Port | None, Meta(description="TCP port; null: 1339, or any free port if `server.port` is 0.")
    ] = None
    socket: Annotated[
        str | None,
        Meta(
            description="Path of the Unix socket; null: in the first writable default folder; empty: no socket.",
            extra={PRIVILEGED: "it names a file that the mock makes"},
        ),
    ] = None
    token: Annotated[
        shapes.Token | None,
        Meta(
            description="Bearer token for clients over TCP. If it is set, all clients except loopback need it.",
            extra=A_SECRET,
        ),
    ] = None
    trust_gateway: Annotated[
        bool,
        Meta(
            description="Whether the default gateway's address has access without a token: the host, through a "
            "published port. Set it to false if no port is published. If `token` is set, the gateway needs it too."
        ),
    ] = True
    allowed_hosts: Annotated[
        tuple[str, ...],
        Meta(description="Names that callers may use in `Host`, besides addresses and `localhost`."),
    ] = ()
    journal_entries: Annotated[shapes.Count, Meta(description="Number of requests that the journal keeps.")] = 10_000


class SigningSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that sign the instance identity document."""

    key_directory: Annotated[
        str | None,
        Meta(
            description="Folder of keys and certificates; missing ones are made. null: the user's temporary folder.",
            extra={PRIVILEGED: "it names a folder that the mock reads and writes"},
        ),
    ] = None


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration."""

    renamed: ClassVar[Mapping[str, tuple[str, str]]] = {
        "profile": ("compatibility", "0.2.0"),
        "profiles": ("variants", "0.2.0"),
    }

    server: Annotated[ServerSettings, Meta(description="The listener of the data plane.")] = ServerSettings()
    control: Annotated[ControlSettings, Meta(description="The control plane.")] = ControlSettings()
    metadata_options: Annotated[MetadataOptions, Meta(description="Behaviour of the metadata service.")] = (
        MetadataOptions()
    )
    instance: Annotated[InstanceSettings, Meta(description="Attributes of the instance.")] = InstanceSettings()
    credentials: Annotated[CredentialSettings, Meta(description="The role's credentials.")] = CredentialSettings()
    agents: Annotated[AgentSettings, Meta(description="Access to the ECS and EKS agents.")] = AgentSettings()
    ecs: Annotated[EcsSettings, Meta(description="The ECS agent.")] = EcsSettings()
    eks: Annotated[EksSettings, Meta(description="The EKS Pod Identity agent.")] = EksSettings()
    signing: Annotated[SigningSettings, Meta(description="Keys that sign the identity document.")] = SigningSettings()
    compatibility: Annotated[
        Literal["imds", "aemm"] | None,
        Meta(
            description="Whether the mock serves the data and events of the real service or of "
            "amazon-ec2-metadata-mock; null: `aemm` if one of its variables is set, otherwise `imds`."
        ),
    ] = None
    identity: Annotated[
        Literal["shared", "per-container"],
        Meta(description="Whether all callers share one instance or every container is its own instance."),
    ] = "shared"
    callers: Annotated[CallerSettings, Meta(description="How the mock identifies callers.")] = CallerSettings()
    variants: Annotated[
        tuple[Variant, ...],
        Meta(description="Settings for selected callers; if several variants match, the last one wins."),
    ] = ()
    versions: Annotated[
        tuple[shapes.Date, ...] | None,
        Meta(description="Metadata versions that `/` lists; null: the versions of 2024."),
    ] = None
    metadata: Annotated[
        dict[str, Any], Meta(description="Leaves and subtrees to set, add or remove (null), by path.")
    ] = field(default_factory=dict)
    aemm: Annotated[
        dict[str, Any],
        Meta(
            description="Settings of amazon-ec2-metadata-mock under its own keys, for `compatibility: aemm`.",
            extra=WITH_SECRETS,
        ),
    ] = field(default_factory=dict)


FIXED_SECTIONS: Final = ("server", "control", "signing")
"""Sections that only take effect at a start: a reload or the control plane cannot change them."""
