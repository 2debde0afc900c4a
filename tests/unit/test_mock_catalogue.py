"""Every leaf of the metadata: exact value, version, absence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from imds_mock.config.sources import merge
from imds_mock.metadata.catalogue import INTERFACE_PATH, INTERFACE_ROWS, ROWS, since_of
from imds_mock.metadata.tree import VERSIONS
from support.metadata import STARTED, Metadata

if TYPE_CHECKING:
    from imds_mock.signing.signer import Signer

MAC = "0a:1b:2c:3d:4e:5f"
BELOW = f"network/interfaces/macs/{MAC}"
TAGS_SHOWN = {"metadata_options": {"instance_metadata_tags": "enabled"}}

DEFAULTS = {
    "ami-id": "ami-0abcdef1234567890",
    "ami-launch-index": "0",
    "ami-manifest-path": "(unknown)",
    "block-device-mapping/ami": "/dev/xvda",
    "block-device-mapping/root": "/dev/xvda",
    "events/maintenance/history": "[]",
    "events/maintenance/scheduled": "[]",
    "hibernation/configured": "false",
    "hostname": "ip-10-0-1-23.ec2.internal",
    "instance-action": "none",
    "instance-id": "i-1234567890abcdef0",
    "instance-life-cycle": "on-demand",
    "instance-type": "m5.large",
    "local-hostname": "ip-10-0-1-23.ec2.internal",
    "local-ipv4": "10.0.1.23",
    "mac": MAC,
    "metrics/vhostmd": '<?xml version="1.0" encoding="UTF-8"?>',
    f"{BELOW}/device-number": "0",
    f"{BELOW}/ipv4-associations/203.0.113.25": "10.0.1.23",
    f"{BELOW}/local-hostname": "ip-10-0-1-23.ec2.internal",
    f"{BELOW}/local-ipv4s": "10.0.1.23",
    f"{BELOW}/mac": MAC,
    f"{BELOW}/owner-id": "123456789012",
    f"{BELOW}/public-hostname": "ec2-203-0-113-25.compute-1.amazonaws.com",
    f"{BELOW}/public-ipv4s": "203.0.113.25",
    f"{BELOW}/security-groups": "default",
    f"{BELOW}/subnet-ipv4-cidr-block": "10.0.1.0/24",
    f"{BELOW}/vpc-ipv4-cidr-block": "10.0.0.0/16",
    f"{BELOW}/vpc-ipv4-cidr-blocks": "10.0.0.0/16",
    "placement/availability-zone": "us-east-1a",
    "placement/availability-zone-id": "use1-az1",
    "placement/region": "us-east-1",
    "profile": "default-hvm",
    "public-hostname": "ec2-203-0-113-25.compute-1.amazonaws.com",
    "public-ipv4": "203.0.113.25",
    "security-groups": "default",
    "services/domain": "amazonaws.com",
    "services/partition": "aws",
    "system": "nitro",
}

OTHERS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"ancestor_ami_ids": ["ami-11111111", "ami-22222222"]}, {"ancestor-ami-ids": "ami-11111111\nami-22222222"}),
    ({"ami_launch_index": 7}, {"ami-launch-index": "7"}),
    ({"ami_manifest_path": "bucket/image.manifest.xml"}, {"ami-manifest-path": "bucket/image.manifest.xml"}),
    ({"target_lifecycle_state": "Warmed:Hibernated"}, {"autoscaling/target-lifecycle-state": "Warmed:Hibernated"}),
    (
        {"root_device": "/dev/sda1", "block_devices": {"ebs1": "/dev/sdb", "ephemeral0": "sdc", "swap": "sda3"}},
        {
            "block-device-mapping/ami": "/dev/sda1",
            "block-device-mapping/root": "/dev/sda1",
            "block-device-mapping/ebs1": "sdb",
            "block-device-mapping/ephemeral0": "sdc",
            "block-device-mapping/swap": "sda3",
        },
    ),
    ({"hibernation_configured": True}, {"hibernation/configured": "true"}),
    ({"instance_action": "shutdown"}, {"instance-action": "shutdown"}),
    ({"instance_life_cycle": "spot"}, {"instance-life-cycle": "spot"}),
    ({"instance_life_cycle": "capacity-block"}, {"instance-life-cycle": "capacity-block"}),
    ({"kernel_id": "aki-00806369"}, {"kernel-id": "aki-00806369"}),
    ({"ramdisk_id": "ari-00806369"}, {"ramdisk-id": "ari-00806369"}),
    (
        {"managed_ssh_keys": {"active_keys": {"ec2-user": ["ssh-rsa A", "ssh-rsa B"]}, "signer_ocsp": {"0A": "MIIB"}}},
        {
            "managed-ssh-keys/active-keys/ec2-user": "ssh-rsa A\nssh-rsa B",
            "managed-ssh-keys/signer-ocsp/0A": "MIIB",
        },
    ),
    (
        {"managed_ssh_keys": {"signer_cert": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}},
        {"managed-ssh-keys/signer-cert": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"},
    ),
    (
        {"placement_group": "my-pg", "partition_number": 3, "host_id": "h-0123456789abcdef0"},
        {
            "placement/group-name": "my-pg",
            "placement/partition-number": "3",
            "placement/host-id": "h-0123456789abcdef0",
        },
    ),
    ({"placement_group": "my-pg", "partition_number": 0}, {"placement/partition-number": "0"}),
    ({"product_codes": ["a", "b"]}, {"product-codes": "a\nb"}),
    ({"reservation_id": "r-0123456789abcdef0"}, {"reservation-id": "r-0123456789abcdef0"}),
    ({"security_groups": ["web", "db"]}, {"security-groups": "web\ndb", f"{BELOW}/security-groups": "web\ndb"}),
    ({"tags": {"Name": "web 1", "empty": "", "a:b/".strip("/"): "c"}}, {"tags/instance/a:b": "c"}),
]


@pytest.mark.parametrize(("path", "value"), DEFAULTS.items())
def test_the_default_instance(signer: Signer, path: str, value: str) -> None:
    assert Metadata(signer, mac=MAC).text(path) == value


@pytest.mark.parametrize(("facts", "values"), OTHERS)
def test_other_instances(signer: Signer, facts: dict[str, Any], values: dict[str, str]) -> None:
    metadata = Metadata(signer, TAGS_SHOWN, **{"mac": MAC} | facts)
    for path, value in values.items():
        assert metadata.text(path) == value
        category, _, name = path.rpartition("/")
        assert name in (metadata.text(category) or "").split("\n")


def test_the_modern_listing(signer: Signer) -> None:
    assert (Metadata(signer).text("") or "").split("\n") == [
        *("ami-id", "ami-launch-index", "ami-manifest-path", "block-device-mapping/", "events/", "hibernation/"),
        *("hostname", "iam/", "identity-credentials/", "instance-action", "instance-id", "instance-life-cycle"),
        *("instance-type", "local-hostname", "local-ipv4", "mac", "managed-ssh-keys/", "metrics/", "network/"),
        *("placement/", "profile", "public-hostname", "public-ipv4", "public-keys/", "reservation-id"),
        *("security-groups", "services/", "system"),
    ]


@pytest.mark.parametrize(
    "path",
    [
        *("ancestor-ami-ids", "autoscaling", "elastic-gpus", "elastic-inference", "events/recommendations", "ipv6"),
        *("iam/security-credentials-extended", "kernel-id", "placement/group-name", "placement/host-id", "tags"),
        *("placement/partition-number", "product-codes", "ramdisk-id", "spot", "managed-ssh-keys/active-keys"),
        *("managed-ssh-keys/signer-ocsp", f"{BELOW}/ipv6s", f"{BELOW}/ipv4-prefix", f"{BELOW}/network-card"),
    ],
)
def test_paths_that_the_default_instance_does_not_have(signer: Signer, path: str) -> None:
    assert Metadata(signer, mac=MAC).text(path) is None


def test_top_listings(signer: Signer) -> None:
    metadata = Metadata(signer)
    assert metadata.read("") == b"dynamic\nmeta-data"
    assert Metadata(signer, user_data="x").read("") == b"dynamic\nmeta-data\nuser-data"
    assert metadata.read("dynamic") == b"instance-identity/"
    assert metadata.read("dynamic/instance-identity") == b"document\npkcs7\nrsa2048\nsignature"
    for detailed, state in ((True, b"enabled"), (False, b"disabled")):
        monitored = Metadata(signer, detailed_monitoring=detailed)
        assert monitored.read("dynamic") == b"fws/\ninstance-identity/"
        assert monitored.read("dynamic/fws/instance-monitoring") == state


def test_tags_are_shown_on_request(signer: Signer) -> None:
    tags = {"Name": "my server", "empty": "", "aws:autoscaling:groupName": "asg", "a+b=c,d.e@f_g-h": "é"}
    metadata = Metadata(signer, TAGS_SHOWN, tags=tags)
    assert metadata.text("tags") == "instance/"
    assert metadata.text("tags/instance") == "\n".join(sorted(tags))
    for key, value in tags.items():
        assert metadata.text(f"tags/instance/{key}") == value
    assert Metadata(signer, tags=tags).text("tags") is None
    assert Metadata(signer, TAGS_SHOWN, tags={}).text("tags") is None


def test_every_row_is_tested_here(signer: Signer) -> None:
    everything: dict[str, Any] = {"detailed_monitoring": True, "user_data": "x", "interfaces": [
        {"mac": MAC, "network_card": 1, "ipv6s": ["2600::1"], "ipv4_prefixes": ["10.0.1.16/28"],
         "ipv6_prefixes": ["2600:0:0:0:1::/80"]}]}  # fmt: skip
    for facts, _ in OTHERS:
        everything = merge(everything, facts)
    reached = Metadata(signer, TAGS_SHOWN | {"credentials": {"extended": True}}, **everything).crawl()
    for row in ROWS:
        shown = any(row.matches(path) for path in reached)
        assert shown != (row.when in {"set by path", "while an event is active"}), row.path
    for interface_row in INTERFACE_ROWS:
        assert any(interface_row.matches(path, INTERFACE_PATH) for path in reached), interface_row.path


SINCE = {
    "meta-data/ami-id": "1.0",
    "meta-data/ancestor-ami-ids": "2007-10-10",
    "meta-data/autoscaling/target-lifecycle-state": "2021-07-15",
    "meta-data/block-device-mapping/ebs12": "2007-12-15",
    "meta-data/elastic-gpus/associations/x": "2016-11-30",
    "meta-data/elastic-inference/associations/x": "2018-11-29",
    "meta-data/events/maintenance/scheduled": "2018-08-17",
    "meta-data/events/recommendations/rebalance": "2020-10-27",
    "meta-data/iam/info": "2012-01-12",
    "meta-data/iam/security-credentials/any": "2012-01-12",
    "meta-data/identity-credentials/ec2/info": "2018-05-23",
    "meta-data/instance-action": "2008-09-01",
    "meta-data/instance-life-cycle": "2019-10-01",
    "meta-data/instance-type": "2007-08-29",
    "meta-data/ipv6": "2021-01-03",
    "meta-data/kernel-id": "2008-02-01",
    "meta-data/local-hostname": "2007-01-19",
    "meta-data/mac": "2011-01-01",
    "meta-data/metrics/vhostmd": "2011-05-01",
    f"meta-data/{BELOW}/network-card-index": "2020-11-01",
    f"meta-data/{BELOW}/subnet-ipv6-cidr-blocks": "2016-06-30",
    f"meta-data/{BELOW}/vpc-id": "2011-01-01",
    "meta-data/placement/availability-zone": "2008-02-01",
    "meta-data/placement/availability-zone-id": "2019-10-01",
    "meta-data/placement/region": "2020-08-24",
    "meta-data/product-codes": "2007-03-01",
    "meta-data/public-ipv4": "2007-01-19",
    "meta-data/services/domain": "2014-02-25",
    "meta-data/services/partition": "2015-10-20",
    "meta-data/spot/instance-action": "2016-11-15",
    "meta-data/spot/termination-time": "2014-11-05",
    "meta-data/tags/instance/any": "2021-03-23",
    "dynamic/instance-identity/document": "2009-04-04",
    "user-data": "1.0",
    "meta-data/of-my-own": "1.0",
}


@pytest.mark.parametrize(("path", "since"), SINCE.items())
def test_the_version_that_introduced_a_path(path: str, since: str) -> None:
    assert since_of(path) == since


FIRST = "ami-id ami-launch-index ami-manifest-path hostname instance-id local-ipv4 profile public-keys/"
IN_2009 = (
    "ami-id ami-launch-index ami-manifest-path block-device-mapping/ hostname instance-action instance-id instance-type"
    " local-hostname local-ipv4 placement/ profile public-hostname public-ipv4 public-keys/"
)
EVER = "reservation-id security-groups"


@pytest.mark.parametrize(("version", "listing"), [("1.0", f"{FIRST} {EVER}"), ("2009-04-04", f"{IN_2009} {EVER}")])
def test_listings_of_old_versions(signer: Signer, version: str, listing: str) -> None:
    assert (Metadata(signer).text("", version) or "").split("\n") == listing.split()


def test_each_version_adds_to_the_one_before(signer: Signer) -> None:
    metadata = Metadata(signer, TAGS_SHOWN)
    before: set[str] = set()
    for version in VERSIONS:
        shown = set(metadata.crawl(version=version))
        assert before <= shown
        before = shown
    assert before == set(metadata.leaves)
    assert metadata.read("meta-data/placement", "2018-08-17") == b"availability-zone"
    assert metadata.read("meta-data/tags", "2021-01-03") is None
    assert metadata.read("meta-data/tags/instance/Name", "2021-03-23") == b"my-instance"


def test_no_leaf_but_keys_and_user_data_ends_in_a_line_feed(signer: Signer) -> None:
    for path, body in Metadata(signer, user_data="x\n").crawl(now=STARTED + 7200).items():
        assert body.endswith(b"\n") == (path.endswith("/openssh-key") or path == "user-data"), path


def test_content_types(signer: Signer) -> None:
    for path, leaf in Metadata(signer, user_data="x").leaves.items():
        assert leaf.content_type == ("application/octet-stream" if path == "user-data" else "text/plain")
