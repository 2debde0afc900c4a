"""Types of values in a configuration: each with a pattern or check, and the words for what is expected."""

from __future__ import annotations

import binascii
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from imds_mock.violations.marks import CHECK, EXPECTED

if TYPE_CHECKING:
    from collections.abc import Callable


_DNS_PORT: Final = 53
_MAX_PORT: Final = 65535


def split_name_server(text: str) -> tuple[str, int]:
    """Split `ADDRESS` or `ADDRESS:PORT`; an IPv6 address before a port is in brackets.

    Raises:
        ValueError: The address is not an IP address, or the port is not from 1 to 65535.
    """
    host, separator, port = text.rpartition(":")
    has_port = separator and host and (":" not in host or host.endswith("]"))
    address, number = (host.strip("[]"), int(port)) if has_port else (text.strip("[]"), _DNS_PORT)
    ip_address(address)
    if not 1 <= number <= _MAX_PORT:
        raise ValueError(text)
    return address, number


def _like(pattern: str, expected: str) -> Meta:
    return Meta(pattern=pattern, extra={EXPECTED: expected})


def _read_by(read: Callable[[Any], object], expected: str, **schema: Any) -> Meta:
    """Text that a function can read; the function's own error is not repeated.

    Args:
        read: Raises `ValueError` for other text.
        expected: The words for what was expected.
        schema: What the JSON Schema says besides the type.
    """

    def check(value: str) -> None:
        try:
            read(value)
        except ValueError:
            raise ValueError from None

    return Meta(extra={EXPECTED: expected, CHECK: check}, extra_json_schema=schema or None)


def _block(read: Callable[..., Any], expected: str, pattern: str) -> Meta:
    def check(value: str) -> None:
        try:
            whole = read(value, strict=False)
        except ValueError:
            raise ValueError from None
        if "/" in value and str(whole.network_address) != str(ip_address(value.partition("/")[0])):
            raise ValueError(f"expected {expected}, got {value!r}, which is an address in {whole}")

    return Meta(extra={EXPECTED: expected, CHECK: check}, extra_json_schema={"pattern": pattern})


def read_base64(text: str) -> bytes:
    """Decode base64 of one or more lines.

    Raises:
        ValueError: It is not base64.
    """
    return binascii.a2b_base64("".join(text.split()), strict_mode=True)


def read_openssh_key(text: str) -> tuple[str, str, str]:
    """Split a public key in OpenSSH's format into its type, its base64 and its comment.

    Raises:
        ValueError: It is not one.
    """
    kind, _, rest = text.strip().partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    if not blob:
        raise ValueError(text)
    binascii.a2b_base64(blob, strict_mode=True)
    return kind, blob, comment.strip()


def _id(prefix: str, what: str) -> Meta:
    return _like(rf"^{prefix}-([0-9a-f]{{17}}|[0-9a-f]{{8}})$", f"{what} such as {prefix}-0123456789abcdef0")


# No pattern matches a line end, so no value adds a second line to a leaf of one line.
InstanceId = Annotated[str, _id("i", "an instance id")]
ImageId = Annotated[str, _id("ami", "an image id")]
KernelId = Annotated[str, _id("aki", "a kernel id")]
RamdiskId = Annotated[str, _id("ari", "a RAM disk id")]
ReservationId = Annotated[str, _id("r", "a reservation id")]
InterfaceId = Annotated[str, _id("eni", "a network interface id")]
SubnetId = Annotated[str, _id("subnet", "a subnet id")]
VpcId = Annotated[str, _id("vpc", "a VPC id")]
SecurityGroupId = Annotated[str, _id("sg", "a security group id")]
HostId = Annotated[str, _id("h", "a dedicated host id")]
AccountId = Annotated[str, _like(r"^[0-9]{12}$", "an account id of 12 digits (in quotes where it is JSON)")]
Region = Annotated[str, _like(r"^[a-z]{2,5}(-[a-z]+){1,3}-[0-9]+$", "a region such as us-east-1")]
Zone = Annotated[
    str, _like(r"^[a-z]{2,5}(-[a-z]+){1,3}-[0-9]+([a-z]|-[a-z0-9-]+)$", "an availability zone such as us-east-1a")
]
ZoneId = Annotated[str, _like(r"^[a-z]{2,}[0-9]-[a-z0-9-]+$", "a zone id such as use1-az1")]
InstanceType = Annotated[str, _like(r"^[a-z0-9-]+\.[a-z0-9-]+$", "an instance type such as m5.large")]
Mac = Annotated[str, _like(r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", "a MAC address such as 0a:1b:2c:3d:4e:5f")]
RoleName = Annotated[str, _like(r"^[A-Za-z0-9_+=,.@-]{1,128}$", "a name of letters, digits and +=,.@_-")]
RoleArn = Annotated[
    str,
    _like(
        r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]+$",
        "an ARN such as arn:aws:iam::123456789012:role/web",
    ),
]
SessionName = Annotated[str, _like(r"^[A-Za-z0-9_+=,.@-]{2,64}$", "2 to 64 letters, digits and +=,.@_-")]
ExternalId = Annotated[str, _like(r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", "2 or more letters, digits and +=,.@:/_-")]
ProfileId = Annotated[str, _like(r"^AIPA[A-Z0-9]{12,}$", "an instance profile id such as AIPAQAAAAAAAAAAAAAAAA")]
DeviceMapping = Annotated[str, _like(r"^(ebs|ephemeral)[0-9]+$|^swap$", "ebsN, ephemeralN or swap")]
DeviceName = Annotated[str, _like(r"^(/dev/)?[A-Za-z0-9_/-]+$", "a device name such as sdb")]
DevicePath = Annotated[str, _like(r"^/dev/[A-Za-z0-9_/-]+$", "a device path such as /dev/xvda")]
DomainName = Annotated[str, _like(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", "a domain name such as example.com")]
Line = Annotated[str, _like(r"^[^\x00-\x1f\x7f]+$", "one line of text")]
PathPart = Annotated[str, _like(r"^[^\x00-\x20\x7f/]+$", "one word without spaces and slashes")]
Date = Annotated[str, _like(r"^(1\.0|[0-9]{4}-[0-9]{2}-[0-9]{2}|latest)$", "a metadata version such as 2021-03-23")]
_TIME: Final = "a time such as 2026-01-31T12:00:00Z"
_COMMON_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR: Final = "([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)"
Moment = Annotated[
    str,
    _like(rf"^([1-9][0-9]{{3}}-{_COMMON_DAY}|{_LEAP_YEAR}-02-29)T([01][0-9]|2[0-3])(:[0-5][0-9]){{2}}Z$", _TIME),
    _read_by(lambda text: datetime.fromisoformat(text).timestamp(), _TIME),
]
ContentType = Annotated[str, _like(r"^[!-~]+/[!-~]+( *;[ -~]*)?$", "a content type such as text/plain")]
Methods = Annotated[str, _like(r"^[A-Z]+(, ?[A-Z]+)*$", "method names such as GET, HEAD")]
Url = Annotated[
    str,
    _like(r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$", "an address such as http://localhost:4566 (without user and query)"),
]
TaskId = Annotated[str, _like(r"^[0-9a-f]{32}$", "32 hexadecimal digits")]
ImageName = Annotated[str, _like(r"^[^\x00-\x20\x7f]+$", "an image such as nginx:latest")]
Port = Annotated[int, Meta(ge=0, le=65535, extra={EXPECTED: "a port number from 0 to 65535"})]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000, extra={EXPECTED: "a number from 1"})]
Index = Annotated[int, Meta(ge=0, le=1_000_000, extra={EXPECTED: "a number from 0"})]
Seconds = Annotated[float, Meta(gt=0, le=315_360_000, extra={EXPECTED: "a number of seconds above 0"})]
GraceSeconds = Annotated[float, Meta(ge=0, le=86_400, extra={EXPECTED: "a number of seconds from 0"})]
SessionDuration = Annotated[int, Meta(ge=900, le=43_200, extra={EXPECTED: "a number of seconds from 900 to 43200"})]
HopLimit = Annotated[int, Meta(ge=1, le=64, extra={EXPECTED: "a hop limit from 1 to 64"})]
Cpus = Annotated[float, Meta(gt=0, le=192, extra={EXPECTED: "a number above 0"})]
Hops = Annotated[int, Meta(ge=0, le=64, extra={EXPECTED: "a number of hops from 0 to 64"})]
Status = Annotated[int, Meta(ge=400, le=599, extra={EXPECTED: "an HTTP error status from 400 to 599"})]
_NAME_SERVER: Final = "an address such as 127.0.0.11:53"
NameServer = Annotated[
    str,
    _like(r"^([0-9.]+(:[0-9]{1,5})?|[0-9A-Fa-f:]+|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?)?$", _NAME_SERVER),
    _read_by(lambda text: text and split_name_server(text), _NAME_SERVER),
]
Token = Annotated[str, _like(r"^[!-~]{16,}$", "16 or more printable characters without spaces")]
_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_EITHER: Final = [{"format": "ipv4"}, {"format": "ipv6"}]
Address = Annotated[str, _read_by(ip_address, "an IP address such as 127.0.0.1", anyOf=_EITHER)]
Ipv4 = Annotated[str, _read_by(IPv4Address, "an IPv4 address such as 10.0.1.23", format="ipv4")]
_IPV4: Final = "an IPv4 address such as 10.0.1.23"
Ipv4OrNothing = Annotated[
    str, _read_by(lambda text: text and IPv4Address(text), _IPV4, anyOf=[{"format": "ipv4"}, {"const": ""}])
]
Ipv6 = Annotated[str, _read_by(IPv6Address, "an IPv6 address such as 2600:1f18::17", format="ipv6")]
_IPV4_BLOCK: Final = rf"^{_OCTET}(\.{_OCTET}){{3}}(/([0-9]|[12][0-9]|3[0-2]))?$"
Ipv4Block = Annotated[str, _block(IPv4Network, "an IPv4 block such as 10.0.1.0/24", _IPV4_BLOCK)]
_IPV6_BLOCK: Final = r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"
Ipv6Block = Annotated[str, _block(IPv6Network, "an IPv6 block such as 2600:1f18::/64", _IPV6_BLOCK)]
_NETWORK: Final = "a network's name or a block such as 172.18.0.0/16"
NetworkName = Annotated[
    str,
    _like(rf"^[^\x00-\x1f\x7f/]+$|^{_OCTET}(\.{_OCTET}){{3}}/[0-9]{{1,2}}$|^[0-9A-Fa-f:.]+/[0-9]{{1,3}}$", _NETWORK),
    _read_by(lambda text: "/" in text and ip_network(text), _NETWORK),
]
_BASE64: Final = r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
Base64 = Annotated[str, _read_by(read_base64, "base64", pattern=rf"^\s*({_BASE64})\s*$")]
_PUBLIC_KEY: Final = "a public key such as `ssh-ed25519 AAAA... name`"
OpensshKey = Annotated[
    str,
    _like(rf"^[!-~]+ +(?=[A-Za-z0-9+/]){_BASE64}( [^\x00-\x1f\x7f]*)?$", _PUBLIC_KEY),
    _read_by(read_openssh_key, _PUBLIC_KEY),
]
