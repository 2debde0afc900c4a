"""AEMM's default data: one row for each leaf, and the instance that it describes as a configuration of the mock.

Observed on AEMM 1.13.0. The same key names a leaf's path (`metadata.paths.KEY`) and its value (`metadata.values.KEY`).
Default paths contain the values of four other keys (`{mac}` and so on) and change with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

PLAIN: Final = "text/plain"
JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"

Nested = Mapping[str, "str | Nested | None"]


class Row(NamedTuple):
    """One leaf.

    Attributes:
        key: Its key below `SECTION.paths` and `SECTION.values`.
        path: Its default path below the section's root; a name in braces is replaced by the value of that key.
        value: Its default value; a mapping is served as JSON, None is the current state of an event.
        content_type: Its `Content-Type`.
        section: The configuration section of the key.
    """

    key: str
    path: str
    value: str | Nested | None
    content_type: str = PLAIN
    section: str = "metadata"


ROOTS: Final = {"metadata": "/latest/meta-data/", "dynamic": "/latest/dynamic/", "userdata": "/latest/"}
"""The root of a section's default paths."""

EVENT_ID_KEY: Final = "metadata.values.event-id"
EVENT_ID: Final = "instance-event-1234567890abcdef0"

TAGS_KEY: Final = "metadata.values.tags-instance"
"""An object of tags by name, each served as a leaf, as in AEMM's newest sources."""

TAGS_PATH: Final = "meta-data/tags/instance/"
"""The path of the tags below `/latest/`."""

LIST_KEYS: Final = frozenset({"dynamic.values.instance-identity-document.marketplaceproductcodes"})
"""The keys whose value is a list; all others have one value."""

_MAC: Final = "network/interfaces/macs/{mac}/"

_IAM_INFO: Final = {
    "Code": "Success",
    "LastUpdated": "2020-04-02T18:50:40Z",
    "InstanceProfileArn": "arn:aws:iam::896453262835:instance-profile/baskinc-role",
    "InstanceProfileId": "AIPA5BOGHHXZELSK34VU4",
}

_CREDENTIALS: Final = {
    "Code": "Success",
    "LastUpdated": "2020-04-02T18:50:40Z",
    "Type": "AWS-HMAC",
    "AccessKeyId": "12345678901",
    "SecretAccessKey": "v/12345678901",
    "Token": "TEST92test48TEST+y6RpoTEST92test48TEST/8oWVAiBqTEsT5Ky7ty2tEStxC1T==",
    "Expiration": "2020-04-02T00:49:51Z",
}

_ACCELERATOR: Final = {
    "version_2018_04_12": {
        "elastic-inference-accelerator-id": "eia-bfa21c7904f64a82a21b9f4540169ce1",
        "elastic-inference-accelerator-type": "eia1.medium",
    }
}

_DOCUMENT: Final = {
    "accountId": "0123456789",
    "imageId": "ami-0b69ea66ff7391e80",
    "availabilityZone": "us-east-1f",
    "ramdiskId": None,
    "kernelId": None,
    "devpayProductCodes": None,
    "marketplaceProductCodes": None,
    "version": "2017-09-30",
    "privateIp": "10.0.7.10",
    "billingProducts": None,
    "instanceId": "i-1234567890abcdef0",
    "pendingTime": "2019-10-31T07:02:24Z",
    "architecture": "x86_64",
    "instanceType": "m4.xlarge",
    "region": "us-east-1",
}

_SIGNATURE: Final = (
    "TesTTKmBbj+DUw6ut6BOr4mFGpax/k6BhIbsotUHvSIhqv7oKqwB4HZhgGP2Gvcxtz5m3QGUbnwI\n"
    "hy33GWxjn7+qfZ/GUeZB1Ilc+3rW/P9G/tGxIB3HtqB6q2J6B4DOh6CJiH+BnrHazGW+bJD406Nz\n"
    "eP9n/rGEGGm0cGEbbeB="
)

_PKCS7: Final = (
    "TESTCSqGSIb3DQEHZqCZPIZCZQExCzZJGgUrDgPCGgUZPIZGCSqGSIb3DQEHZaCZJIZEggHderog\n"
    "ICJhY2NvdW50SWQiIDogIjUxNTPzNjU5NzP4PCIsCiZgImFyY2hpdGVjdHVyZSIgOiZieDg2XzY0\n"
    "IirKICZiYXZhaWxhYmlsaXR5Wm9uZSIgOiZidXPtZWFzdC0xYSIsCiZgImJpbGxpbmdQcm9kdWN0\n"
    "cyIgOiGudWxsLZogICJkZXZrYXlQcm9kdWN0Q29kZXPiIDogbnVsbCrKICZibWFya2V0cGxhY2VQ\n"
    "cm9kdWN0Q29kZXPiIDogbnVsbCrKICZiaW1hZ2VJZCIgOiZiYW1pLTGhODg3ZTQrPWY3NjU0OTP1\n"
    "IirKICZiaW5zdGFuY2VJZCIgOiZiaS0rYjU5YTdiN2NlN2UzYmIrYSIsCiZgImluc3RhbmNlVHlr\n"
    "ZSIgOiZibTQueGxhcmdlIirKICZia2VybmVsSWQiIDogbnVsbCrKICZicGVuZGluZ1RpbWUiIDog\n"
    "IjIrPjZtPDPtPDJUPjZ6PzY6NThaIirKICZicHJpdmF0ZUlrIiZ6ICIxNzIuPzEuPzQuNDPiLZog\n"
    "ICJyYW1kaXNrSWQiIDogbnVsbCrKICZicmVnaW9uIiZ6ICJ1cy1lYXN0LTEiLZogICJ2ZXJzaW9u\n"
    "IiZ6ICIyPDE3LTZ5LTPrIgp9ZZZZZZZZPYIGGTCCZRUCZQEraTGcPQsrCQYDVQQGErJVUzEZPGcG\n"
    "Z1UECGPQV2FzaGluZ3RvbiGTdGF0ZTEQPZ4GZ1UEGxPHU2VhdHRsZTEgPG4GZ1UEChPXQW1hem9u\n"
    "IFdlYiGTZXJ2aWNlcyGPTEPCCQCWukjZ5V4aZzZJGgUrDgPCGgUZoF0rGZYJKoZIhvcNZQkDPQsG\n"
    "CSqGSIb3DQEHZTZcGgkqhkiG9r0GCQUxDxcNPjZrPzZyPjZzNzZ1WjZjGgkqhkiG9r0GCQQxFgQU\n"
    "N1xlDhvo6cYuGjXZ+mlTW66Ff8rrCQYHKoZIzjgEZrQrPC4CFQCjzjYV1zGUZUxTf6rGO0en/PxR\n"
    "3ZIVZK589qSkEaslLdCzeX2GnQ6dz9UeZZZZZZZZ"
)

_PUBLIC_KEY: Final = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC/JxGByvHDHgQAU+0nRFWdvMPi22OgNUn9ansrI8QN1ZJGxD1ML8DRnJ3Q3zFK"
    "qqjGucfNWW0xpVib+ttkIBp8G9P/EOcX9C3FF63O3SnnIUHJsp5faRAZsTJPx0G5HUbvhBvnAcCtSqQgmr02c1l582vAWx48pOme"
    "XXMkl9qe9V/s7K3utmeZkRLo9DqnbsDlg5GWxLC/rWKYaZR66CnMEyZ7yBy3v3abKaGGRovLkHNAgWjSSgmUTI1nT5/S2OLxxuDn"
    "sC7+BiABLPaqlIE70SzcWZ0swx68Bo2AY9T9ymGqeAM/1T4yRtg0sPB98TpT7WrY5A3iia2UVtLO/xcTt test"
)

ROWS: Final = (
    Row("ami-id", "ami-id", "ami-0a887e401f7654935"),
    Row("ami-launch-index", "ami-launch-index", "0"),
    Row("ami-manifest-path", "ami-manifest-path", "(unknown)"),
    Row("target-lifecycle-state", "autoscaling/target-lifecycle-state", None),
    Row("block-device-mapping-ami", "block-device-mapping/ami", "/dev/xvda"),
    Row("block-device-mapping-ebs", "block-device-mapping/ebs0", "sdb"),
    Row("block-device-mapping-ephemeral", "block-device-mapping/ephemeral0", "sdb"),
    Row("block-device-mapping-root", "block-device-mapping/root", "/dev/xvda"),
    Row("block-device-mapping-swap", "block-device-mapping/swap", "sdcs"),
    Row("elastic-inference-associations", "elastic-inference/associations", "eia-bfa21c7904f64a82a21b9f4540169ce1"),
    Row(
        "elastic-inference-accelerator", "elastic-inference/associations/{elastic-inference-associations}", _ACCELERATOR
    ),
    Row("events", "events/maintenance/scheduled", None, JSON),
    Row("rebalance-rec-time", "events/recommendations/rebalance", None, JSON),
    Row("hostname", "hostname", "ip-172-16-34-43.ec2.internal"),
    Row("iam-info", "iam/info", _IAM_INFO, JSON),
    Row("iam-security-credentials-role", "iam/security-credentials", "baskinc-role"),
    Row("iam-security-credentials", "iam/security-credentials/{iam-security-credentials-role}", _CREDENTIALS, JSON),
    Row("instance-action", "instance-action", "none"),
    Row("instance-id", "instance-id", "i-1234567890abcdef0"),
    Row("instance-life-cycle", "instance-life-cycle", "on-demand"),
    Row("instance-type", "instance-type", "m4.xlarge"),
    Row("kernel-id", "kernel-id", "aki-5c21674b"),
    Row("local-hostname", "local-hostname", "ip-172-16-34-43.ec2.internal"),
    Row("local-ipv4", "local-ipv4", "172.16.34.43"),
    Row("mac", "mac", "0e:49:61:0f:c3:11"),
    Row("mac-device-number", _MAC + "device-number", "0"),
    Row("mac-network-interface-id", _MAC + "interface-id", "eni-0f95d3625f5c521cc"),
    Row("mac-ipv4-associations", _MAC + "ipv4-associations/{public-ipv4}", "192.0.2.54"),
    Row("mac-ipv6-associations", _MAC + "ipv6s", "2001:db8:8:4::2"),
    Row("mac-local-hostname", _MAC + "local-hostname", "ip-172-16-34-43.ec2.internal"),
    Row("mac-local-ipv4s", _MAC + "local-ipv4s", "172.16.34.43"),
    Row("mac-mac", _MAC + "mac", "0e:49:61:0f:c3:11"),
    Row("mac-network-interface-card-index", _MAC + "network-card-index", "0"),
    Row("mac-owner-id", _MAC + "owner-id", "515336597381"),
    Row("mac-public-hostname", _MAC + "public-hostname", "ec2-192-0-2-54.compute-1.amazonaws.com"),
    Row("mac-public-ipv4s", _MAC + "public-ipv4s", "192.0.2.54"),
    Row("mac-security-group-ids", _MAC + "security-group-ids", "sg-0b07f8f6cb485d4df"),
    Row("mac-security-groups", _MAC + "security-groups", "ura-launch-wizard-harry-1"),
    Row("mac-subnet-id", _MAC + "subnet-id", "subnet-0ac62554"),
    Row("mac-subnet-ipv4-cidr-block", _MAC + "subnet-ipv4-cidr-block", "192.0.2.0/24"),
    Row("mac-subnet-ipv6-cidr-blocks", _MAC + "subnet-ipv6-cidr-blocks", "2001:db8::/32"),
    Row("mac-vpc-id", _MAC + "vpc-id", "vpc-d295a6a7"),
    Row("mac-vpc-ipv4-cidr-block", _MAC + "vpc-ipv4-cidr-block", "192.0.2.0/24"),
    Row("mac-vpc-ipv4-cidr-blocks", _MAC + "vpc-ipv4-cidr-blocks", "192.0.2.0/24"),
    Row("mac-vpc-ipv6-cidr-blocks", _MAC + "vpc-ipv6-cidr-blocks", "2001:db8::/32"),
    Row("placement-availability-zone", "placement/availability-zone", "us-east-1a"),
    Row("placement-availability-zone-id", "placement/availability-zone-id", "use1-az4"),
    Row("placement-group-name", "placement/group-name", "a-placement-group"),
    Row("placement-host-id", "placement/host-id", "h-0da999999f9999fb9"),
    Row("placement-partition-number", "placement/partition-number", "1"),
    Row("placement-region", "placement/region", "us-east-1"),
    Row("product-codes", "product-codes", "3iplms73etrdhxdepv72l6ywj"),
    Row("public-hostname", "public-hostname", "ec2-192-0-2-54.compute-1.amazonaws.com"),
    Row("public-ipv4", "public-ipv4", "192.0.2.54"),
    Row("public-key", "public-keys/0/openssh-key", _PUBLIC_KEY),
    Row("ramdisk-id", "ramdisk-id", "ari-01bb5768"),
    Row("reservation-id", "reservation-id", "r-046cb3eca3e201d2f"),
    Row("security-groups", "security-groups", "ura-launch-wizard-harry-1"),
    Row("services-domain", "services/domain", "amazonaws.com"),
    Row("services-partition", "services/partition", "aws"),
    Row("spot", "spot/instance-action", None, JSON),
    Row("spot-termination-time", "spot/termination-time", None),
    Row("tags-instance-name", "tags/instance/Name", "test-instance"),
    Row("tags-instance-test", "tags/instance/Test", "test-tag"),
    Row("fws-instance-monitoring", "fws/instance-monitoring", "disabled", section="dynamic"),
    Row("instance-identity-document", "instance-identity/document", _DOCUMENT, JSON, "dynamic"),
    Row("instance-identity-pkcs", "instance-identity/pkcs7", _PKCS7, section="dynamic"),
    Row("instance-identity-signature", "instance-identity/signature", _SIGNATURE, section="dynamic"),
    Row("userdata", "user-data", "MTIzNCxqb2huLHJlYm9vdCx0cnVlCg==", BYTES, "userdata"),  # base64
)
"""All leaves, in the order of the metadata tree."""

_VALUES: Final[dict[str, Any]] = {row.key: row.value for row in ROWS}

DEFAULT_CONFIG: Final[dict[str, Any]] = {
    "server": {"port": 1338},
    "metadata_options": {"instance_metadata_tags": "enabled"},
    "instance": {
        "instance_id": _VALUES["instance-id"],
        "account_id": _VALUES["mac-owner-id"],
        "instance_type": _VALUES["instance-type"],
        "launch_time": _VALUES["instance-identity-document"]["pendingTime"],
        "reservation_id": _VALUES["reservation-id"],
        "detailed_monitoring": False,
        "image_id": _VALUES["ami-id"],
        "kernel_id": _VALUES["kernel-id"],
        "ramdisk_id": _VALUES["ramdisk-id"],
        "product_codes": [_VALUES["product-codes"]],
        "root_device": _VALUES["block-device-mapping-root"],
        "block_devices": {
            "ebs0": _VALUES["block-device-mapping-ebs"],
            "ephemeral0": _VALUES["block-device-mapping-ephemeral"],
            "swap": _VALUES["block-device-mapping-swap"],
        },
        "placement_group": _VALUES["placement-group-name"],
        "host_id": _VALUES["placement-host-id"],
        "local_ipv4": _VALUES["local-ipv4"],
        "public_ipv4": _VALUES["public-ipv4"],
        "mac": _VALUES["mac"],
        "security_groups": [_VALUES["security-groups"]],
        "interfaces": [
            {
                "interface_id": _VALUES["mac-network-interface-id"],
                "ipv6s": [_VALUES["mac-ipv6-associations"]],
                "security_group_ids": [_VALUES["mac-security-group-ids"]],
                "subnet_id": _VALUES["mac-subnet-id"],
                "vpc_id": _VALUES["mac-vpc-id"],
            }
        ],
        "role": _VALUES["iam-security-credentials-role"],
        "tags": {"Name": _VALUES["tags-instance-name"], "Test": _VALUES["tags-instance-test"]},
        "user_data": {"base64": _VALUES["userdata"]},
    },
}
"""The defaults of the mock's own settings with `compatibility: aemm`; null restores them.

AEMM's identity document and `iam/info` contradict its other values (account, image, zone); `ROWS` has the values that
are served unless a setting changes them.
"""
