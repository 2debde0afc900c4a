"""The mock's own settings from captured leaves, and the leaves that the mock serves with these settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from imds_mock.capture.attributes import read_devices, read_keys, read_role, read_tags, read_user_data
from imds_mock.capture.interfaces import MACS, read_interfaces, served_leaves
from imds_mock.capture.paths import PATHS, REGION, WORD, ZONE, setting_of
from imds_mock.capture.reproduction import UNKNOWN, Reproduction

if TYPE_CHECKING:
    from imds_mock.capture.walk import Walked

_MONITORING = "dynamic/fws/instance-monitoring"
DOCUMENT = "dynamic/instance-identity/document"
# Regions of other partitions have other domains; their names are captured as they are.
_OTHER_PARTITIONS = ("cn-", "us-gov-", "us-iso", "eu-isoe-", "eusc-")
_FIRST_REGION, _FIRST_ADDRESS = "us-east-1", "10.0.1.23"  # what the mock uses if none is set
_ARCHITECTURES = ("x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac")
_IPV4 = r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}"
_TIME = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}Z"
_ARN_PARTS = 6
_DOCUMENT_SETTINGS = {
    "imageId": "image_id",
    "instanceId": "instance_id",
    "instanceType": "instance_type",
    "kernelId": "kernel_id",
    "ramdiskId": "ramdisk_id",
}


def reproduce(walked: Walked) -> Reproduction:
    """The settings that reproduce a capture, as far as settings can."""
    capture = Reproduction(walked)
    _read_values(capture)
    _InstanceReader(capture).read()
    read_devices(capture)
    read_keys(capture)
    read_tags(capture)
    read_user_data(capture)
    return capture


def _read_values(capture: Reproduction) -> None:
    """Settings that hold a leaf's value as it is."""
    for row in PATHS:
        text = capture.texts.get(row.path)
        value = None if text is None or not row.setting else setting_of(row, text)
        if value is not None and text is not None:
            capture.set(row.setting, value, row.path, text)
        elif row.is_permanent:
            capture.served[row.path] = UNKNOWN
    if "partition_number" in capture.instance and "placement_group" not in capture.instance:
        del capture.instance["partition_number"], capture.served["meta-data/placement/partition-number"]
    monitoring = capture.texts.get(_MONITORING)
    if monitoring in {"enabled", "disabled"}:
        capture.set("detailed_monitoring", monitoring == "enabled", _MONITORING, str(monitoring))
    capture.served["meta-data/events/maintenance/history"] = b"[]"
    capture.served["meta-data/events/maintenance/scheduled"] = b"[]"
    capture.served["meta-data/metrics/vhostmd"] = b'<?xml version="1.0" encoding="UTF-8"?>'


class _InstanceReader:
    """Reads what identifies an instance: place, account, network and identity document."""

    def __init__(self, capture: Reproduction) -> None:
        self._capture = capture
        self._document = capture.walked.json(DOCUMENT)

    def read(self) -> None:
        """Set all of it, and the role, whose profile belongs to the account."""
        self._read_place()
        self._read_account()
        self._read_interfaces()
        self._read_document()
        partition = "aws" if self._is_ordinary else self._capture.texts.get("meta-data/services/partition", "aws")
        read_role(self._capture, self._account, partition)

    def _read_place(self) -> None:
        region = self._capture.texts.get("meta-data/placement/region") or str(self._document.get("region", ""))
        zone = self._capture.texts.get("meta-data/placement/availability-zone", "")
        found = re.match(r"[a-z]{2,5}(?:-[a-z]+){1,3}?-[0-9]+", zone) if re.fullmatch(ZONE, zone) else None
        if found and (not region or found.group() == region):
            region = found.group()
            self._capture.set("availability_zone", zone, "meta-data/placement/availability-zone", zone)
        if re.fullmatch(REGION, region):
            self._capture.set("region", region, "meta-data/placement/region", region)
        else:
            region = _FIRST_REGION
        self._region = region
        self._is_ordinary = not region.startswith(_OTHER_PARTITIONS)
        if self._is_ordinary:
            self._capture.served["meta-data/services/domain"] = b"amazonaws.com"
            self._capture.served["meta-data/services/partition"] = b"aws"

    def _read_account(self) -> None:
        identity = self._capture.walked.json("meta-data/identity-credentials/ec2/info")
        profile = self._capture.walked.json("meta-data/iam/info")
        arn = str(profile.get("InstanceProfileArn", "")).split(":")
        candidates = [
            self._document.get("accountId"),
            identity.get("AccountId"),
            arn[4] if len(arn) == _ARN_PARTS else None,
        ]
        self._account = next((str(each) for each in candidates if re.fullmatch("[0-9]{12}", str(each))), "123456789012")
        self._capture.instance["account_id"] = self._account
        if identity.get("Code") == "Success" and identity.get("AccountId") == self._account:
            self._capture.served["meta-data/identity-credentials/ec2/info"] = None
        self._capture.served["meta-data/identity-credentials/ec2/security-credentials/ec2-instance"] = None

    def _read_interfaces(self) -> None:
        macs = [name.rstrip("/") for name in self._capture.walked.categories.get(MACS, []) if name.endswith("/")]
        primary = self._capture.texts.get("meta-data/mac", "")
        interfaces = read_interfaces(self._capture.texts, macs, primary)
        if not interfaces:
            # Leaves that contradict each other, or none: the subtree is replaced as a whole.
            interfaces = [{"public_ipv4s": {}}]
            self._capture.served["meta-data/network"] = UNKNOWN
            address = self._capture.texts.get("meta-data/local-ipv4", "")
            if re.fullmatch(_IPV4, address):
                interfaces[0]["local_ipv4s"] = [address]
        self._capture.instance["interfaces"] = interfaces
        self._main = interfaces[0]
        self._read_addresses(interfaces)

    def _read_addresses(self, interfaces: list[dict[str, Any]]) -> None:
        main, local = self._main, self._main.get("local_ipv4s", [_FIRST_ADDRESS])
        domain = "ec2.internal" if self._region == _FIRST_REGION else f"{self._region}.compute.internal"
        hostname, derived = self._capture.texts.get("meta-data/hostname", ""), self._hostname(local, domain)
        if hostname != derived and re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", hostname):
            self._capture.instance["hostname"] = hostname
        else:
            hostname = derived
        public_domain = "compute-1" if self._region == _FIRST_REGION else f"{self._region}.compute"
        public_hostname = f"ec2-{{}}.{public_domain}.amazonaws.com" if self._is_ordinary else ""
        for each in interfaces:
            if "mac" in each:
                own = hostname if each is main else self._hostname(each["local_ipv4s"], domain)
                self._capture.served.update(served_leaves(each, own, public_hostname, self._account))
        values: dict[str, Any] = {
            "hostname": hostname,
            "local-hostname": hostname,
            "mac": main.get("mac", UNKNOWN),
            "local-ipv4": next(iter(local), None),
            "ipv6": next(iter(main.get("ipv6s", [])), None),
            "security-groups": "\n".join(main.get("security_groups", ["default"])) or None,
        }
        public = next(iter(main["public_ipv4s"]), None)
        if public is not None:
            values["public-ipv4"] = public
            values["public-hostname"] = public_hostname.format(public.replace(".", "-")) or UNKNOWN
        for name, value in values.items():
            if value is not None:
                self._capture.served[f"meta-data/{name}"] = value.encode() if isinstance(value, str) else value

    def _hostname(self, addresses: list[str], domain: str) -> str:
        own = f"ip-{addresses[0].replace('.', '-')}" if addresses else self._capture.instance.get("instance_id", "")
        return f"{own}.{domain}"

    def _read_document(self) -> None:
        """Settings that only the identity document shows; the mock writes and signs the document itself."""
        captured = self._document
        if captured.get("architecture") in _ARCHITECTURES:
            self._capture.instance["architecture"] = captured["architecture"]
        time = str(captured.get("pendingTime", ""))
        if re.fullmatch(_TIME, time):
            self._capture.instance["launch_time"] = time
        products = captured.get("billingProducts")
        if isinstance(products, list) and all(isinstance(each, str) and re.fullmatch(WORD, each) for each in products):
            self._capture.instance["billing_products"] = products
        for path in ("pkcs7", "rsa2048", "signature"):
            self._capture.served[f"dynamic/instance-identity/{path}"] = None
        written = {
            "accountId": self._account,
            "architecture": self._capture.instance.get("architecture"),
            "availabilityZone": self._capture.instance.get("availability_zone", f"{self._region}a"),
            "billingProducts": self._capture.instance.get("billing_products"),
            "devpayProductCodes": None,
            "marketplaceProductCodes": self._capture.instance.get("product_codes"),
            "pendingTime": self._capture.instance.get("launch_time"),
            "privateIp": next(iter(self._main.get("local_ipv4s", [])), None),
            "region": self._region,
            "version": "2017-09-30",
        }
        for name, setting in _DOCUMENT_SETTINGS.items():
            written[name] = self._capture.instance.get(setting)
        self._capture.served[DOCUMENT] = None if captured == written else UNKNOWN
