"""Values derived from a region or zone: partition, domain, zone id and the domains of host names.

Sources: the partition list of the AWS SDKs; zone ids abbreviate the region (`use1-az1`, `apse2-az3`); host names in
us-east-1 have their own format (EC2 User Guide, "Instance hostname types").
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_FIRST_REGION: Final = "us-east-1"
_ZONE: Final = re.compile(r"(?P<region>[a-z]{2,5}(?:-[a-z]+){1,3}?-[0-9]+)(?P<rest>[a-z]|-[a-z0-9-]+)")
_LOCAL_ZONE: Final = re.compile(r"-(?P<place>[a-z]+)-(?P<number>[0-9]+)(?P<letter>[a-z])")
_DIRECTIONS: Final = {
    "north": "n",
    "northeast": "ne",
    "east": "e",
    "southeast": "se",
    "south": "s",
    "southwest": "sw",
    "west": "w",
    "northwest": "nw",
    "central": "c",
}


class Partition(NamedTuple):
    """A partition of AWS.

    Attributes:
        name: Name in ARNs.
        domain: Domain of service endpoints and public host names.
    """

    name: str
    domain: str


_COMMERCIAL: Final = Partition("aws", "amazonaws.com")
_PARTITIONS: Final = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com"),
    "us-iso-": Partition("aws-iso", "c2s.ic.gov"),
    "us-isob-": Partition("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-": Partition("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-": Partition("aws-iso-f", "csp.hci.ic.gov"),
    "eusc-": Partition("aws-eusc", "amazonaws.eu"),
}


def partition_of(region: str) -> Partition:
    """The partition of a region."""
    return next((known for prefix, known in _PARTITIONS.items() if region.startswith(prefix)), _COMMERCIAL)


def region_of(zone: str) -> str | None:
    """The region of an availability, local or wavelength zone; None if the name is invalid."""
    matched = _ZONE.fullmatch(zone)
    return matched["region"] if matched else None


def zone_id_of(zone: str) -> str | None:
    """The id of a zone, with `a` as number 1; None if the name is invalid. AWS maps letters to numbers per account.

    Args:
        zone: Such as `us-east-1a`, `us-west-2-lax-1a` or `us-east-1-wl1-bos-wlz-1`.
    """
    matched = _ZONE.fullmatch(zone)
    if matched is None:
        return None
    region, rest = _abbreviated(matched["region"]), matched["rest"]
    if len(rest) == 1:
        return f"{region}-az{_number(rest)}"
    local = _LOCAL_ZONE.fullmatch(rest)
    if local is not None:
        return f"{region}-{local['place']}{local['number']}-az{_number(local['letter'])}"
    start, _, number = rest.rpartition("-")
    return f"{region}{start}{number}" if start and number.isdigit() else f"{region}{rest}"


def private_domain_of(region: str) -> str:
    """The domain of private host names."""
    return "ec2.internal" if region == _FIRST_REGION else f"{region}.compute.internal"


def public_domain_of(region: str) -> str:
    """The domain of public host names."""
    domain = partition_of(region).domain
    return f"compute-1.{domain}" if region == _FIRST_REGION else f"{region}.compute.{domain}"


def _abbreviated(region: str) -> str:
    *names, number = region.split("-")
    return "".join([names[0], *(_DIRECTIONS.get(name, name[:1]) for name in names[1:]), number])


def _number(letter: str) -> int:
    return ord(letter) - ord("a") + 1
