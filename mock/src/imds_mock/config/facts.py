"""What a user may say about an instance: few facts, from which everything else in its metadata follows.

A field that is null is derived from the others (`metadata.instance` says how), or, where its description says so, the
instance does not have it. Names are the EC2 API's and those of the metadata paths, with underscores.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from imds_mock.config import shapes
from imds_mock.config.secrets import PRIVILEGED

# Nobody holds the private half: the 32 bytes are the first SHA-256 in the chain from the empty string, hashed over and
# over, that is a point on the curve.
_DEFAULT_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpqwtSWGIL0KjRcdhX0Ez3ejm1ufBtrQK5P9u5Sw5PQ my-key"


class PublicKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key pair's public half."""

    name: Annotated[shapes.PathPart, Meta(description="Name of the key pair.")]
    openssh_key: Annotated[
        shapes.OpensshKey, Meta(description="One line in OpenSSH's format; the name is added where it has no comment.")
    ]


class UserData(Struct, frozen=True, forbid_unknown_fields=True):
    """User data that is not text, or not in the configuration itself; exactly one of the two."""

    base64: Annotated[shapes.Base64 | None, Meta(description="The bytes in base64.")] = None
    file: Annotated[
        str | None,
        Meta(
            description="File with the bytes; a relative path starts at the configuration file's folder.",
            extra={PRIVILEGED: "it names a file that the mock reads"},
        ),
    ] = None


class ManagedSshKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """What EC2 Instance Connect finds."""

    signer_cert: Annotated[
        str | None, Meta(description="Certificate chain in PEM; null makes one under the mock's own key.")
    ] = None
    active_keys: Annotated[
        dict[shapes.PathPart, tuple[shapes.Line, ...]], Meta(description="User to the lines pushed for him.")
    ] = field(default_factory=dict)
    signer_ocsp: Annotated[
        dict[shapes.PathPart, str], Meta(description="Certificate fingerprint to its OCSP answer in base64.")
    ] = field(default_factory=dict)


class Interface(Struct, frozen=True, forbid_unknown_fields=True):
    """A network interface; what is null follows from the instance and from the interface's place in the list."""

    mac: Annotated[shapes.Mac | None, Meta(description="MAC address.")] = None
    interface_id: Annotated[shapes.InterfaceId | None, Meta(description="Id.")] = None
    device_number: Annotated[shapes.Index | None, Meta(description="Device number; null: place in the list.")] = None
    network_card: Annotated[shapes.Index, Meta(description="Index of the network card; shown when it is not 0.")] = 0
    local_ipv4s: Annotated[
        tuple[shapes.Ipv4, ...] | None,
        Meta(description="Private addresses, the first is the main one; empty: IPv6 only."),
    ] = None
    public_ipv4s: Annotated[
        dict[shapes.Ipv4, shapes.Ipv4OrNothing] | None,
        Meta(description="Public address to the private one that it belongs to; null: one on the first interface."),
    ] = None
    ipv6s: Annotated[tuple[shapes.Ipv6, ...], Meta(description="IPv6 addresses.")] = ()
    ipv4_prefixes: Annotated[tuple[shapes.Ipv4Block, ...], Meta(description="Delegated IPv4 prefixes (/28).")] = ()
    ipv6_prefixes: Annotated[tuple[shapes.Ipv6Block, ...], Meta(description="Delegated IPv6 prefixes (/80).")] = ()
    owner_id: Annotated[shapes.AccountId | None, Meta(description="Account of its owner; null: the instance's.")] = None
    security_groups: Annotated[
        tuple[shapes.Line, ...] | None, Meta(description="Names of security groups; null: the instance's.")
    ] = None
    security_group_ids: Annotated[
        tuple[shapes.SecurityGroupId, ...] | None, Meta(description="Ids of the security groups, in the same order.")
    ] = None
    subnet_id: Annotated[shapes.SubnetId | None, Meta(description="Id of the subnet.")] = None
    subnet_ipv4_cidr_block: Annotated[
        shapes.Ipv4Block | None, Meta(description="Null: the /24 around the main address.")
    ] = None
    subnet_ipv6_cidr_blocks: Annotated[
        tuple[shapes.Ipv6Block, ...] | None, Meta(description="Null: the /64 around the first IPv6 address.")
    ] = None
    vpc_id: Annotated[shapes.VpcId | None, Meta(description="Id of the VPC; null: the same for all interfaces.")] = None
    vpc_ipv4_cidr_blocks: Annotated[
        tuple[shapes.Ipv4Block, ...] | None,
        Meta(description="Null: the /16 around the main address; IPv6 only: those of interface 0, or 10.0.0.0/16."),
    ] = None
    vpc_ipv6_cidr_blocks: Annotated[
        tuple[shapes.Ipv6Block, ...] | None, Meta(description="Null: the /56 around the first IPv6 address.")
    ] = None


LifeCycle = Literal["on-demand", "spot", "scheduled", "capacity-block"]
LifecycleState = Literal[
    "Detached",
    "InService",
    "Standby",
    "Terminated",
    "Warmed:Hibernated",
    "Warmed:Running",
    "Warmed:Stopped",
    "Warmed:Terminated",
]


class InstanceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The facts of one instance."""

    instance_id: Annotated[shapes.InstanceId, Meta(description="Id of the instance.")] = "i-1234567890abcdef0"
    account_id: Annotated[shapes.AccountId, Meta(description="AWS account that owns it.")] = "123456789012"
    region: Annotated[shapes.Region | None, Meta(description="Region; null: the zone's, or us-east-1.")] = None
    availability_zone: Annotated[shapes.Zone | None, Meta(description="Zone; null: zone `a` of the region.")] = None
    availability_zone_id: Annotated[shapes.ZoneId | None, Meta(description="Zone id; null: from the zone.")] = None
    instance_type: Annotated[shapes.InstanceType, Meta(description="Type.")] = "m5.large"
    architecture: Annotated[
        Literal["x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac"] | None,
        Meta(description="In the identity document; null: from the type."),
    ] = None
    system: Annotated[
        Literal["nitro", "xen-on-nitro"] | None, Meta(description="Virtualization system; null: from the type.")
    ] = None
    virtualization_profile: Annotated[
        shapes.Line | None, Meta(description="The leaf `profile`; null: `default-hvm`, with a kernel otherwise.")
    ] = None
    launch_time: Annotated[
        shapes.Moment | None, Meta(description="`pendingTime` of the identity document; null: when the mock started.")
    ] = None
    reservation_id: Annotated[shapes.ReservationId | None, Meta(description="Null: from the instance id.")] = None
    instance_life_cycle: Annotated[LifeCycle, Meta(description="How the instance was bought.")] = "on-demand"
    instance_action: Annotated[
        Literal["none", "shutdown", "bundle-pending"], Meta(description="Whether it is to be rebooted for bundling.")
    ] = "none"
    hibernation_configured: Annotated[bool, Meta(description="Hibernation is set up.")] = False
    target_lifecycle_state: Annotated[
        LifecycleState | None, Meta(description="Auto Scaling's target state; null: in no Auto Scaling group.")
    ] = None
    detailed_monitoring: Annotated[
        bool | None, Meta(description="Says so under `dynamic/fws/`; null: `fws/` is not there.")
    ] = None

    image_id: Annotated[shapes.ImageId, Meta(description="Machine image.")] = "ami-0abcdef1234567890"
    ancestor_ami_ids: Annotated[tuple[shapes.ImageId, ...], Meta(description="Images that it was built from.")] = ()
    ami_launch_index: Annotated[shapes.Index, Meta(description="Place among the instances of one launch.")] = 0
    ami_manifest_path: Annotated[shapes.Line, Meta(description="Manifest; `(unknown)` for EBS images.")] = "(unknown)"
    kernel_id: Annotated[shapes.KernelId | None, Meta(description="Kernel; null: none (not paravirtual).")] = None
    ramdisk_id: Annotated[shapes.RamdiskId | None, Meta(description="RAM disk; null: none.")] = None
    product_codes: Annotated[tuple[shapes.PathPart, ...], Meta(description="AWS Marketplace product codes.")] = ()
    billing_products: Annotated[
        tuple[shapes.PathPart, ...], Meta(description="`billingProducts` of the identity document (licences).")
    ] = ()

    root_device: Annotated[shapes.DevicePath, Meta(description="Root device, `ami` and `root`.")] = "/dev/xvda"
    block_devices: Annotated[
        dict[shapes.DeviceMapping, shapes.DeviceName], Meta(description="Further devices: ebsN, ephemeralN, swap.")
    ] = field(default_factory=dict)

    placement_group: Annotated[shapes.Line | None, Meta(description="Placement group; null: in none.")] = None
    partition_number: Annotated[
        shapes.Index | None, Meta(description="Partition in the placement group; null: none.")
    ] = None
    host_id: Annotated[shapes.HostId | None, Meta(description="Dedicated host; null: none.")] = None

    hostname: Annotated[shapes.DomainName | None, Meta(description="Private host name; null: derived.")] = None
    hostname_type: Annotated[
        Literal["ip-name", "resource-name"], Meta(description="What a derived private host name is made from.")
    ] = "ip-name"
    domain_name: Annotated[
        shapes.DomainName | None, Meta(description="Domain of private host names (DHCP options); null: EC2's own.")
    ] = None
    local_ipv4: Annotated[
        shapes.Ipv4 | None,
        Meta(description="Main private address; takes the place of the first interface's first one."),
    ] = None
    public_ipv4: Annotated[
        shapes.Ipv4 | UnsetType | None,
        Meta(description="The only public address, of the main private one; null: no public address at all."),
    ] = UNSET
    mac: Annotated[shapes.Mac | None, Meta(description="MAC address of the first interface; null: its own.")] = None
    security_groups: Annotated[tuple[shapes.Line, ...], Meta(description="Names of its security groups.")] = (
        "default",
    )
    interfaces: Annotated[tuple[Interface, ...], Meta(description="Network interfaces.")] = (Interface(),)

    role: Annotated[shapes.RoleName | None, Meta(description="IAM role; null: no instance profile.")] = "my-role"
    instance_profile: Annotated[
        shapes.RoleName | None, Meta(description="Name of the instance profile; null: the role's.")
    ] = None
    instance_profile_id: Annotated[
        shapes.ProfileId | None, Meta(description="Id of the instance profile; null: from its name.")
    ] = None
    public_keys: Annotated[tuple[PublicKey, ...], Meta(description="Key pairs.")] = (PublicKey("my-key", _DEFAULT_KEY),)
    managed_ssh_keys: Annotated[ManagedSshKeys, Meta(description="EC2 Instance Connect.")] = ManagedSshKeys()
    tags: Annotated[
        dict[str, str], Meta(description="Instance tags, shown where `instance_metadata_tags` is enabled.")
    ] = field(default_factory=lambda: {"Name": "my-instance"})
    user_data: Annotated[str | UserData | None, Meta(description="User data, text or bytes; null: none.")] = None
