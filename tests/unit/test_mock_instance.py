"""All values that are derived from the facts of an instance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.errors import ConfigError
from imds_mock.metadata.regions import partition_of, region_of, zone_id_of
from support.metadata import STARTED, Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer

MAC = "0a:1b:2c:3d:4e:5f"


def document(metadata: Metadata) -> dict[str, Any]:
    body = metadata.read("dynamic/instance-identity/document")
    assert body is not None
    read: dict[str, Any] = json.loads(body)
    return read


@pytest.mark.parametrize(
    ("region", "partition", "domain", "private", "public"),
    [
        ("us-east-1", "aws", "amazonaws.com", "ec2.internal", "compute-1.amazonaws.com"),
        ("eu-west-3", "aws", "amazonaws.com", "eu-west-3.compute.internal", "eu-west-3.compute.amazonaws.com"),
        (
            *("cn-north-1", "aws-cn", "amazonaws.com.cn", "cn-north-1.compute.internal"),
            "cn-north-1.compute.amazonaws.com.cn",
        ),
        (
            *("us-gov-west-1", "aws-us-gov", "amazonaws.com", "us-gov-west-1.compute.internal"),
            "us-gov-west-1.compute.amazonaws.com",
        ),
        (
            "us-iso-east-1",
            "aws-iso",
            "c2s.ic.gov",
            "us-iso-east-1.compute.internal",
            "us-iso-east-1.compute.c2s.ic.gov",
        ),
    ],
)
def test_values_derived_from_the_region(
    signer: Signer, region: str, partition: str, domain: str, private: str, public: str
) -> None:
    metadata = Metadata(signer, region=region, mac=MAC)
    assert metadata.text("placement/region") == region
    assert metadata.text("placement/availability-zone") == f"{region}a"
    assert metadata.text("placement/availability-zone-id") == zone_id_of(f"{region}a")
    assert metadata.text("services/partition") == partition == partition_of(region).name
    assert metadata.text("services/domain") == domain
    below = f"network/interfaces/macs/{MAC}"
    for path in ("hostname", "local-hostname", f"{below}/local-hostname"):
        assert metadata.text(path) == f"ip-10-0-1-23.{private}"
    for path in ("public-hostname", f"{below}/public-hostname"):
        assert metadata.text(path) == f"ec2-203-0-113-25.{public}"
    info = json.loads(metadata.text("iam/info") or "")
    assert info["InstanceProfileArn"] == f"arn:{partition}:iam::123456789012:instance-profile/my-role"
    assert document(metadata)["region"] == region
    assert document(metadata)["availabilityZone"] == f"{region}a"


def test_the_region_is_derived_from_the_zone(signer: Signer) -> None:
    metadata = Metadata(signer, availability_zone="eu-west-1c")
    assert metadata.text("placement/region") == "eu-west-1"
    assert metadata.text("placement/availability-zone-id") == "euw1-az3"


def test_a_zone_id_is_configurable(signer: Signer) -> None:
    assert Metadata(signer, availability_zone_id="use1-az6").text("placement/availability-zone-id") == "use1-az6"


def test_account_type_and_image_are_the_same_everywhere(signer: Signer) -> None:
    metadata = Metadata(
        signer,
        account_id="012345678901",
        instance_type="c7gn.xlarge",
        image_id="ami-11111111",
        instance_id="i-0fedcba9876543210",
        local_ipv4="172.31.5.9",
        mac=MAC,
        launch_time="2024-02-29T01:02:03Z",
        product_codes=["abc", "def"],
        billing_products=["bp-6ba54002"],
        kernel_id="aki-00806369",
        ramdisk_id="ari-00806369",
    )
    assert metadata.text("instance-id") == "i-0fedcba9876543210"
    assert metadata.text("instance-type") == "c7gn.xlarge"
    assert metadata.text("ami-id") == "ami-11111111"
    assert metadata.text("local-ipv4") == "172.31.5.9"
    assert metadata.text("product-codes") == "abc\ndef"
    assert metadata.text("kernel-id") == "aki-00806369"
    assert metadata.text("ramdisk-id") == "ari-00806369"
    assert metadata.text(f"network/interfaces/macs/{MAC}/owner-id") == "012345678901"
    assert json.loads(metadata.text("identity-credentials/ec2/info") or "")["AccountId"] == "012345678901"
    assert ":012345678901:" in json.loads(metadata.text("iam/info") or "")["InstanceProfileArn"]
    body = metadata.read("dynamic/instance-identity/document")
    assert body is not None
    assert body.decode() == (
        "{\n"
        '  "accountId" : "012345678901",\n'
        '  "architecture" : "arm64",\n'
        '  "availabilityZone" : "us-east-1a",\n'
        '  "billingProducts" : [ "bp-6ba54002" ],\n'
        '  "devpayProductCodes" : null,\n'
        '  "marketplaceProductCodes" : [ "abc", "def" ],\n'
        '  "imageId" : "ami-11111111",\n'
        '  "instanceId" : "i-0fedcba9876543210",\n'
        '  "instanceType" : "c7gn.xlarge",\n'
        '  "kernelId" : "aki-00806369",\n'
        '  "pendingTime" : "2024-02-29T01:02:03Z",\n'
        '  "privateIp" : "172.31.5.9",\n'
        '  "ramdiskId" : "ari-00806369",\n'
        '  "region" : "us-east-1",\n'
        '  "version" : "2017-09-30"\n'
        "}"
    )


@pytest.mark.parametrize(
    ("instance_type", "architecture", "system"),
    [
        ("m5.large", "x86_64", "nitro"),
        ("m6g.medium", "arm64", "nitro"),
        ("t4g.nano", "arm64", "nitro"),
        ("c6gd.large", "arm64", "nitro"),
        ("im4gn.large", "arm64", "nitro"),
        ("is4gen.large", "arm64", "nitro"),
        ("hpc7g.4xlarge", "arm64", "nitro"),
        ("a1.large", "arm64", "nitro"),
        ("p6e-gb200.36xlarge", "arm64", "nitro"),
        ("g4dn.xlarge", "x86_64", "nitro"),
        ("g6e.xlarge", "x86_64", "nitro"),
        ("c7i-flex.large", "x86_64", "nitro"),
        ("u7i-12tb.224xlarge", "x86_64", "nitro"),
        ("t2.micro", "x86_64", "xen-on-nitro"),
        ("m4.large", "x86_64", "xen-on-nitro"),
        ("i3.large", "x86_64", "xen-on-nitro"),
        ("i3.metal", "x86_64", "nitro"),
        ("i3en.large", "x86_64", "nitro"),
        ("p3.2xlarge", "x86_64", "xen-on-nitro"),
        ("p3dn.24xlarge", "x86_64", "nitro"),
        ("mac1.metal", "x86_64_mac", "nitro"),
        ("mac2-m2.metal", "arm64_mac", "nitro"),
    ],
)
def test_processor_and_hypervisor_are_derived_from_the_type(
    signer: Signer, instance_type: str, architecture: str, system: str
) -> None:
    metadata = Metadata(signer, instance_type=instance_type)
    assert document(metadata)["architecture"] == architecture
    assert metadata.text("system") == system


def test_configured_facts_override_derived_ones(signer: Signer) -> None:
    metadata = Metadata(
        signer, architecture="i386", system="xen-on-nitro", virtualization_profile="default-paravirtual"
    )
    assert document(metadata)["architecture"] == "i386"
    assert metadata.text("system") == "xen-on-nitro"
    assert metadata.text("profile") == "default-paravirtual"
    assert Metadata(signer, kernel_id="aki-00806369").text("profile") == "default-paravirtual"


def test_the_launch_time_is_the_mocks_start_by_default(signer: Signer) -> None:
    assert document(Metadata(signer))["pendingTime"] == "2025-06-15T15:06:40Z"


def test_resource_based_host_names(signer: Signer) -> None:
    facts: dict[str, Any] = {"hostname_type": "resource-name", "instance_id": "i-0123456789abcdef0"}
    assert Metadata(signer, **facts).text("hostname") == "i-0123456789abcdef0.ec2.internal"
    elsewhere = Metadata(signer, region="us-west-2", **facts)
    assert elsewhere.text("hostname") == "i-0123456789abcdef0.us-west-2.compute.internal"
    assert elsewhere.text("public-hostname") == "ec2-203-0-113-25.us-west-2.compute.amazonaws.com"


def test_domain_and_host_name_are_configurable(signer: Signer) -> None:
    assert Metadata(signer, domain_name="corp.example").text("hostname") == "ip-10-0-1-23.corp.example"
    named = Metadata(signer, hostname="web1.corp.example", mac=MAC)
    for path in ("hostname", "local-hostname", f"network/interfaces/macs/{MAC}/local-hostname"):
        assert named.text(path) == "web1.corp.example"


def test_the_metadata_is_derived_from_facts_alone(signer: Signer) -> None:
    first, second = Metadata(signer).crawl(), Metadata(signer).crawl()
    signed = {path for path in first if path.startswith("dynamic/") and not path.endswith("/document")}
    changing = signed | {"meta-data/managed-ssh-keys/signer-cert"}
    assert {path: body for path, body in first.items() if path not in changing} == {
        path: body for path, body in second.items() if path not in changing
    }


def test_another_instance_has_other_ids_and_the_same_network(signer: Signer) -> None:
    one = Metadata(signer, instance_id="i-00000000000000001", local_ipv4="10.0.1.10")
    other = Metadata(signer, instance_id="i-00000000000000002", local_ipv4="10.0.1.11")
    for path in ("mac", "reservation-id"):
        assert one.text(path) != other.text(path)

    def network(metadata: Metadata, leaf: str) -> str | None:
        return metadata.text(f"network/interfaces/macs/{metadata.text('mac')}/{leaf}")

    assert network(one, "interface-id") != network(other, "interface-id")
    for leaf in ("vpc-id", "subnet-id", "security-group-ids", "subnet-ipv4-cidr-block", "vpc-ipv4-cidr-block"):
        assert network(one, leaf) == network(other, leaf)


def test_public_keys(signer: Signer) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpqwtSWGIL0KjRcdhX0Ez3ejm1ufBtrQK5P9u5Sw5PQ"
    metadata = Metadata(
        signer,
        public_keys=[{"name": "one", "openssh_key": f"{key} someone@somewhere"}, {"name": "two", "openssh_key": key}],
    )
    assert metadata.text("public-keys") == "0=one\n1=two"
    assert metadata.text("public-keys/1") == "openssh-key"
    assert metadata.text("public-keys/0/openssh-key") == f"{key} someone@somewhere\n"
    assert metadata.text("public-keys/1/openssh-key") == f"{key} two\n"
    assert Metadata(signer, public_keys=[]).text("public-keys") is None


def test_user_data(signer: Signer, tmp_path: Any) -> None:
    assert Metadata(signer).read("user-data") is None
    assert Metadata(signer, user_data="").read("user-data") is None
    assert Metadata(signer, user_data="#!/bin/sh\n").read("user-data") == b"#!/bin/sh\n"
    assert Metadata(signer, user_data={"base64": "AP8N\nCg=="}).read("user-data") == b"\x00\xff\r\n"
    (tmp_path / "data.bin").write_bytes(b"\x1f\x8b\x00")
    from_file = Metadata(signer, user_data={"file": str(tmp_path / "data.bin")})
    assert from_file.read("user-data") == b"\x1f\x8b\x00"
    assert from_file.leaves["user-data"].content_type == "application/octet-stream"
    assert "user-data" in (from_file.read("") or b"").decode().split("\n")
    assert Metadata(signer, user_data="x" * 16384).read("user-data") == b"x" * 16384


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"region": "eu-west-1", "availability_zone": "us-east-1a"},
            "instance.availability_zone: us-east-1a is not in the region eu-west-1",
        ),
        (
            {"partition_number": 1},
            "instance.partition_number: placement_group is required when partition_number is set",
        ),
        ({"user_data": "x" * 16385}, "instance.user_data: has 16385 bytes; EC2 allows 16384"),
        ({"user_data": {"base64": "?"}}, "instance.user_data.base64: expected base64 or null, got '?'"),
        ({"user_data": {}}, "instance.user_data: expected either text, `base64` or the `file` of the bytes"),
        ({"user_data": {"base64": "", "file": "x"}}, "instance.user_data: expected either text"),
        (
            {"user_data": {"file": "/no/such/file"}},
            "instance.user_data.file: cannot read '/no/such/file': No such file",
        ),
        (
            {"launch_time": "2024-02-30T00:00:00Z"},
            "instance.launch_time: expected a time such as 2026-01-31T12:00:00Z or null, got '2024-02-30T",
        ),
        (
            {"public_keys": [{"name": "k", "openssh_key": "nonsense"}]},
            "instance.public_keys[0].openssh_key: expected a public key such as",
        ),
        ({"local_ipv4": "10.0.0.256"}, "instance.local_ipv4: expected an IPv4 address such as 10.0.1.23"),
        ({"public_ipv4": "x"}, "instance.public_ipv4: expected an IPv4 address"),
        ({"interfaces": []}, "instance.interfaces: expected a list, each a mapping"),
    ],
)
def test_contradictions_are_refused(signer: Signer, facts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Metadata(signer, **facts)
    assert f"configuration: {sentence}" in str(raised.value)
    assert "\n" not in str(raised.value)


zones = st.sampled_from(["us-east-1b", "eu-north-1a", "cn-north-1a", "us-gov-east-1c", "us-west-2-lax-1a"])
addresses = st.ip_addresses(v=4, network="172.16.0.0/12").map(str)
optional_ids = st.one_of(st.none(), st.just("aki-0123456789abcdef0"))
facts_of_instances: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"availability_zone": zones, "local_ipv4": addresses},
    optional={
        "account_id": st.from_regex(r"\A[0-9]{12}\Z"),
        "instance_type": st.sampled_from(["t2.micro", "m7g.large", "m5.large"]),
        "public_ipv4": st.one_of(st.none(), st.ip_addresses(v=4, network="198.51.100.0/24").map(str)),
        "role": st.one_of(st.none(), st.from_regex(r"\A[A-Za-z0-9+=,.@_-]{1,64}\Z")),
        "kernel_id": optional_ids,
        "target_lifecycle_state": st.sampled_from([None, "InService", "Warmed:Running"]),
        "placement_group": st.sampled_from([None, "my-pg"]),
        "detailed_monitoring": st.sampled_from([None, True, False]),
        "user_data": st.one_of(st.none(), st.text(max_size=20)),
        "tags": st.dictionaries(st.from_regex(r"\A[A-Za-z0-9+\-=,:@][A-Za-z0-9+\-=.,:@]{0,9}\Z"), st.text(max_size=9)),
        "hostname_type": st.sampled_from(["ip-name", "resource-name"]),
        "interfaces": st.lists(st.just({"ipv6s": []}), min_size=1, max_size=4),
        "public_keys": st.just([]),
    },
)


@given(facts_of_instances, st.sampled_from(["latest", "1.0", "2009-04-04", "2016-09-02", "2018-09-24", "2021-03-23"]))
def test_with_any_facts_all_listed_paths_exist_and_agree(signer: Signer, facts: dict[str, Any], version: str) -> None:
    metadata = Metadata(signer, {"metadata_options": {"instance_metadata_tags": "enabled"}}, **facts)
    leaves = metadata.crawl(version=version)
    present = {
        path
        for path, leaf in metadata.leaves.items()
        if leaf.since <= version and (not callable(leaf.body) or leaf.body(STARTED) is not None)
    }
    assert set(leaves) == present
    texts = {path: body.decode() for path, body in leaves.items()}
    identity = document(metadata)
    region = identity["region"]
    agreeing = {
        "meta-data/placement/availability-zone": identity["availabilityZone"],
        "meta-data/placement/region": region,
        "meta-data/instance-type": identity["instanceType"],
        "meta-data/local-ipv4": identity["privateIp"],
        "meta-data/kernel-id": identity["kernelId"],
        "meta-data/services/partition": partition_of(region).name,
    }
    for path, value in agreeing.items():
        assert texts.get(path, value) == value
    assert region_of(identity["availabilityZone"]) == region
    mac = texts.get("meta-data/mac")
    if mac is not None:
        below = f"meta-data/network/interfaces/macs/{mac}"
        assert texts[f"{below}/local-ipv4s"] == facts["local_ipv4"]
        assert texts[f"{below}/local-hostname"] == texts["meta-data/hostname"]
        assert texts.get(f"{below}/public-ipv4s") == texts.get("meta-data/public-ipv4")
        assert texts[f"{below}/owner-id"] == identity["accountId"]
    for path, body in texts.items():
        if not path.endswith("/openssh-key") and path != "user-data" and not path.startswith("meta-data/tags/"):
            assert not body.endswith("\n"), path
