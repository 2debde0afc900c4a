"""Clients that read all metadata: some follow every listing, others know the leaves by name."""

from __future__ import annotations

import json
from typing import Any, Final

from support.crawled_output import (
    amazon_ec2_utils,
    ansible,
    cloud_guest_utils,
    cloud_init,
    ec2_metadata,
)
from support.real_clients import Client
from support.reference_instance import MACS


def _ansible_facts(printed: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(printed.partition(" => ")[2])["ansible_facts"]
    return facts


CRAWLING_CLIENTS: Final = (
    Client(
        "`ec2-metadata` of PyPI",
        "pypi:ec2-metadata",
        "every property",
        ("{python}", "{programs}/ask_ec2_metadata.py"),
        ec2_metadata,
        absent=(
            "/latest/meta-data/kernel-id",
            *(
                f"/latest/meta-data/network/interfaces/macs/{MACS[1]}/{name}"
                for name in (
                    *("public-ipv4s", "ipv6-prefix", "ipv6s", "public-hostname"),
                    *("subnet-ipv6-cidr-blocks", "vpc-ipv6-cidr-blocks"),
                )
            ),
        ),
    ),
    Client(
        "cloud-init",
        "debian:cloud-init",
        "the EC2 data source: all metadata, user data, identity",
        ("{python}", "{programs}/ask_cloud_init.py", "{endpoint}"),
        cloud_init,
        ipv6={},
        variables={"PYTHONPATH": "{packages}"},
    ),
    Client(
        "Ansible's `ec2_metadata_facts`",
        "pypi:ansible",
        "all facts",
        (
            *("{python}", "{bin}/ansible", "localhost", "--connection", "local", "--one-line"),
            *("--module-name", "amazon.aws.ec2_metadata_facts"),
        ),
        ansible,
        variables={
            "ANSIBLE_COLLECTIONS_PATH": "{collections}",
            "ANSIBLE_PYTHON_INTERPRETER": "{python}",
            "ANSIBLE_LOCALHOST_WARNING": "false",
        },
        seen=_ansible_facts,
        absent=("/latest/meta-data/public-keys/0=deploy", "/latest/meta-data/public-keys/1=operator"),
    ),
    Client(
        "`ec2metadata` of cloud-guest-utils",
        "debian:cloud-guest-utils",
        "everything that it prints, of version 2009-04-04",
        ("{python}", "{debian}/usr/bin/ec2metadata"),
        cloud_guest_utils,
        seen=str,
        absent=tuple(
            f"/2009-04-04/meta-data/{leaf}"
            for leaf in (
                *("ancestor-ami-ids", "kernel-id", "mac", "product-codes", "ramdisk-id"),
                *("placement/availability-zone-id", "placement/region", "placement/host-id"),
                *("placement/group-name", "placement/partition-number"),
            )
        ),
    ),
    Client(
        "`ec2-metadata` of amazon-ec2-utils",
        "debian:amazon-ec2-utils",
        "everything that it prints, asked for with `//` in part",
        ("bash", "{debian}/usr/bin/ec2-metadata"),
        amazon_ec2_utils,
        seen=str,
        absent=(
            *(f"/latest/meta-data/{leaf}" for leaf in ("ancestor-ami-ids", "kernel-id", "product-codes")),
            "/latest//meta-data/ramdisk-id",
        ),
    ),
)
