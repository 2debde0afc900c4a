"""The paths that the mock serves: since which version, whether in any case, and which setting holds the value."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

LINE = r"[^\x00-\x1f\x7f]+"
_ADDRESSES = r"[0-9A-Fa-f.:/]+"
WORD = r"[^\x00-\x20\x7f/]+"
_NUMBER = r"0|[1-9][0-9]{0,5}"
ROLE_NAME = r"[A-Za-z0-9_+=,.@-]{1,128}"
ZONE = r"[a-z]{2,5}(?:-[a-z]+){1,3}?-[0-9]+(?:[a-z]|-[a-z0-9-]+)"
REGION = r"[a-z]{2,5}(?:-[a-z]+){1,3}-[0-9]+"
MAC = r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"


def _id(prefix: str) -> str:
    return prefix + r"-(?:[0-9a-f]{17}|[0-9a-f]{8})"


class Path(NamedTuple):
    """A path of the mock's catalogue.

    Attributes:
        path: The path; a part in angle brackets stands for any name.
        since: The metadata version that introduced it.
        setting: The setting of the instance or interface that holds the value as it is; empty if there is none.
        pattern: Values of each line that the setting accepts.
        kind: How the setting holds the value: `text`, `lines`, `number` or `boolean`.
        is_permanent: The mock serves the path with any settings.
    """

    path: str
    since: str
    setting: str = ""
    pattern: str = ""
    kind: str = "text"
    is_permanent: bool = False


def _always(path: str, since: str, setting: str = "", pattern: str = "", kind: str = "text") -> Path:
    return Path(path, since, setting, pattern, kind, is_permanent=True)


PATHS = (
    _always("meta-data/ami-id", "1.0", "image_id", _id("ami")),
    _always("meta-data/ami-launch-index", "1.0", "ami_launch_index", _NUMBER, "number"),
    _always("meta-data/ami-manifest-path", "1.0", "ami_manifest_path", LINE),
    Path("meta-data/ancestor-ami-ids", "2007-10-10", "ancestor_ami_ids", _id("ami"), "lines"),
    Path(
        "meta-data/autoscaling/target-lifecycle-state",
        "2021-07-15",
        "target_lifecycle_state",
        "Detached|InService|Standby|Terminated|Warmed:(?:Hibernated|Running|Stopped|Terminated)",
    ),
    Path("meta-data/block-device-mapping/<name>", "2007-12-15"),
    Path("meta-data/elastic-gpus/associations/<id>", "2016-11-30"),
    Path("meta-data/elastic-inference/associations/<id>", "2018-11-29"),
    _always("meta-data/events/maintenance/history", "2018-08-17"),
    _always("meta-data/events/maintenance/scheduled", "2018-08-17"),
    Path("meta-data/events/recommendations/rebalance", "2020-10-27"),
    _always("meta-data/hibernation/configured", "2018-09-24", "hibernation_configured", "true|false", "boolean"),
    _always("meta-data/hostname", "1.0"),
    Path("meta-data/iam/info", "2012-01-12"),
    Path("meta-data/iam/security-credentials/<role>", "2012-01-12"),
    Path("meta-data/iam/security-credentials-extended/<role>", "2025-06-01"),
    _always("meta-data/identity-credentials/ec2/info", "2018-05-23"),
    _always("meta-data/identity-credentials/ec2/security-credentials/ec2-instance", "2018-05-23"),
    _always("meta-data/instance-action", "2008-09-01", "instance_action", "none|shutdown|bundle-pending"),
    _always("meta-data/instance-id", "1.0", "instance_id", _id("i")),
    _always(
        "meta-data/instance-life-cycle",
        "2019-10-01",
        "instance_life_cycle",
        "on-demand|spot|scheduled|capacity-block",
    ),
    _always("meta-data/instance-type", "2007-08-29", "instance_type", r"[a-z0-9-]+\.[a-z0-9-]+"),
    Path("meta-data/ipv6", "2021-01-03"),
    Path("meta-data/kernel-id", "2008-02-01", "kernel_id", _id("aki")),
    _always("meta-data/local-hostname", "2007-01-19"),
    Path("meta-data/local-ipv4", "1.0"),
    _always("meta-data/mac", "2011-01-01"),
    Path("meta-data/managed-ssh-keys/active-keys/<user>", "2019-10-01"),
    _always("meta-data/managed-ssh-keys/signer-cert", "2019-10-01"),
    Path("meta-data/managed-ssh-keys/signer-ocsp/<fingerprint>", "2019-10-01"),
    _always("meta-data/metrics/vhostmd", "2011-05-01"),
    _always("meta-data/placement/availability-zone", "2008-02-01"),
    _always(
        "meta-data/placement/availability-zone-id", "2019-10-01", "availability_zone_id", r"[a-z]{2,}[0-9]-[a-z0-9-]+"
    ),
    Path("meta-data/placement/group-name", "2020-08-24", "placement_group", LINE),
    Path("meta-data/placement/host-id", "2020-08-24", "host_id", _id("h")),
    Path("meta-data/placement/partition-number", "2020-08-24", "partition_number", _NUMBER, "number"),
    _always("meta-data/placement/region", "2020-08-24"),
    Path("meta-data/product-codes", "2007-03-01", "product_codes", WORD, "lines"),
    _always("meta-data/profile", "1.0", "virtualization_profile", LINE),
    Path("meta-data/public-hostname", "2007-01-19"),
    Path("meta-data/public-ipv4", "2007-01-19"),
    Path("meta-data/public-keys/<index>/openssh-key", "1.0"),
    Path("meta-data/ramdisk-id", "2007-10-10", "ramdisk_id", _id("ari")),
    _always("meta-data/reservation-id", "1.0", "reservation_id", _id("r")),
    _always("meta-data/security-groups", "1.0"),
    _always("meta-data/services/domain", "2014-02-25"),
    _always("meta-data/services/partition", "2015-10-20"),
    Path("meta-data/spot/instance-action", "2016-11-15"),
    Path("meta-data/spot/termination-time", "2014-11-05"),
    _always("meta-data/system", "2022-09-24", "system", "nitro|xen-on-nitro"),
    Path("meta-data/tags/instance/<key>", "2021-03-23"),
    Path("dynamic/fws/instance-monitoring", "2009-04-04"),
    _always("dynamic/instance-identity/document", "2009-04-04"),
    _always("dynamic/instance-identity/pkcs7", "2009-04-04"),
    _always("dynamic/instance-identity/rsa2048", "2009-04-04"),
    _always("dynamic/instance-identity/signature", "2009-04-04"),
    Path("user-data", "1.0"),
)

_MACS = "meta-data/network/interfaces/macs/"
INTERFACE_PATHS = (
    Path("device-number", "2011-01-01", "device_number", _NUMBER, "number"),
    Path("interface-id", "2011-01-01", "interface_id", _id("eni")),
    Path("ipv4-associations/<public-ip>", "2011-01-01"),
    Path("ipv4-prefix", "2011-01-01", "ipv4_prefixes", _ADDRESSES, "lines"),
    Path("ipv6-prefix", "2011-01-01", "ipv6_prefixes", _ADDRESSES, "lines"),
    Path("ipv6s", "2016-06-30", "ipv6s", _ADDRESSES, "lines"),
    Path("local-hostname", "2011-01-01"),
    Path("local-ipv4s", "2011-01-01", "local_ipv4s", _ADDRESSES, "lines"),
    Path("mac", "2011-01-01", "mac", MAC),
    Path("network-card", "2020-11-01", "network_card", _NUMBER, "number"),
    Path("network-card-index", "2020-11-01"),
    Path("owner-id", "2011-01-01", "owner_id", "[0-9]{12}"),
    Path("public-hostname", "2011-01-01"),
    Path("public-ipv4s", "2011-01-01"),
    Path("security-group-ids", "2011-01-01", "security_group_ids", _id("sg"), "lines"),
    Path("security-groups", "2011-01-01", "security_groups", LINE, "lines"),
    Path("subnet-id", "2011-01-01", "subnet_id", _id("subnet")),
    Path("subnet-ipv4-cidr-block", "2011-01-01", "subnet_ipv4_cidr_block", _ADDRESSES),
    Path("subnet-ipv6-cidr-blocks", "2016-06-30", "subnet_ipv6_cidr_blocks", _ADDRESSES, "lines"),
    Path("vpc-id", "2011-01-01", "vpc_id", _id("vpc")),
    Path("vpc-ipv4-cidr-block", "2011-01-01"),
    Path("vpc-ipv4-cidr-blocks", "2016-06-30", "vpc_ipv4_cidr_blocks", _ADDRESSES, "lines"),
    Path("vpc-ipv6-cidr-blocks", "2016-06-30", "vpc_ipv6_cidr_blocks", _ADDRESSES, "lines"),
)
"""The paths of each interface."""


def interface_path(mac: str, name: str) -> str:
    """The path of a leaf of an interface."""
    return f"{_MACS}{mac}/{name}"


def since_of(path: str) -> str:
    """The version since which the mock serves a path; `1.0` for paths that are not in its catalogue."""
    known = ((row.path, row.since) for row in PATHS)
    interfaces = ((f"{_MACS}<mac>/{row.path}", row.since) for row in INTERFACE_PATHS)
    for pattern, since in (*known, *interfaces):
        if re.fullmatch("[^/]+".join(map(re.escape, re.split("<[a-z-]+>", pattern))), path):
            return since
    return "1.0"


def setting_of(row: Path, text: str) -> Any:
    """The value of a row's setting that makes the mock serve a text; None if there is none."""
    lines = text.split("\n") if row.kind == "lines" else [text]
    if not row.pattern or not all(re.fullmatch(row.pattern, line) for line in lines):
        return None
    if row.kind == "number":
        return int(text)
    if row.kind == "boolean":
        return text == "true"
    return lines if row.kind == "lines" else text
