"""The catalogue: every leaf of the metadata as one row with path, metadata version, value and condition.

Sources: EC2 User Guide, "Instance metadata categories" (versions, absence) and captures of instances (shapes). The
versions of `profile`, `system`, `hibernation` and `managed-ssh-keys` are not documented; they are inferred.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from imds_mock.metadata.rows import DynamicValue, Facts, InterfaceFacts, Row
from imds_mock.scheduling.window import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from imds_mock.metadata.instance import Instance

INTERFACE_PATH: Final = "meta-data/network/interfaces/macs/<mac>/"
"""The path above the rows of `INTERFACE_ROWS`."""
_VARIABLE: Final = "<"  # first character of a variable part


_BY_PATH: Final = "set by path"
_BY_EVENT: Final = "while an event is active"

ROWS: Final[tuple[Row[Facts], ...]] = (
    Row("meta-data/ami-id", "1.0", lambda f: f.settings.image_id),
    Row("meta-data/ami-launch-index", "1.0", lambda f: f.settings.ami_launch_index),
    Row("meta-data/ami-manifest-path", "1.0", lambda f: f.settings.ami_manifest_path),
    Row("meta-data/ancestor-ami-ids", "2007-10-10", lambda f: f.settings.ancestor_ami_ids, "`ancestor_ami_ids`"),
    Row(
        "meta-data/autoscaling/target-lifecycle-state",
        "2021-07-15",
        lambda f: f.settings.target_lifecycle_state,
        "`target_lifecycle_state`",
    ),
    Row("meta-data/block-device-mapping/<name>", "2007-12-15", lambda f: f.instance.block_device_mapping),
    Row("meta-data/elastic-gpus/associations/<id>", "2016-11-30", lambda _: {}, _BY_PATH),
    Row("meta-data/elastic-inference/associations/<id>", "2018-11-29", lambda _: {}, _BY_PATH),
    Row("meta-data/events/maintenance/history", "2018-08-17", lambda _: b"[]"),
    Row("meta-data/events/maintenance/scheduled", "2018-08-17", lambda _: b"[]"),
    Row("meta-data/events/recommendations/rebalance", "2020-10-27", lambda _: None, _BY_EVENT),
    Row("meta-data/hibernation/configured", "2018-09-24", lambda f: f.settings.hibernation_configured),
    Row("meta-data/hostname", "1.0", lambda f: f.instance.hostname),
    Row("meta-data/iam/info", "2012-01-12", lambda f: f.roles.info(), "`role`"),
    Row("meta-data/iam/security-credentials/<role>", "2012-01-12", lambda f: f.roles.credentials(), "`role`"),
    Row(
        "meta-data/iam/security-credentials-extended/<role>",
        "2025-06-01",
        lambda f: f.roles.extended(),
        "`role` and `credentials.extended`",
    ),
    Row("meta-data/identity-credentials/ec2/info", "2018-05-23", lambda f: f.roles.identity_info()),
    Row(
        "meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
        "2018-05-23",
        lambda f: f.roles.identity_credentials(),
    ),
    Row("meta-data/instance-action", "2008-09-01", lambda f: f.settings.instance_action),
    Row("meta-data/instance-id", "1.0", lambda f: f.instance.instance_id),
    Row("meta-data/instance-life-cycle", "2019-10-01", lambda f: f.settings.instance_life_cycle),
    Row("meta-data/instance-type", "2007-08-29", lambda f: f.settings.instance_type),
    Row("meta-data/ipv6", "2021-01-03", lambda f: next(iter(f.instance.primary.ipv6s), None), "an IPv6 address"),
    Row("meta-data/kernel-id", "2008-02-01", lambda f: f.settings.kernel_id, "`kernel_id`"),
    Row("meta-data/local-hostname", "2007-01-19", lambda f: f.instance.hostname),
    Row("meta-data/local-ipv4", "1.0", lambda f: f.instance.primary.local_ipv4, "a private IPv4 address"),
    Row("meta-data/mac", "2011-01-01", lambda f: f.instance.primary.mac),
    Row(
        "meta-data/managed-ssh-keys/active-keys/<user>",
        "2019-10-01",
        lambda f: {user: tuple(keys) for user, keys in f.settings.managed_ssh_keys.active_keys.items()},
        "`managed_ssh_keys.active_keys`",
    ),
    Row(
        "meta-data/managed-ssh-keys/signer-cert",
        "2019-10-01",
        lambda f: f.settings.managed_ssh_keys.signer_cert or _signature(f.identity.managed_ssh_signer),
    ),
    Row(
        "meta-data/managed-ssh-keys/signer-ocsp/<fingerprint>",
        "2019-10-01",
        lambda f: f.settings.managed_ssh_keys.signer_ocsp,
        "`managed_ssh_keys.signer_ocsp`",
    ),
    Row("meta-data/metrics/vhostmd", "2011-05-01", lambda _: '<?xml version="1.0" encoding="UTF-8"?>'),
    Row("meta-data/placement/availability-zone", "2008-02-01", lambda f: f.instance.availability_zone),
    Row("meta-data/placement/availability-zone-id", "2019-10-01", lambda f: f.instance.availability_zone_id),
    Row("meta-data/placement/group-name", "2020-08-24", lambda f: f.settings.placement_group, "`placement_group`"),
    Row("meta-data/placement/host-id", "2020-08-24", lambda f: f.settings.host_id, "`host_id`"),
    Row(
        "meta-data/placement/partition-number",
        "2020-08-24",
        lambda f: f.settings.partition_number,
        "`partition_number`",
    ),
    Row("meta-data/placement/region", "2020-08-24", lambda f: f.instance.region),
    Row("meta-data/product-codes", "2007-03-01", lambda f: f.settings.product_codes, "`product_codes`"),
    Row("meta-data/profile", "1.0", lambda f: f.instance.profile),
    Row(
        "meta-data/public-hostname",
        "2007-01-19",
        lambda f: f.instance.public_hostname(f.instance.primary),
        "a public address",
    ),
    Row(
        "meta-data/public-ipv4",
        "2007-01-19",
        lambda f: next(iter(f.instance.primary.public_ipv4s), None),
        "a public address",
    ),
    Row(
        "meta-data/public-keys/<index>/openssh-key",
        "1.0",
        lambda f: {str(index): line for index, (_, line) in enumerate(f.instance.public_keys)},
        "`public_keys`",
    ),
    Row("meta-data/ramdisk-id", "2007-10-10", lambda f: f.settings.ramdisk_id, "`ramdisk_id`"),
    Row("meta-data/reservation-id", "1.0", lambda f: f.instance.reservation_id),
    Row("meta-data/security-groups", "1.0", lambda f: f.instance.primary.security_groups),
    Row("meta-data/services/domain", "2014-02-25", lambda f: f.instance.partition.domain),
    Row("meta-data/services/partition", "2015-10-20", lambda f: f.instance.partition.name),
    Row("meta-data/spot/instance-action", "2016-11-15", lambda _: None, _BY_EVENT),
    Row("meta-data/spot/termination-time", "2014-11-05", lambda _: None, _BY_EVENT),
    Row("meta-data/system", "2022-09-24", lambda f: f.instance.system),
    Row(
        "meta-data/tags/instance/<key>",
        "2021-03-23",
        lambda f: f.settings.tags,
        "`metadata_options.instance_metadata_tags`",
    ),
    Row("dynamic/fws/instance-monitoring", "2009-04-04", lambda f: _monitoring(f.instance), "`detailed_monitoring`"),
    Row("dynamic/instance-identity/document", "2009-04-04", lambda f: f.identity.document),
    Row("dynamic/instance-identity/pkcs7", "2009-04-04", lambda f: _signature(f.identity.pkcs7)),
    Row("dynamic/instance-identity/rsa2048", "2009-04-04", lambda f: _signature(f.identity.rsa2048)),
    Row("dynamic/instance-identity/signature", "2009-04-04", lambda f: _signature(f.identity.signature)),
    Row("user-data", "1.0", lambda f: f.instance.user_data, "`user_data`", "application/octet-stream"),
)
"""The rows of the instance, sorted by path."""

INTERFACE_ROWS: Final[tuple[Row[InterfaceFacts], ...]] = (
    Row("device-number", "2011-01-01", lambda f: f.interface.device_number),
    Row("interface-id", "2011-01-01", lambda f: f.interface.interface_id),
    Row("ipv4-associations/<public-ip>", "2011-01-01", lambda f: f.interface.associations, "a public address"),
    Row("ipv4-prefix", "2011-01-01", lambda f: f.interface.ipv4_prefixes, "`ipv4_prefixes`"),
    Row("ipv6-prefix", "2011-01-01", lambda f: f.interface.ipv6_prefixes, "`ipv6_prefixes`"),
    Row("ipv6s", "2016-06-30", lambda f: f.interface.ipv6s, "`ipv6s`"),
    Row("local-hostname", "2011-01-01", lambda f: f.instance.private_hostname(f.interface)),
    Row("local-ipv4s", "2011-01-01", lambda f: f.interface.local_ipv4s, "a private IPv4 address"),
    Row("mac", "2011-01-01", lambda f: f.interface.mac),
    Row("network-card", "2020-11-01", lambda f: f.interface.network_card or None, "`network_card` not 0"),
    Row("network-card-index", "2020-11-01", lambda f: f.interface.network_card or None, "`network_card` not 0"),
    Row("owner-id", "2011-01-01", lambda f: f.interface.owner_id),
    Row("public-hostname", "2011-01-01", lambda f: f.instance.public_hostname(f.interface), "a public address"),
    Row("public-ipv4s", "2011-01-01", lambda f: f.interface.public_ipv4s, "a public address"),
    Row("security-group-ids", "2011-01-01", lambda f: f.interface.security_group_ids),
    Row("security-groups", "2011-01-01", lambda f: f.interface.security_groups),
    Row("subnet-id", "2011-01-01", lambda f: f.interface.subnet_id),
    Row("subnet-ipv4-cidr-block", "2011-01-01", lambda f: f.interface.subnet_ipv4_cidr_block, "a private IPv4 address"),
    Row("subnet-ipv6-cidr-blocks", "2016-06-30", lambda f: f.interface.subnet_ipv6_cidr_blocks, "`ipv6s`"),
    Row("vpc-id", "2011-01-01", lambda f: f.interface.vpc_id),
    Row("vpc-ipv4-cidr-block", "2011-01-01", lambda f: next(iter(f.interface.vpc_ipv4_cidr_blocks), None)),
    Row("vpc-ipv4-cidr-blocks", "2016-06-30", lambda f: f.interface.vpc_ipv4_cidr_blocks),
    Row("vpc-ipv6-cidr-blocks", "2016-06-30", lambda f: f.interface.vpc_ipv6_cidr_blocks, "`ipv6s`"),
)
"""The rows of each interface, below `INTERFACE_PATH`."""


def since_of(path: str) -> str:
    """The metadata version that introduced a path; `1.0` if the real service does not have it.

    Args:
        path: Path relative to the version.
    """
    length, last = path.count("/"), path.rpartition("/")[2]
    candidates = (*_rows_by_shape().get((length, last), ()), *_rows_by_shape().get((length, _VARIABLE), ()))
    return next((row.since for row, prefix in candidates if row.matches(path, prefix)), "1.0")


@cache
def _rows_by_shape() -> Mapping[tuple[int, str], Sequence[tuple[Row[Any], str]]]:
    """The rows and the paths above them, by number of slashes and last part, so that few rows need a comparison."""
    rows_by_shape: dict[tuple[int, str], list[tuple[Row[Any], str]]] = {}
    for prefix, rows in (("", ROWS), (INTERFACE_PATH, INTERFACE_ROWS)):
        for row in rows:
            path = prefix + row.path
            last = path.rpartition("/")[2]
            key = (path.count("/"), _VARIABLE if last.startswith(_VARIABLE) else last)
            rows_by_shape.setdefault(key, []).append((row, prefix))
    return rows_by_shape


def _monitoring(instance: Instance) -> str | None:
    detailed = instance.settings.detailed_monitoring
    return None if detailed is None else "enabled" if detailed else "disabled"


def _signature(body: Callable[[float], bytes | None]) -> DynamicValue:
    return DynamicValue(body, always_listed=True, same_during=lambda _now: ALWAYS)
