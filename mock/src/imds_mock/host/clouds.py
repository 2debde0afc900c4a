"""Detects from its firmware whether this machine is a cloud server, without sending a request.

Sources: "Identify EC2 instances" in the EC2 User Guide, and cloud-init's ds-identify. The list contains only providers
whose metadata service is at 169.254.169.254.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_DMI: Final = "sys/class/dmi/id"

_FIRMWARE: Final = [
    (f"{_DMI}/sys_vendor", r"Amazon EC2", "an Amazon EC2 instance"),
    (f"{_DMI}/bios_version", r".*amazon", "an Amazon EC2 instance"),
    (f"{_DMI}/board_asset_tag", r"i-[0-9a-f]{8,17}", "an Amazon EC2 instance"),
    (f"{_DMI}/product_uuid", r"(?i)ec2.*", "an Amazon EC2 instance"),
    ("sys/hypervisor/uuid", r"ec2.*", "an Amazon EC2 instance"),
    # The vendors Google and Microsoft prove nothing: they also make Chromebooks, laptops and Hyper-V.
    (f"{_DMI}/product_name", r"Google Compute Engine", "a Google Compute Engine instance"),
    (f"{_DMI}/chassis_asset_tag", r"7783-7084-3265-9085-8269-3286-77", "an Azure virtual machine"),
    (f"{_DMI}/chassis_asset_tag", r"OracleCloud\.com", "an Oracle Cloud instance"),
    (f"{_DMI}/chassis_asset_tag", r"OpenTelekomCloud|SAP CCloud VM|HUAWEICLOUD", "an OpenStack instance"),
    (f"{_DMI}/product_name", r"OpenStack (Nova|Compute)", "an OpenStack instance"),
    (f"{_DMI}/sys_vendor", r"3DS Outscale|Akamai|DigitalOcean|Exoscale|Hetzner|Linode|UpCloud|Vultr", "a cloud server"),
]


def detect_cloud(root: Path = Path("/")) -> str | None:
    """A sentence that names this machine's cloud; None if the firmware names none."""
    for path, pattern, kind in _FIRMWARE:
        try:
            text = (root / path).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue  # the file does not exist, or only root may read it
        if re.fullmatch(pattern, text):
            return f"this machine is {kind} (/{path} is {text!r})"
    return None
