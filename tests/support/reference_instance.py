"""The instance that real clients read in tests; none of its values is a client's default."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from support.imds_program import ImdsProgram

REGION: Final = "eu-west-3"
ZONE: Final = "eu-west-3c"
INSTANCE_ID: Final = "i-0a1b2c3d4e5f60718"
ACCOUNT: Final = "210987654321"
ROLE: Final = "app-role"
LAUNCHED: Final = "2024-05-06T07:08:09Z"
MACS: Final = ("0a:11:22:33:44:55", "0a:11:22:33:44:66")
TAGS: Final = {"Name": "web-1", "Empty": "", "team:owner": "payments=a/b c"}
USER_DATA: Final = "#!/bin/sh\necho 'hello'\n"
SPOT_TIME: Final = "2031-02-03T04:05:06Z"
SPOT_ACTION: Final = f'{{"action": "terminate", "time": "{SPOT_TIME}"}}'
_BLOB: Final = "AAAAC3NzaC1lZDI1NTE5AAAAIKpqwtSWGIL0KjRcdhX0Ez3ejm1ufBtrQK5P9u5Sw5PQ"
KEYS: Final = {"deploy": f"ssh-ed25519 {_BLOB} deploy", "operator": f"ssh-ed25519 {_BLOB} operator"}

PUSHED_KEYS: Final = (f"#Timestamp=1900000000 {_BLOB[:8]}", f"ssh-ed25519 {_BLOB}")
OCSP_ANSWERS: Final = {"3ac6d2b9f5": "MIIBugoBAKCCAbMwggGv"}

INTERFACES: Final = (
    {
        "mac": MACS[0],
        "interface_id": "eni-0aaaaaaaaaaaaaaa1",
        "local_ipv4s": ["10.20.30.40", "10.20.30.41"],
        "public_ipv4s": {"198.51.100.7": "10.20.30.40", "198.51.100.8": "10.20.30.41"},
        "ipv6s": ["2001:db8:1:2::7"],
        "ipv6_prefixes": ["2001:db8:1:2:3::/80"],
        "security_group_ids": ["sg-0aaaaaaaaaaaaaaa1", "sg-0aaaaaaaaaaaaaaa2"],
        "subnet_id": "subnet-0aaaaaaaaaaaaaaa1",
        "subnet_ipv4_cidr_block": "10.20.30.0/24",
        "vpc_id": "vpc-0aaaaaaaaaaaaaaa1",
        "vpc_ipv4_cidr_blocks": ["10.20.0.0/16", "10.21.0.0/16"],
    },
    {
        "mac": MACS[1],
        "interface_id": "eni-0aaaaaaaaaaaaaaa2",
        "local_ipv4s": ["10.20.31.5"],
        "security_group_ids": ["sg-0aaaaaaaaaaaaaaa1", "sg-0aaaaaaaaaaaaaaa2"],
        "subnet_id": "subnet-0aaaaaaaaaaaaaaa2",
        "subnet_ipv4_cidr_block": "10.20.31.0/24",
        "vpc_id": "vpc-0aaaaaaaaaaaaaaa1",
        "vpc_ipv4_cidr_blocks": ["10.20.0.0/16", "10.21.0.0/16"],
    },
)


def document(**options: object) -> dict[str, Any]:
    """The mock's configuration for this instance, with these metadata options."""
    return {
        "metadata_options": {"instance_metadata_tags": "enabled", **options},
        "instance": {
            "instance_id": INSTANCE_ID,
            "account_id": ACCOUNT,
            "availability_zone": ZONE,
            "instance_type": "c6i.large",
            "instance_life_cycle": "spot",
            "launch_time": LAUNCHED,
            "reservation_id": "r-0a1b2c3d4e5f60718",
            "image_id": "ami-0a1b2c3d4e5f60718",
            "ami_launch_index": 2,
            "block_devices": {"ebs1": "sdb"},
            "target_lifecycle_state": "InService",
            "detailed_monitoring": True,
            "security_groups": ["web", "ops"],
            "interfaces": list(INTERFACES),
            "role": ROLE,
            "instance_profile_id": "AIPA0123456789ABCDEFG",
            "public_keys": [{"name": name, "openssh_key": key} for name, key in KEYS.items()],
            "managed_ssh_keys": {"active_keys": {"ec2-user": PUSHED_KEYS}, "signer_ocsp": OCSP_ANSWERS},
            "tags": TAGS,
            "user_data": USER_DATA,
        },
        "metadata": {"meta-data/spot/instance-action": SPOT_ACTION},
    }


@dataclass(frozen=True)
class ServedValues:
    """The values that the running mock serves, read without any of the clients.

    Attributes:
        leaves: All leaves of the latest version, by path.
        leaves_2021: All leaves of the version that cloud-init reads.
        credentials: The role's credentials, read with curl.
    """

    leaves: dict[str, str]
    leaves_2021: dict[str, str]
    credentials: dict[str, str]

    @property
    def keys(self) -> dict[str, str]:
        """The credentials, under the names that the clients' programs print."""
        return {
            "access_key_id": self.credentials["AccessKeyId"],
            "secret_access_key": self.credentials["SecretAccessKey"],
            "session_token": self.credentials["Token"],
        }

    def signer(self, region: str) -> dict[str, str]:
        """The expected signer of a request for a region."""
        known = self.keys
        return {name: known[name] for name in ("access_key_id", "session_token")} | {"signing_region": region}


def read_served_values(imds: ImdsProgram, python: Path, *, with_token: bool) -> ServedValues:
    """Read all values that a mock serves."""
    crawl = Path(__file__).parents[1] / "clients" / "crawl.py"
    options = () if with_token else ("--without-token",)

    def leaves(version: str) -> dict[str, str]:
        roots = [f"/{version}/{root}" for root in ("meta-data/", "dynamic/", "user-data")]
        tree = json.loads(imds.run([python, crawl, *options, *roots]).stdout)
        return {path.removeprefix(f"/{version}/"): text for path, text in tree.items()}

    return ServedValues(leaves("latest"), leaves("2021-03-23"), read_credentials(imds, with_token=with_token))


def read_credentials(imds: ImdsProgram, *, with_token: bool) -> dict[str, str]:
    """The role's current credentials, read with curl."""
    path = f"/latest/meta-data/iam/security-credentials/{ROLE}"
    credentials: dict[str, str] = json.loads(imds.read(path, with_token=with_token))
    return credentials
