"""The output that crawling clients must produce for the reference instance."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from support.reference_instance import (
    ACCOUNT,
    INSTANCE_ID,
    INTERFACES,
    KEYS,
    LAUNCHED,
    MACS,
    REGION,
    ROLE,
    SPOT_TIME,
    TAGS,
    USER_DATA,
    ZONE,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.reference_instance import ServedValues

_HOSTNAME: Final = "ip-10-20-30-40.eu-west-3.compute.internal"
_PUBLIC_HOSTNAME: Final = "ec2-198-51-100-7.eu-west-3.compute.amazonaws.com"
_RESERVATION: Final = "r-0a1b2c3d4e5f60718"


def _interface(index: int) -> dict[str, Any]:
    facts: dict[str, Any] = INTERFACES[index]
    first = index == 0
    address = facts["local_ipv4s"][0].replace(".", "-")
    associations: dict[str, str] = facts.get("public_ipv4s", {})
    return {
        "device_number": index,
        "interface_id": facts["interface_id"],
        "ipv4_associations": {public: [private] for public, private in associations.items()},
        "ipv6_prefix": ["2001:db8:1:2:3:0:0:0/80"] if first else [],
        "ipv6s": ["2001:db8:1:2::7"] if first else [],
        "owner_id": ACCOUNT,
        "private_hostname": f"ip-{address}.{REGION}.compute.internal",
        "private_ipv4s": facts["local_ipv4s"],
        "public_hostname": _PUBLIC_HOSTNAME if first else None,
        "public_ipv4s": list(associations),
        "security_group_ids": facts["security_group_ids"],
        "security_groups": ["web", "ops"],
        "subnet_id": facts["subnet_id"],
        "subnet_ipv4_cidr_block": facts["subnet_ipv4_cidr_block"],
        "subnet_ipv6_cidr_blocks": ["2001:db8:1:2:0:0:0:0/64"] if first else [],
        "vpc_id": facts["vpc_id"],
        "vpc_ipv4_cidr_block": facts["vpc_ipv4_cidr_blocks"][0],
        "vpc_ipv4_cidr_blocks": facts["vpc_ipv4_cidr_blocks"],
        "vpc_ipv6_cidr_blocks": ["2001:db8:1:0:0:0:0:0/56"] if first else [],
    }


def _identity() -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "architecture": "x86_64",
        "availabilityZone": ZONE,
        "billingProducts": None,
        "devpayProductCodes": None,
        "marketplaceProductCodes": None,
        "imageId": "ami-0a1b2c3d4e5f60718",
        "instanceId": INSTANCE_ID,
        "instanceType": "c6i.large",
        "kernelId": None,
        "pendingTime": LAUNCHED,
        "privateIp": "10.20.30.40",
        "ramdiskId": None,
        "region": REGION,
        "version": "2017-09-30",
    }


def ec2_metadata(served: ServedValues) -> dict[str, Any]:
    profile = f"arn:aws:iam::{ACCOUNT}:instance-profile/{ROLE}"
    return {
        "account_id": ACCOUNT,
        "ami_id": "ami-0a1b2c3d4e5f60718",
        "ami_launch_index": 2,
        "ami_manifest_path": "(unknown)",
        "autoscaling_target_lifecycle_state": "InService",
        "availability_zone": ZONE,
        "availability_zone_id": "euw3-az3",
        "domain": "amazonaws.com",
        "iam_info": {
            "Code": "Success",
            "LastUpdated": served.credentials["LastUpdated"],
            "InstanceProfileArn": profile,
            "InstanceProfileId": "AIPA0123456789ABCDEFG",
        },
        "iam_security_credentials": served.credentials,
        "instance_action": "none",
        "instance_id": INSTANCE_ID,
        "instance_identity_document": _identity(),
        "instance_life_cycle": "spot",
        "instance_profile_arn": profile,
        "instance_profile_id": "AIPA0123456789ABCDEFG",
        "instance_profile_name": ROLE,
        "instance_type": "c6i.large",
        "kernel_id": None,
        "mac": MACS[0],
        "network_interfaces": {mac: _interface(index) for index, mac in enumerate(MACS)},
        "partition": "aws",
        "private_hostname": _HOSTNAME,
        "private_ipv4": "10.20.30.40",
        "public_hostname": _PUBLIC_HOSTNAME,
        "public_ipv4": "198.51.100.7",
        "public_keys": {name: {"openssh_key": f"{key}\n"} for name, key in KEYS.items()},
        "region": REGION,
        "reservation_id": _RESERVATION,
        "security_groups": ["web", "ops"],
        "spot_instance_action": {"action": "terminate", "time": SPOT_TIME.replace("Z", "+00:00")},
        "tags": TAGS,
        "user_data": USER_DATA,
    }


def cloud_init(served: ServedValues) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, text in served.leaves_2021.items():
        *folders, name = path.split("/")
        if folders[:1] != ["meta-data"] or "security-credentials" in folders:
            continue
        if "public-keys" in folders:
            folders, name = folders[:2], list(KEYS)[int(folders[2])]
        place = nested
        for folder in folders[1:]:
            place = place.setdefault(folder, {})
        place[name] = _cloud_init_value(text)
    return {
        "found": True,
        "cloud": "aws",
        "metadata": nested,
        "user_data": USER_DATA,
        "identity": _identity(),
        "instance_id": INSTANCE_ID,
        "region": REGION,
        "availability_zone": ZONE,
        "hostname": _HOSTNAME.partition(".")[0],
        "public_keys": list(KEYS.values()),
        "launch_index": "2",
    }


def _cloud_init_value(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        return json.loads(text)
    return text.splitlines() if "\n" in text else text


def ansible(served: ServedValues) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for path, text in served.leaves.items():
        _, _, leaf = path.partition("/")
        if leaf and not leaf.startswith("public-keys/"):
            facts |= dict(_ansible_values(leaf, text))
    keys = list(KEYS.values())
    facts |= {
        "iam-instance-profile-role": ROLE,
        "instance_tags": {"Name": TAGS["Name"], "Empty": ""},
        "instance_tags_keys": sorted(TAGS),
        "public-key": f"{keys[0]}\n",
        # The module treats a line of the listing as a leaf, and then drops the first one.
        "public-keys-1=operator": "None",
        "user-data": USER_DATA,
    }
    return {f"ansible_ec2_{re.sub('[:-]', '_', name)}": value for name, value in facts.items()}


def _ansible_values(leaf: str, text: str) -> Iterator[tuple[str, Any]]:
    name = leaf.replace("/", "-")
    yield name, text.replace("\n", ",") if leaf.endswith(("security-groups", "security-group-ids")) else text
    if text.startswith("{"):
        for key, value in json.loads(text).items():
            yield f"{name}:{key.lower()}", value


def cloud_guest_utils(_served: ServedValues) -> str:
    # It prints "unavailable" for paths that version 2009-04-04 does not have.
    return f"""\
ami-id: ami-0a1b2c3d4e5f60718
ami-launch-index: 2
ami-manifest-path: (unknown)
ancestor-ami-ids: unavailable
availability-zone: {ZONE}
block-device-mapping: ami
ebs1
root
instance-action: none
instance-id: {INSTANCE_ID}
instance-type: c6i.large
local-hostname: {_HOSTNAME}
local-ipv4: 10.20.30.40
kernel-id: unavailable
mac: unavailable
profile: default-hvm
product-codes: unavailable
public-hostname: {_PUBLIC_HOSTNAME}
public-ipv4: 198.51.100.7
public-keys: {list(KEYS.values())}
ramdisk-id: unavailable
reservation-id: {_RESERVATION}
security-groups: web
ops
user-data: {USER_DATA.encode()!r}
availability-zone-id: unavailable
region: unavailable
host-id: unavailable
group-name: unavailable
partition-number: unavailable
"""


def amazon_ec2_utils(_served: ServedValues) -> str:
    keys = "".join(
        f"keyname:{name}\nindex:{index}\nformat:openssh-key\nkey:(begins from next line)\n{key}\n"
        for index, (name, key) in enumerate(KEYS.items())
    )
    tags = "".join(f"\t {name}: {TAGS[name]}\n" for name in sorted(TAGS))
    return f"""\
ami-id: ami-0a1b2c3d4e5f60718
ami-launch-index: 2
ami-manifest-path: (unknown)
ancestor-ami-ids: not available
block-device-mapping: \n\t ami: /dev/xvda\n\t ebs1: sdb\n\t root: /dev/xvda
instance-id: {INSTANCE_ID}
instance-type: c6i.large
local-hostname: {_HOSTNAME}
local-ipv4: 10.20.30.40
kernel-id: not available
placement: {ZONE}
partition: aws
product-codes: not available
public-hostname: {_PUBLIC_HOSTNAME}
public-ipv4: 198.51.100.7
public-keys: \n{keys}\
ramdisk-id: not available
reservation-id: {_RESERVATION}
security-groups: web
ops
user-data: {USER_DATA}\
tags: \n{tags}"""
