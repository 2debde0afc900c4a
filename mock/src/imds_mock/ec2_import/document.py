"""The configuration of an instance that the EC2 API describes."""

from __future__ import annotations

import base64
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from imds_mock.ec2_import.api import Description


def document_of(description: Description) -> dict[str, Any]:
    """The configuration as plain values; settings that the API does not know are left to the mock."""
    return {
        "metadata_options": _metadata_options(description.instance.get("MetadataOptions", {})),
        "instance": _instance(description),
    }


def _metadata_options(options: dict[str, Any]) -> dict[str, Any]:
    return _present(
        {
            "http_tokens": options.get("HttpTokens"),
            "http_endpoint": options.get("HttpEndpoint"),
            "http_put_response_hop_limit": options.get("HttpPutResponseHopLimit"),
            "http_protocol_ipv6": options.get("HttpProtocolIpv6"),
            "instance_metadata_tags": options.get("InstanceMetadataTags"),
        }
    )


def _instance(description: Description) -> dict[str, Any]:
    instance = description.instance
    placement = instance.get("Placement", {})
    arn = instance.get("IamInstanceProfile", {}).get("Arn")
    profile_id = str(instance.get("IamInstanceProfile", {}).get("Id"))
    has_detailed_monitoring = instance.get("Monitoring", {}).get("State") == "enabled"
    settings = _present(
        {
            "instance_id": instance["InstanceId"],
            "account_id": description.account_id,
            "region": description.region,
            "availability_zone": placement.get("AvailabilityZone"),
            "availability_zone_id": description.zone_id,
            "instance_type": instance.get("InstanceType"),
            "architecture": instance.get("Architecture"),
            "launch_time": iso8601(instance["LaunchTime"].timestamp()),
            "reservation_id": description.reservation_id,
            "instance_life_cycle": instance.get("InstanceLifecycle"),
            "hibernation_configured": instance.get("HibernationOptions", {}).get("Configured"),
            "detailed_monitoring": True if has_detailed_monitoring else None,
            "image_id": instance.get("ImageId"),
            "ami_launch_index": instance.get("AmiLaunchIndex"),
            "kernel_id": instance.get("KernelId"),
            "ramdisk_id": instance.get("RamdiskId"),
            "product_codes": [each["ProductCodeId"] for each in instance.get("ProductCodes", [])],
            "root_device": instance.get("RootDeviceName"),
            "block_devices": _block_devices(instance),
            "placement_group": placement.get("GroupName"),
            "partition_number": placement.get("PartitionNumber"),
            "host_id": placement.get("HostId"),
            "hostname": instance.get("PrivateDnsName"),
            "instance_profile": None if arn is None else str(arn).rpartition("/")[2],
            # Stand-ins for AWS have the id of the association here.
            "instance_profile_id": profile_id if profile_id.startswith("AIPA") else None,
            "user_data": _user_data(description.user_data),
            "interfaces": _interfaces(description),
        }
    )
    settings["role"] = description.role
    key = description.public_key
    settings["public_keys"] = [] if key is None else [{"name": instance["KeyName"], "openssh_key": key.strip()}]
    settings["tags"] = {each["Key"]: each["Value"] for each in instance.get("Tags", [])}
    return settings


def _present(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value not in (None, "", [], {})}


def _block_devices(instance: dict[str, Any]) -> dict[str, str]:
    names = [each["DeviceName"] for each in instance.get("BlockDeviceMappings", [])]
    others = [name for name in names if name != instance.get("RootDeviceName")]
    return {f"ebs{index}": name for index, name in enumerate(others, 1)}


def _user_data(content: bytes | None) -> str | dict[str, str] | None:
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _interfaces(description: Description) -> list[dict[str, Any]]:
    interfaces = description.instance.get("NetworkInterfaces", [])
    ordered = sorted(
        interfaces, key=lambda each: (_attachment(each, "NetworkCardIndex"), _attachment(each, "DeviceIndex"))
    )
    return [_interface(each, description) for each in ordered]


def _attachment(interface: dict[str, Any], name: str) -> int:
    return int(interface.get("Attachment", {}).get(name) or 0)


def _interface(interface: dict[str, Any], description: Description) -> dict[str, Any]:
    subnet, vpc = description.subnets.get(interface["SubnetId"], {}), description.vpcs.get(interface["VpcId"], {})
    addresses = interface.get("PrivateIpAddresses", [])
    vpc_blocks = [each["CidrBlock"] for each in vpc.get("CidrBlockAssociationSet", [])]
    settings = _present(
        {
            "mac": interface.get("MacAddress"),
            "interface_id": interface["NetworkInterfaceId"],
            "device_number": _attachment(interface, "DeviceIndex"),
            "network_card": _attachment(interface, "NetworkCardIndex"),
            "ipv6s": [each["Ipv6Address"] for each in interface.get("Ipv6Addresses", [])],
            "ipv4_prefixes": [each["Ipv4Prefix"] for each in interface.get("Ipv4Prefixes", [])],
            "ipv6_prefixes": [each["Ipv6Prefix"] for each in interface.get("Ipv6Prefixes", [])],
            "owner_id": interface.get("OwnerId"),
            "security_groups": [each["GroupName"] for each in interface.get("Groups", [])],
            "security_group_ids": [each["GroupId"] for each in interface.get("Groups", [])],
            "subnet_id": interface["SubnetId"],
            "subnet_ipv4_cidr_block": subnet.get("CidrBlock"),
            "subnet_ipv6_cidr_blocks": _ipv6_blocks(subnet),
            "vpc_id": interface["VpcId"],
            "vpc_ipv4_cidr_blocks": vpc_blocks or [each for each in [vpc.get("CidrBlock")] if each],
            "vpc_ipv6_cidr_blocks": _ipv6_blocks(vpc),
        }
    )
    public = {
        each["Association"]["PublicIp"]: each["PrivateIpAddress"]
        for each in addresses
        if each.get("Association", {}).get("PublicIp")
    }
    settings["local_ipv4s"] = [each["PrivateIpAddress"] for each in addresses]
    settings["public_ipv4s"] = public
    block = settings.get("subnet_ipv4_cidr_block")
    outside = [each for each in settings["local_ipv4s"] if block and ip_address(each) not in ip_network(block)]
    if outside:
        # Stand-ins for AWS may choose addresses at random. The mock then derives the blocks from the addresses.
        del settings["subnet_ipv4_cidr_block"]
        settings.pop("vpc_ipv4_cidr_blocks", None)
        description.notes.append(
            f"the API's subnet {block} does not contain the address {outside[0]}; left the blocks of"
            f" {settings['interface_id']} to the mock"
        )
    return settings


def _ipv6_blocks(network: dict[str, Any]) -> list[str]:
    return [each["Ipv6CidrBlock"] for each in network.get("Ipv6CidrBlockAssociationSet", [])]
