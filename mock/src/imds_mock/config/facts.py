"""The schema of an instance: the facts from which all of its metadata is derived.

A field that is null is derived from the others by `metadata.instance`, unless its description says that the instance
then has none. Fields are named as in the EC2 API and in the paths of the metadata, with underscores.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from imds_mock.config import shapes
from imds_mock.config.marks import PRIVILEGED

# The private key is unknown: the 32 bytes are the first point of the curve in the chain of SHA-256 hashes that starts
# with the empty string.
_DEFAULT_KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpqwtSWGIL0KjRcdhX0Ez3ejm1ufBtrQK5P9u5Sw5PQ my-key"


class PublicKey(Struct, frozen=True, forbid_unknown_fields=True):
    """The public key of a key pair."""

    name: Annotated[shapes.PathPart, Meta(description="Name of the key pair.")]
    openssh_key: Annotated[
        shapes.OpensshKey, Meta(description="One line in OpenSSH format; the name is added if it has no comment.")
    ]


class UserData(Struct, frozen=True, forbid_unknown_fields=True):
    """User data as bytes or from a file; set exactly one of the two."""

    base64: Annotated[shapes.Base64 | None, Meta(description="The bytes, in base64.")] = None
    file: Annotated[
        str | None,
        Meta(
            description="File with the bytes; a relative path is relative to the configuration file's folder.",
            extra={PRIVILEGED: "it names a file that the mock reads"},
        ),
    ] = None


class ManagedSshKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys for EC2 Instance Connect."""

    signer_cert: Annotated[
        str | None, Meta(description="Certificate chain in PEM; null: generated and signed with the mock's own key.")
    ] = None
    active_keys: Annotated[
        dict[shapes.PathPart, tuple[shapes.Line, ...]],
        Meta(description="User name to the key lines pushed for that user."),
    ] = field(default_factory=dict)
    signer_ocsp: Annotated[
        dict[shapes.PathPart, str], Meta(description="Certificate fingerprint to its OCSP response in base64.")
    ] = field(default_factory=dict)


class Interface(Struct, frozen=True, forbid_unknown_fields=True):
    """A network interface; null values are derived from the instance and the interface's position in the list."""

    mac: Annotated[shapes.Mac | None, Meta(description="MAC address.")] = None
    interface_id: Annotated[shapes.InterfaceId | None, Meta(description="Id of the interface.")] = None
    device_number: Annotated[shapes.Index | None, Meta(description="Device number; null: position in the list.")] = None
    network_card: Annotated[shapes.Index, Meta(description="Index of the network card; shown if it is not 0.")] = 0
    local_ipv4s: Annotated[
        tuple[shapes.Ipv4, ...] | None,
        Meta(description="Private addresses, the primary one first; empty: IPv6 only."),
    ] = None
    public_ipv4s: Annotated[
        dict[shapes.Ipv4, shapes.Ipv4OrNothing] | None,
        Meta(description="Public address to its private address; null: one on the first interface."),
    ] = None
    ipv6s: Annotated[tuple[shapes.Ipv6, ...], Meta(description="IPv6 addresses.")] = ()
    ipv4_prefixes: Annotated[tuple[shapes.Ipv4Block, ...], Meta(description="Delegated IPv4 prefixes (/28).")] = ()
    ipv6_prefixes: Annotated[tuple[shapes.Ipv6Block, ...], Meta(description="Delegated IPv6 prefixes (/80).")] = ()
    owner_id: Annotated[
        shapes.AccountId | None, Meta(description="Account that owns the interface; null: the instance's.")
    ] = None
    security_groups: Annotated[
        tuple[shapes.Line, ...] | None, Meta(description="Names of security groups; null: the instance's.")
    ] = None
    security_group_ids: Annotated[
        tuple[shapes.SecurityGroupId, ...] | None, Meta(description="Ids of the security groups, in the same order.")
    ] = None
    subnet_id: Annotated[shapes.SubnetId | None, Meta(description="Id of the subnet.")] = None
    subnet_ipv4_cidr_block: Annotated[
        shapes.Ipv4Block | None, Meta(description="IPv4 block of the subnet; null: the /24 around the primary address.")
    ] = None
    subnet_ipv6_cidr_blocks: Annotated[
        tuple[shapes.Ipv6Block, ...] | None,
        Meta(description="IPv6 blocks of the subnet; null: the /64 around the first IPv6 address."),
    ] = None
    vpc_id: Annotated[shapes.VpcId | None, Meta(description="Id of the VPC; null: the same for all interfaces.")] = None
    vpc_ipv4_cidr_blocks: Annotated[
        tuple[shapes.Ipv4Block, ...] | None,
        Meta(
            description="IPv4 blocks of the VPC; null: the /16 around the primary address. IPv6 only: "
            "the blocks of interface 0, or 10.0.0.0/16."
        ),
    ] = None
    vpc_ipv6_cidr_blocks: Annotated[
        tuple[shapes.Ipv6Block, ...] | None,
        Meta(description="IPv6 blocks of the VPC; null: the /56 around the first IPv6 address."),
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
    """Attributes of the instance."""

    instance_id: Annotated[shapes.InstanceId, Meta(description="Id of the instance.")] = "i-1234567890abcdef0"
    account_id: Annotated[shapes.AccountId, Meta(description="AWS account that owns the instance.")] = "123456789012"
    region: Annotated[shapes.Region | None, Meta(description="Region; null: the zone's region, or us-east-1.")] = None
    availability_zone: Annotated[
        shapes.Zone | None, Meta(description="Availability zone; null: zone `a` of the region.")
    ] = None
    availability_zone_id: Annotated[shapes.ZoneId | None, Meta(description="Zone id; null: derived from the zone.")] = (
        None
    )
    instance_type: Annotated[shapes.InstanceType, Meta(description="Instance type.")] = "m5.large"
    architecture: Annotated[
        Literal["x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac"] | None,
        Meta(description="Architecture in the identity document; null: derived from the type."),
    ] = None
    system: Annotated[
        Literal["nitro", "xen-on-nitro"] | None, Meta(description="Virtualization system; null: derived from the type.")
    ] = None
    virtualization_profile: Annotated[
        shapes.Line | None,
        Meta(description="The leaf `profile`; null: `default-hvm`, or `default-paravirtual` if `kernel_id` is set."),
    ] = None
    launch_time: Annotated[
        shapes.Moment | None,
        Meta(description="`pendingTime` of the identity document; null: the start time of the mock."),
    ] = None
    reservation_id: Annotated[
        shapes.ReservationId | None, Meta(description="Reservation id; null: derived from the instance id.")
    ] = None
    instance_life_cycle: Annotated[LifeCycle, Meta(description="Purchasing option of the instance.")] = "on-demand"
    instance_action: Annotated[
        Literal["none", "shutdown", "bundle-pending"],
        Meta(description="The leaf `instance-action`, which announces a reboot for bundling."),
    ] = "none"
    hibernation_configured: Annotated[bool, Meta(description="Whether hibernation is configured.")] = False
    target_lifecycle_state: Annotated[
        LifecycleState | None, Meta(description="Target state in the Auto Scaling group; null: no group.")
    ] = None
    detailed_monitoring: Annotated[
        bool | None,
        Meta(description="Whether `dynamic/fws/instance-monitoring` is enabled; null: `fws/` does not exist."),
    ] = None

    image_id: Annotated[shapes.ImageId, Meta(description="Machine image (AMI).")] = "ami-0abcdef1234567890"
    ancestor_ami_ids: Annotated[
        tuple[shapes.ImageId, ...], Meta(description="Images that the AMI was built from.")
    ] = ()
    ami_launch_index: Annotated[shapes.Index, Meta(description="Index among the instances of one launch.")] = 0
    ami_manifest_path: Annotated[
        shapes.Line, Meta(description="Path of the AMI's manifest; `(unknown)` for EBS images.")
    ] = "(unknown)"
    kernel_id: Annotated[shapes.KernelId | None, Meta(description="Kernel; null: none (not paravirtual).")] = None
    ramdisk_id: Annotated[shapes.RamdiskId | None, Meta(description="RAM disk; null: none.")] = None
    product_codes: Annotated[tuple[shapes.PathPart, ...], Meta(description="AWS Marketplace product codes.")] = ()
    billing_products: Annotated[
        tuple[shapes.PathPart, ...], Meta(description="`billingProducts` of the identity document (licences).")
    ] = ()

    root_device: Annotated[shapes.DevicePath, Meta(description="Root device, shown as `ami` and `root`.")] = "/dev/xvda"
    block_devices: Annotated[
        dict[shapes.DeviceMapping, shapes.DeviceName], Meta(description="Additional devices: ebsN, ephemeralN, swap.")
    ] = field(default_factory=dict)

    placement_group: Annotated[shapes.Line | None, Meta(description="Placement group; null: none.")] = None
    partition_number: Annotated[
        shapes.Index | None, Meta(description="Partition in the placement group; null: none.")
    ] = None
    host_id: Annotated[shapes.HostId | None, Meta(description="Dedicated host; null: none.")] = None

    hostname: Annotated[shapes.DomainName | None, Meta(description="Private host name; null: derived.")] = None
    hostname_type: Annotated[
        Literal["ip-name", "resource-name"], Meta(description="Format of a derived private host name.")
    ] = "ip-name"
    domain_name: Annotated[
        shapes.DomainName | None, Meta(description="Domain of private host names (DHCP options); null: EC2's default.")
    ] = None
    local_ipv4: Annotated[
        shapes.Ipv4 | None,
        Meta(description="Primary private address; replaces the first address of the first interface."),
    ] = None
    public_ipv4: Annotated[
        shapes.Ipv4 | UnsetType | None,
        Meta(description="The only public address, assigned to the primary private address; null: no public address."),
    ] = UNSET
    mac: Annotated[
        shapes.Mac | None, Meta(description="MAC address of the first interface; null: the interface's own.")
    ] = None
    security_groups: Annotated[tuple[shapes.Line, ...], Meta(description="Names of the security groups.")] = (
        "default",
    )
    interfaces: Annotated[tuple[Interface, ...], Meta(description="Network interfaces.", min_length=1)] = (Interface(),)

    role: Annotated[shapes.RoleName | None, Meta(description="IAM role; null: no instance profile.")] = "my-role"
    instance_profile: Annotated[
        shapes.RoleName | None, Meta(description="Name of the instance profile; null: the role's name.")
    ] = None
    instance_profile_id: Annotated[
        shapes.ProfileId | None, Meta(description="Id of the instance profile; null: derived from its name.")
    ] = None
    public_keys: Annotated[tuple[PublicKey, ...], Meta(description="Key pairs.")] = (PublicKey("my-key", _DEFAULT_KEY),)
    managed_ssh_keys: Annotated[ManagedSshKeys, Meta(description="EC2 Instance Connect.")] = ManagedSshKeys()
    tags: Annotated[
        dict[str, str], Meta(description="Instance tags, shown if `instance_metadata_tags` is enabled.")
    ] = field(default_factory=lambda: {"Name": "my-instance"})
    user_data: Annotated[str | UserData | None, Meta(description="User data, text or bytes; null: none.")] = None
