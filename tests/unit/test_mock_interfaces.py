"""Network interfaces: each with a subtree of its own, all of them agreeing with the instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imds_mock.config.errors import ConfigError
from support.metadata import Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer

MAC = "0a:1b:2c:3d:4e:5f"
SECOND = "02:00:00:00:00:02"


def subtree(metadata: Metadata, mac: str) -> dict[str, str]:
    prefix = f"meta-data/network/interfaces/macs/{mac}/"
    return {path.removeprefix(prefix): body.decode() for path, body in metadata.crawl(prefix.rstrip("/")).items()}


def test_a_full_interface(signer: Signer) -> None:
    interface = {
        "mac": MAC.upper(),
        "interface_id": "eni-0123456789abcdef0",
        "device_number": 3,
        "network_card": 1,
        "local_ipv4s": ["10.1.2.3", "10.1.2.4"],
        "public_ipv4s": {"198.51.100.7": "10.1.2.3", "198.51.100.8": "10.1.2.4"},
        "ipv6s": ["2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9", "2600:1F16:67F:F201:0:0:0:5"],
        "ipv4_prefixes": ["10.1.2.16/28"],
        "ipv6_prefixes": ["2600:1f16:67f:f201:1::/80"],
        "owner_id": "999999999999",
        "security_groups": ["web", "my group"],
        "security_group_ids": ["sg-0123456789abcdef0", "sg-12345678"],
        "subnet_id": "subnet-0123456789abcdef0",
        "subnet_ipv4_cidr_block": "10.1.0.0/20",
        "vpc_id": "vpc-0123456789abcdef0",
        "vpc_ipv4_cidr_blocks": ["10.1.0.0/16", "10.2.0.0/16"],
    }
    metadata = Metadata(signer, interfaces=[interface])
    assert subtree(metadata, MAC) == {
        "device-number": "3",
        "interface-id": "eni-0123456789abcdef0",
        "ipv4-associations/198.51.100.7": "10.1.2.3",
        "ipv4-associations/198.51.100.8": "10.1.2.4",
        "ipv4-prefix": "10.1.2.16/28",
        "ipv6-prefix": "2600:1f16:67f:f201:1:0:0:0/80",
        "ipv6s": "2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9\n2600:1f16:67f:f201::5",
        "local-hostname": "ip-10-1-2-3.ec2.internal",
        "local-ipv4s": "10.1.2.3\n10.1.2.4",
        "mac": MAC,
        "network-card": "1",
        "network-card-index": "1",
        "owner-id": "999999999999",
        "public-hostname": "ec2-198-51-100-7.compute-1.amazonaws.com",
        "public-ipv4s": "198.51.100.7\n198.51.100.8",
        "security-group-ids": "sg-0123456789abcdef0\nsg-12345678",
        "security-groups": "web\nmy group",
        "subnet-id": "subnet-0123456789abcdef0",
        "subnet-ipv4-cidr-block": "10.1.0.0/20",
        "subnet-ipv6-cidr-blocks": "2600:1f16:67f:f201:0:0:0:0/64",
        "vpc-id": "vpc-0123456789abcdef0",
        "vpc-ipv4-cidr-block": "10.1.0.0/16",
        "vpc-ipv4-cidr-blocks": "10.1.0.0/16\n10.2.0.0/16",
        "vpc-ipv6-cidr-blocks": "2600:1f16:67f:f200:0:0:0:0/56",
    }
    assert metadata.text("mac") == MAC
    assert metadata.text("local-ipv4") == "10.1.2.3"
    assert metadata.text("public-ipv4") == "198.51.100.7"
    assert metadata.text("ipv6") == "2600:1f16:67f:f201:8d2e:4d1f:9e80:4ab9"
    assert metadata.text("security-groups") == "web\nmy group"


def test_a_second_interface_is_derived(signer: Signer) -> None:
    metadata = Metadata(signer, interfaces=[{"mac": MAC}, {"mac": SECOND}])
    assert metadata.text("network/interfaces/macs") == f"{SECOND}/\n{MAC}/"
    first, second = subtree(metadata, MAC), subtree(metadata, SECOND)
    assert (first["device-number"], second["device-number"]) == ("0", "1")
    assert (first["local-ipv4s"], second["local-ipv4s"]) == ("10.0.1.23", "10.0.1.24")
    assert second["local-hostname"] == "ip-10-0-1-24.ec2.internal"
    assert first["interface-id"] != second["interface-id"]
    for leaf in ("vpc-id", "subnet-id", "security-groups", "security-group-ids", "owner-id"):
        assert first[leaf] == second[leaf]
    assert "public-ipv4s" in first
    assert not {"public-ipv4s", "public-hostname", "network-card", "ipv6s"} & set(second)
    assert metadata.text("mac") == MAC


def test_no_public_address(signer: Signer) -> None:
    metadata = Metadata(signer, public_ipv4=None, mac=MAC)
    for path in ("public-ipv4", "public-hostname", f"network/interfaces/macs/{MAC}/ipv4-associations"):
        assert metadata.text(path) is None
    assert not [path for path in metadata.crawl() if "public-ipv4" in path or "public-hostname" in path]
    also_none = Metadata(signer, interfaces=[{"public_ipv4s": {}}])
    assert also_none.text("public-ipv4") is None


def test_the_public_names_of_the_instance_are_those_of_its_first_interface(signer: Signer) -> None:
    second = {"public_ipv4s": {"198.51.100.8": ""}}
    metadata = Metadata(signer, interfaces=[{"public_ipv4s": {"198.51.100.7": ""}}, second])
    assert metadata.text("public-ipv4") == "198.51.100.7"
    assert metadata.text("public-hostname") == "ec2-198-51-100-7.compute-1.amazonaws.com"
    metadata = Metadata(signer, interfaces=[{"public_ipv4s": {}}, second])
    assert (metadata.text("public-ipv4"), metadata.text("public-hostname")) == (None, None)


def test_local_ipv4_changes_all_derived_values(signer: Signer) -> None:
    interface = {"local_ipv4s": ["10.1.2.3", "10.1.2.4"], "public_ipv4s": {"198.51.100.7": "10.1.2.3"}}
    metadata = Metadata(signer, interfaces=[interface], local_ipv4="10.1.2.99", mac=MAC)
    tree = subtree(metadata, MAC)
    assert tree["local-ipv4s"] == "10.1.2.99\n10.1.2.4"
    assert tree["ipv4-associations/198.51.100.7"] == "10.1.2.99"
    container = Metadata(signer, local_ipv4="172.18.0.5", public_ipv4="198.51.100.9", mac=MAC)
    tree = subtree(container, MAC)
    assert tree["subnet-ipv4-cidr-block"] == "172.18.0.0/24"
    assert tree["vpc-ipv4-cidr-block"] == "172.18.0.0/16"
    assert tree["ipv4-associations/198.51.100.9"] == "172.18.0.5"
    assert container.text("public-hostname") == "ec2-198-51-100-9.compute-1.amazonaws.com"


def test_ipv6_only(signer: Signer) -> None:
    interface = {"mac": MAC, "local_ipv4s": [], "ipv6s": ["2600:1f18::17"]}
    metadata = Metadata(signer, interfaces=[interface])
    tree = subtree(metadata, MAC)
    assert metadata.text("local-ipv4") is None
    assert metadata.text("ipv6") == "2600:1f18::17"
    assert metadata.text("hostname") == "i-1234567890abcdef0.ec2.internal"
    assert tree["subnet-ipv6-cidr-blocks"] == "2600:1f18:0:0:0:0:0:0/64"
    assert not [leaf for leaf in tree if ("ipv4" in leaf and "vpc" not in leaf) or leaf.startswith("public")]
    assert b'"privateIp" : null' in (metadata.read("dynamic/instance-identity/document") or b"")


# What captures of instances list: cloud-init's public test data, metadata versions 2018-09-24 and later.
EVERY = {
    "device-number", "interface-id", "local-hostname", "mac", "owner-id", "security-group-ids", "security-groups",
    "subnet-id", "vpc-id", "vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks",
}  # fmt: skip
OVER_IPV4 = {"local-ipv4s", "subnet-ipv4-cidr-block"}
OVER_IPV6 = {"ipv6s", "subnet-ipv6-cidr-blocks", "vpc-ipv6-cidr-blocks"}
PUBLIC = {"ipv4-associations", "public-hostname", "public-ipv4s"}


@pytest.mark.parametrize(
    ("facts", "listed"),
    [
        ({}, EVERY | OVER_IPV4),
        ({"ipv6s": ["2600:1f18::17"]}, EVERY | OVER_IPV4 | OVER_IPV6),
        ({"local_ipv4s": [], "ipv6s": ["2600:1f18::17"]}, EVERY | OVER_IPV6),
    ],
)
@pytest.mark.parametrize("is_public", [True, False])
def test_each_kind_of_interface_has_the_listing_of_real_instances(
    signer: Signer, facts: dict[str, Any], listed: set[str], *, is_public: bool
) -> None:
    """Of a first interface and of a second one."""
    has_ipv4 = "local_ipv4s" not in facts
    public = {"public_ipv4s": {"198.51.100.7": ""} if is_public and has_ipv4 else {}}
    for interfaces in ([{**facts, **public, "mac": MAC}], [{"mac": SECOND}, {**facts, **public, "mac": MAC}]):
        metadata = Metadata(signer, interfaces=interfaces)
        found = {name.rstrip("/") for name in (metadata.text(f"network/interfaces/macs/{MAC}") or "").split("\n")}
        assert found == listed | (PUBLIC if is_public and has_ipv4 else set())


def test_an_ipv6_only_interface_is_in_a_vpc_with_an_ipv4_block(signer: Signer) -> None:
    captured = {"vpc_ipv4_cidr_blocks": ["192.168.0.0/20"], "local_ipv4s": [], "ipv6s": ["2600:1f16:67f:f201::1"]}
    also = {"mac": SECOND, "local_ipv4s": [], "ipv6s": ["2600:1f16:67f:f201::2"]}
    for first, block in (
        ({"mac": MAC, **captured}, "192.168.0.0/20"),
        ({"mac": MAC, **captured, "vpc_ipv4_cidr_blocks": None}, "10.0.0.0/16"),
        ({"mac": MAC, "local_ipv4s": ["172.31.5.6"]}, "172.31.0.0/16"),
    ):
        metadata = Metadata(signer, interfaces=[first, also])
        one, two = subtree(metadata, MAC), subtree(metadata, SECOND)
        for leaf in ("vpc-ipv4-cidr-block", "vpc-ipv4-cidr-blocks"):
            assert one[leaf] == two[leaf] == block
        assert one["vpc-id"] == two["vpc-id"]
        assert two["local-hostname"] == "i-1234567890abcdef0.ec2.internal"
    none = Metadata(signer, interfaces=[{"mac": MAC, **captured, "vpc_ipv4_cidr_blocks": []}])
    assert "vpc-ipv4-cidr-block" not in subtree(none, MAC)


@pytest.mark.parametrize(
    ("interfaces", "sentence"),
    [
        ([{"local_ipv4s": ["x"]}], "[0].local_ipv4s[0]: expected an IPv4 address such as 10.0.1.23"),
        ([{"ipv6s": ["10.0.0.1"]}], "[0].ipv6s[0]: expected an IPv6 address"),
        ([{"ipv4_prefixes": ["10.0.1.1/28"]}], "[0].ipv4_prefixes[0]: expected an IPv4 block"),
        ([{"subnet_ipv4_cidr_block": "10.9.0.0/16"}], "[0].subnet_ipv4_cidr_block: 10.9.0.0/16 does not contain"),
        ([{"vpc_ipv4_cidr_blocks": ["10.9.0.0/16"]}], "[0].vpc_ipv4_cidr_blocks: no block contains the subnet"),
        ([{"ipv6s": ["2600::1"], "subnet_ipv6_cidr_blocks": ["2601::/64"]}], "[0].subnet_ipv6_cidr_blocks: no block"),
        ([{"ipv6s": ["2600::1"], "vpc_ipv6_cidr_blocks": ["2601::/56"]}], "[0].vpc_ipv6_cidr_blocks: no block"),
        (
            [{"public_ipv4s": {"198.51.100.7": "10.0.9.9"}}],
            "expected one of the interface's private addresses (10.0.1.23), got 10.0.9.9",
        ),
        ([{"public_ipv4s": {"y": "10.0.1.23"}}], "[0].public_ipv4s.y: expected an IPv4 address"),
        ([{"local_ipv4s": [], "public_ipv4s": {"198.51.100.7": ""}}], "requires a private IPv4 address"),
        (
            [{"security_groups": ["a"], "security_group_ids": []}],
            "[0].security_group_ids: expected one id for each security group: a",
        ),
        ([{"security_groups": [], "security_group_ids": ["sg-12345678"]}], "security group, but there is none"),
        ([{"mac": MAC}, {"mac": MAC}], f"[1].mac: interface 0 already has {MAC}"),
        ([{}, {"device_number": 0}], "[1].device_number: interface 0 already has device number 0 of network card 0"),
        ([{}, {"local_ipv4s": ["10.0.1.23"]}], "[1].local_ipv4s: interface 0 already has 10.0.1.23"),
        ([{}] * 300, ".local_ipv4s: expected addresses, because the first interface's /24 has no free one"),
    ],
)
def test_contradictions_are_refused(signer: Signer, interfaces: list[Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Metadata(signer, interfaces=interfaces)
    assert str(raised.value).startswith("configuration: instance.interfaces[")
    assert sentence in str(raised.value)


def test_derived_addresses_omit_those_that_aws_reserves(signer: Signer) -> None:
    metadata = Metadata(signer, interfaces=[{"mac": MAC}, {"mac": SECOND}], local_ipv4="10.0.1.254")
    assert subtree(metadata, SECOND)["local-ipv4s"] == "10.0.1.4"


@given(st.integers(1, 8), st.ip_addresses(v=4, network="10.0.0.0/8"))
def test_derived_addresses_never_collide(signer: Signer, count: int, main: object) -> None:
    metadata = Metadata(signer, interfaces=[{} for _ in range(count)], local_ipv4=str(main))
    macs = (metadata.text("network/interfaces/macs") or "").split("\n")
    trees = [subtree(metadata, mac.rstrip("/")) for mac in macs]
    assert len(trees) == count
    for leaf in ("local-ipv4s", "mac", "interface-id", "device-number"):
        assert len({tree[leaf] for tree in trees}) == count
