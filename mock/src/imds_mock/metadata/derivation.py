"""The setting from which each path of the metadata is derived: the one to change if derived values should follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imds_mock.metadata.catalogue import INTERFACE_PATH, INTERFACE_ROWS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_EVENTS: Final = {
    "meta-data/events/maintenance/history": "maintenance",
    "meta-data/events/maintenance/scheduled": "maintenance",
    "meta-data/events/recommendations/rebalance": "rebalance",
    "meta-data/spot/instance-action": "spot interrupt",
    "meta-data/spot/termination-time": "spot interrupt",
}
"""Paths that exist only during an event, with the command that causes it."""

_SETTINGS: Final = {
    "meta-data/ami-id": "instance.image_id",
    "meta-data/ami-launch-index": "instance.ami_launch_index",
    "meta-data/ami-manifest-path": "instance.ami_manifest_path",
    "meta-data/ancestor-ami-ids": "instance.ancestor_ami_ids",
    "meta-data/autoscaling/target-lifecycle-state": "instance.target_lifecycle_state",
    "meta-data/block-device-mapping/<name>": "instance.block_devices",
    "meta-data/hibernation/configured": "instance.hibernation_configured",
    "meta-data/hostname": "instance.hostname",
    "meta-data/iam/info": "instance.role",
    "meta-data/iam/security-credentials/<role>": "credentials.source",
    "meta-data/iam/security-credentials-extended/<role>": "credentials.extended",
    "meta-data/identity-credentials/ec2/info": "instance.account_id",
    "meta-data/identity-credentials/ec2/security-credentials/ec2-instance": "credentials.seed",
    "meta-data/instance-action": "instance.instance_action",
    "meta-data/instance-id": "instance.instance_id",
    "meta-data/instance-life-cycle": "instance.instance_life_cycle",
    "meta-data/instance-type": "instance.instance_type",
    "meta-data/ipv6": "instance.interfaces",
    "meta-data/kernel-id": "instance.kernel_id",
    "meta-data/local-hostname": "instance.hostname",
    "meta-data/local-ipv4": "instance.local_ipv4",
    "meta-data/mac": "instance.mac",
    "meta-data/managed-ssh-keys/active-keys/<user>": "instance.managed_ssh_keys.active_keys",
    "meta-data/managed-ssh-keys/signer-cert": "instance.managed_ssh_keys.signer_cert",
    "meta-data/managed-ssh-keys/signer-ocsp/<fingerprint>": "instance.managed_ssh_keys.signer_ocsp",
    "meta-data/placement/availability-zone": "instance.availability_zone",
    "meta-data/placement/availability-zone-id": "instance.availability_zone_id",
    "meta-data/placement/group-name": "instance.placement_group",
    "meta-data/placement/host-id": "instance.host_id",
    "meta-data/placement/partition-number": "instance.partition_number",
    "meta-data/placement/region": "instance.region",
    "meta-data/product-codes": "instance.product_codes",
    "meta-data/profile": "instance.virtualization_profile",
    "meta-data/public-hostname": "instance.public_ipv4",
    "meta-data/public-ipv4": "instance.public_ipv4",
    "meta-data/public-keys/<index>/openssh-key": "instance.public_keys",
    "meta-data/ramdisk-id": "instance.ramdisk_id",
    "meta-data/reservation-id": "instance.reservation_id",
    "meta-data/security-groups": "instance.security_groups",
    "meta-data/services/domain": "instance.region",
    "meta-data/services/partition": "instance.region",
    "meta-data/system": "instance.system",
    "meta-data/tags/instance/<key>": "instance.tags",
    "dynamic/fws/instance-monitoring": "instance.detailed_monitoring",
    "user-data": "instance.user_data",
}
_INTERFACES: Final = "instance.interfaces"
_DOCUMENT: Final = "dynamic/instance-identity/"

_MAX_NAMED: Final = 2


def settings_of(path: str) -> list[str]:
    """The settings from which a path and everything below it are derived, in the order of the catalogue."""
    return list(dict.fromkeys(_settings(path.strip("/"))))


def advice_about(path: str) -> str | None:
    """What to do instead of overriding a derived path; None for a path that is not derived."""
    path = path.strip("/")
    commands = list(dict.fromkeys(command for known, command in _EVENTS.items() if _contains(path, known)))
    settings = settings_of(path)
    if settings == [_DOCUMENT]:
        return (
            f"{path} is derived from all settings of `instance`, and its signatures from it; these do not change. "
            "To change all of them, use `imds-mock ctl config set`"
        )
    if settings:
        named = " and ".join(settings[:_MAX_NAMED]) + (" and others" if len(settings) > _MAX_NAMED else "")
        return (
            f"{path} is derived from {named}; other derived values do not change. "
            f"To change all of them, use `imds-mock ctl config set {settings[0]}=VALUE`"
        )
    if commands:
        return f"{path} exists only during an event; use `imds-mock ctl {commands[0]}` to start one"
    return None


def _settings(path: str) -> Iterator[str]:
    parts = path.split("/")
    for own, setting in _ROWS:
        if _holds(parts, own):
            yield setting
    if _holds(parts[:_MACS], _INTERFACE_PARTS):
        is_row = any(row.matches(path, INTERFACE_PATH) for row in INTERFACE_ROWS)
        if is_row or _holds(parts, _INTERFACE_PARTS):
            yield _INTERFACES


def _contains(path: str, known: str) -> bool:
    """Whether a path of the catalogue is a given path or lies below it."""
    return _holds(path.split("/"), known.split("/"))


def _holds(parts: Sequence[str], own: Sequence[str]) -> bool:
    return len(parts) <= len(own) and all(
        mine == part or mine.startswith("<") for mine, part in zip(own, parts, strict=False)
    )


def _setting_of(path: str) -> str | None:
    return _DOCUMENT if path.startswith(_DOCUMENT) else _SETTINGS.get(path)


# Split once, because a tree has thousands of paths.
_ROWS: Final = tuple((row.path.split("/"), setting) for row in ROWS if (setting := _setting_of(row.path)) is not None)
_INTERFACE_PARTS: Final = INTERFACE_PATH.rstrip("/").split("/")
_MACS: Final = len(_INTERFACE_PARTS)
