"""Derives all facts of an instance from the configured ones, and reports contradictions with their key."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from imds_mock.config import shapes
from imds_mock.config.errors import SettingError
from imds_mock.metadata import regions
from imds_mock.metadata.interfaces import NetworkInterface, derive_interfaces
from imds_mock.metadata.unique_ids import ec2_id, iam_id, random_bytes
from imds_mock.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from imds_mock.config.facts import InstanceSettings, UserData

MAX_USER_DATA_BYTES: Final = 16 * 1024

DEFAULT_REGION: Final = "us-east-1"
# Family letters, generation, attributes: the attribute `g` is a Graviton processor (EC2 naming conventions).
_GRAVITON: Final = re.compile(r"a1|[a-z]+[0-9]+[a-z]*g[a-z]*|[a-z]+[0-9]+[a-z]*-gb[0-9]+")
_XEN: Final = re.compile(r"[cmr][1-4]|t[12]|cc2|cr1|d2|f1|g[23]s?|h1|hs1|i[23]|p[23]|x1e?")
_TAG_KEY: Final = re.compile(r"[A-Za-z0-9+\-=.,_:@]{1,128}")
_RESERVED_TAG_KEYS: Final = frozenset({".", "..", "_index"})


class InstanceProfile(Record, frozen=True):
    """The instance profile and its role.

    Attributes:
        role: Name of the role.
        arn: ARN of the instance profile.
        id: Unique id of the instance profile.
    """

    role: str
    arn: str
    id: str


class Instance(Record, frozen=True):
    """The facts of one instance. Times are seconds since the epoch; None and empty values mean that it has none."""

    settings: InstanceSettings
    region: str
    availability_zone: str
    availability_zone_id: str
    partition: regions.Partition
    architecture: str
    system: str
    profile: str
    pending_time: float
    reservation_id: str
    interfaces: tuple[NetworkInterface, ...]
    private_domain: str
    instance_profile: InstanceProfile | None
    public_keys: tuple[tuple[str, bytes], ...]
    user_data: bytes | None

    @property
    def instance_id(self) -> str:
        """Id of the instance."""
        return self.settings.instance_id

    @property
    def account_id(self) -> str:
        """Account that owns the instance."""
        return self.settings.account_id

    @property
    def primary(self) -> NetworkInterface:
        """The interface with the instance's addresses."""
        return self.interfaces[0]

    @property
    def hostname(self) -> str:
        """Private host name of the instance."""
        return self.private_hostname(self.primary)

    def private_hostname(self, interface: NetworkInterface) -> str:
        """Private host name of an interface, derived from its IPv4 address or from the instance id."""
        if self.settings.hostname is not None and interface is self.primary:
            return self.settings.hostname
        if interface.local_ipv4 is None or self.settings.hostname_type == "resource-name":
            return f"{self.instance_id}.{self.private_domain}"
        return f"ip-{interface.local_ipv4.replace('.', '-')}.{self.private_domain}"

    def public_hostname(self, interface: NetworkInterface) -> str | None:
        """Public host name of an interface; None without a public address."""
        if not interface.public_ipv4s:
            return None
        return f"ec2-{interface.public_ipv4s[0].replace('.', '-')}.{regions.public_domain_of(self.region)}"

    @property
    def block_device_mapping(self) -> Mapping[str, str]:
        """The leaves of `block-device-mapping/`: full paths for the root device, bare names for all others."""
        others = {name: device.removeprefix("/dev/") for name, device in self.settings.block_devices.items()}
        return {"ami": self.settings.root_device, "root": self.settings.root_device} | others


def derive(settings: InstanceSettings, started: float) -> Instance:
    """All facts of an instance.

    Args:
        settings: The configured facts.
        started: Start of the mock in seconds since the epoch: the launch time if none is configured.

    Raises:
        SettingError: Facts contradict each other; names the key.
    """
    region, zone = _region_and_zone(settings)
    family = settings.instance_type.partition(".")[0]
    _require_placement_group(settings)
    return Instance(
        settings=settings,
        region=region,
        availability_zone=zone,
        availability_zone_id=settings.availability_zone_id or regions.zone_id_of(zone) or "",
        partition=regions.partition_of(region),
        architecture=settings.architecture or _architecture(family),
        system=settings.system or ("xen-on-nitro" if _is_xen(settings.instance_type) else "nitro"),
        profile=settings.virtualization_profile or ("default-paravirtual" if settings.kernel_id else "default-hvm"),
        pending_time=float(int(started)) if settings.launch_time is None else _seconds(settings.launch_time),
        reservation_id=settings.reservation_id or ec2_id("r", settings.instance_id),
        interfaces=derive_interfaces(settings, region, zone),
        private_domain=settings.domain_name or regions.private_domain_of(region),
        instance_profile=_instance_profile(settings, regions.partition_of(region)),
        public_keys=tuple(
            (key.name, _openssh_line(key.openssh_key, key.name, index))
            for index, key in enumerate(settings.public_keys)
        ),
        user_data=_user_data(settings.user_data),
    )


_INTERFACE_FACTS: Final = frozenset(
    {"interfaces", "local_ipv4", "public_ipv4", "mac", "security_groups", "instance_id"}
)


def contradictions(settings: InstanceSettings, invalid: Collection[str] = ()) -> Iterator[SettingError]:
    """Contradictions between facts, at most one for each independent group of facts.

    Args:
        settings: The configured facts.
        invalid: Facts that are invalid and have their defaults; their groups are not checked.
    """
    region, zone = DEFAULT_REGION, f"{DEFAULT_REGION}a"
    groups: tuple[tuple[frozenset[str], Callable[[], object]], ...] = (
        (frozenset({"region", "availability_zone"}), lambda: _region_and_zone(settings)),
        (frozenset({"partition_number", "placement_group"}), lambda: _require_placement_group(settings)),
        (_INTERFACE_FACTS, lambda: derive_interfaces(settings, region, zone)),
        (frozenset({"user_data"}), lambda: _user_data(settings.user_data)),
    )
    for facts, check in groups:
        try:
            if facts.isdisjoint(invalid):
                check()
        except SettingError as error:
            yield error


def require_tag_keys(settings: InstanceSettings) -> None:
    """Check the keys of all tags; EC2 does not allow others in instance metadata.

    Raises:
        SettingError: A key contains a character that is invalid in paths, or is reserved.
    """
    for key in settings.tags:
        if not _TAG_KEY.fullmatch(key) or key in _RESERVED_TAG_KEYS:
            raise SettingError(
                ("instance", "tags", key),
                "with instance_metadata_tags, expected a key of 1 to 128 letters, digits and +-=.,_:@, other than `.`, "
                "`..` and `_index`",
            )


def _region_and_zone(settings: InstanceSettings) -> tuple[str, str]:
    zone = settings.availability_zone
    if zone is None:
        region = settings.region or DEFAULT_REGION
        return region, f"{region}a"
    region = regions.region_of(zone) or ""
    if settings.region not in {None, region}:
        raise SettingError(("instance", "availability_zone"), f"{zone} is not in the region {settings.region}")
    return region, zone


def _require_placement_group(settings: InstanceSettings) -> None:
    if settings.partition_number is not None and settings.placement_group is None:
        raise SettingError(("instance", "partition_number"), "placement_group is required when partition_number is set")


def _architecture(family: str) -> str:
    if family.startswith("mac"):
        return "x86_64_mac" if family == "mac1" else "arm64_mac"
    return "arm64" if _GRAVITON.fullmatch(family) else "x86_64"


def _is_xen(instance_type: str) -> bool:
    family, _, size = instance_type.partition(".")
    return _XEN.fullmatch(family) is not None and not size.startswith("metal")


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        raise SettingError(("instance", "launch_time"), f"expected an existing time, got {text!r}") from error


def _instance_profile(settings: InstanceSettings, partition: regions.Partition) -> InstanceProfile | None:
    if settings.role is None:
        return None
    name, account = settings.instance_profile or settings.role, settings.account_id
    unique = settings.instance_profile_id or iam_id("AIPA", account, 21, random_bytes(8, "AIPA", account, name))
    return InstanceProfile(settings.role, f"arn:{partition.name}:iam::{account}:instance-profile/{name}", unique)


def _openssh_line(key: str, name: str, index: int) -> bytes:
    try:
        kind, blob, comment = shapes.read_openssh_key(key)
    except ValueError as error:
        expected = "expected a public key such as `ssh-ed25519 AAAA... name`"
        raise SettingError(("instance", "public_keys", index, "openssh_key"), expected) from error
    return f"{kind} {blob} {comment or name}\n".encode()


def _user_data(configured: str | UserData | None) -> bytes | None:
    path = ("instance", "user_data")
    if configured is None:
        return None
    if isinstance(configured, str):
        content = configured.encode()
    elif configured.base64 is None or configured.file is not None:
        raise SettingError(path, "expected either text, `base64` or the `file` of the bytes")
    else:
        try:
            content = shapes.read_base64(configured.base64)
        except ValueError as error:
            raise SettingError((*path, "base64"), "expected base64") from error
    if len(content) > MAX_USER_DATA_BYTES:
        raise SettingError(path, f"has {len(content)} bytes; EC2 allows {MAX_USER_DATA_BYTES}")
    return content or None
