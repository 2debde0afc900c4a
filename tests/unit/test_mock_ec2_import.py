"""The configuration of an instance as the EC2 API describes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from imds_mock.build.leaves import build_leaves
from imds_mock.build.loading import from_document
from imds_mock.ec2_import.api import Description
from imds_mock.ec2_import.document import document_of
from imds_mock.signing.signer import Signer

INSTANCE: dict[str, Any] = {
    "InstanceId": "i-0a1b2c3d4e5f60718",
    "InstanceType": "m5.large",
    "InstanceLifecycle": "spot",
    "LaunchTime": datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
    "AmiLaunchIndex": 0,
    "RootDeviceName": "/dev/xvda",
    "BlockDeviceMappings": [{"DeviceName": "/dev/xvda"}, {"DeviceName": "/dev/sdf"}],
    "Placement": {"AvailabilityZone": "eu-west-3c", "GroupName": "group", "PartitionNumber": 2, "Tenancy": "default"},
    "Monitoring": {"State": "enabled"},
    "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "State": "applied"},
    "ProductCodes": [{"ProductCodeId": "code", "ProductCodeType": "marketplace"}],
    "NetworkInterfaces": [
        {
            "NetworkInterfaceId": "eni-0aaaaaaaaaaaaaaa2",
            "MacAddress": "0a:11:22:33:44:66",
            "Attachment": {"DeviceIndex": 1},
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.20.31.5"}],
            "Groups": [{"GroupName": "default", "GroupId": "sg-0aaaaaaaaaaaaaaa1"}],
            "SubnetId": "subnet-0aaaaaaaaaaaaaaa2",
            "VpcId": "vpc-0aaaaaaaaaaaaaaa1",
        },
        {
            "NetworkInterfaceId": "eni-0aaaaaaaaaaaaaaa1",
            "MacAddress": "0a:11:22:33:44:55",
            "Attachment": {"DeviceIndex": 0, "NetworkCardIndex": 0},
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "10.20.30.40", "Association": {"PublicIp": "198.51.100.7"}},
                {"PrivateIpAddress": "10.20.30.41"},
            ],
            "Ipv6Addresses": [{"Ipv6Address": "2001:db8:1:2::7"}],
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.20.30.64/28"}],
            "Groups": [{"GroupName": "default", "GroupId": "sg-0aaaaaaaaaaaaaaa1"}],
            "SubnetId": "subnet-0aaaaaaaaaaaaaaa1",
            "VpcId": "vpc-0aaaaaaaaaaaaaaa1",
        },
    ],
}
SUBNETS: dict[str, dict[str, Any]] = {
    "subnet-0aaaaaaaaaaaaaaa1": {
        "CidrBlock": "10.20.30.0/24",
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8:1:2::/64"}],
    },
    "subnet-0aaaaaaaaaaaaaaa2": {"CidrBlock": "10.20.31.0/24"},
}
VPCS: dict[str, dict[str, Any]] = {
    "vpc-0aaaaaaaaaaaaaaa1": {
        "CidrBlock": "10.20.0.0/16",
        "CidrBlockAssociationSet": [{"CidrBlock": "10.20.0.0/16"}, {"CidrBlock": "10.21.0.0/16"}],
        "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8:1::/56"}],
    }
}


def described(**changes: Any) -> Description:
    values = {"instance": INSTANCE, "subnets": SUBNETS, "vpcs": VPCS, "zone_id": "euw3-az2", **changes}
    return Description("eu-west-3", "210987654321", "r-0aaaaaaaaaaaaaaa1", **values)


def test_every_fact_of_the_api_becomes_a_leaf() -> None:
    config = from_document(document_of(described()))
    leaves, _labels = build_leaves(config, started=0, signer=Signer())
    macs = "network/interfaces/macs/"
    expected = {
        "instance-life-cycle": "spot",
        "block-device-mapping/ebs1": "sdf",
        "placement/availability-zone-id": "euw3-az2",
        "placement/partition-number": "2",
        "product-codes": "code",
        "reservation-id": "r-0aaaaaaaaaaaaaaa1",
        "local-ipv4": "10.20.30.40",
        "public-ipv4": "198.51.100.7",
        "ipv6": "2001:db8:1:2::7",
        f"{macs}0a:11:22:33:44:55/local-ipv4s": "10.20.30.40\n10.20.30.41",
        f"{macs}0a:11:22:33:44:55/ipv4-prefix": "10.20.30.64/28",
        f"{macs}0a:11:22:33:44:55/vpc-ipv4-cidr-blocks": "10.20.0.0/16\n10.21.0.0/16",
        f"{macs}0a:11:22:33:44:55/subnet-ipv6-cidr-blocks": "2001:db8:1:2:0:0:0:0/64",
        f"{macs}0a:11:22:33:44:66/device-number": "1",
        f"{macs}0a:11:22:33:44:66/subnet-ipv4-cidr-block": "10.20.31.0/24",
    }
    assert {path: leaves[f"meta-data/{path}"].body for path in expected} == {
        path: text.encode() for path, text in expected.items()
    }
    assert "meta-data/iam/info" not in leaves
    assert not any(path.startswith("meta-data/public-keys/") for path in leaves)
    assert leaves["dynamic/fws/instance-monitoring"].body == b"enabled"
    assert config.metadata_options.http_tokens == "required"
    assert config.metadata_options.http_put_response_hop_limit == 2
    assert config.instance.launch_time == "2024-05-06T07:08:09Z"


def test_user_data_that_is_not_text_stays_the_same_bytes() -> None:
    config = from_document(document_of(described(user_data=b"\xff\x00")))
    leaves, _labels = build_leaves(config, started=0, signer=Signer())
    assert leaves["user-data"].body == b"\xff\x00"


def test_an_instance_without_network_or_details_is_accepted() -> None:
    bare = {"InstanceId": INSTANCE["InstanceId"], "LaunchTime": INSTANCE["LaunchTime"]}
    from_document(document_of(described(instance=bare)))
