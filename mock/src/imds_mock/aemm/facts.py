"""AEMM's instance in the mock's own settings.

With `compatibility: aemm` these are the defaults. So a setting that says the same changes nothing, a setting that says
anything else changes AEMM's data, and `null` leads back to AEMM's. AEMM's identity document and `iam/info` contradict
its other values (accounts, images, zones); `data` has what is served while no setting says otherwise.
"""

from __future__ import annotations

from typing import Any, Final

from imds_mock.aemm.data import ROWS

_VALUES: Final[dict[str, Any]] = {row.key: row.value for row in ROWS}

FACTS: Final[dict[str, Any]] = {
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
"""A configuration document that lies below all other sources."""
