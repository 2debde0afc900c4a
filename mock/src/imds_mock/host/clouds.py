"""Does this machine have a metadata service of its own? What its firmware says, before anybody is asked.

Sources: "Identify EC2 instances" in the EC2 User Guide, and what cloud-init's ds-identify looks for. Only providers
whose service is at 169.254.169.254 are listed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_DMI: Final = "sys/class/dmi/id"

_EVIDENCE: Final = [
    (f"{_DMI}/sys_vendor", r"Amazon EC2", "an Amazon EC2 instance"),
    (f"{_DMI}/bios_version", r".*amazon", "an Amazon EC2 instance"),
    (f"{_DMI}/board_asset_tag", r"i-[0-9a-f]{8,17}", "an Amazon EC2 instance"),
    (f"{_DMI}/product_uuid", r"(?i)ec2.*", "an Amazon EC2 instance"),
    ("sys/hypervisor/uuid", r"ec2.*", "an Amazon EC2 instance"),
    # A Chromebook's vendor is Google, a laptop's or Hyper-V's Microsoft: the vendor alone says nothing.
    (f"{_DMI}/product_name", r"Google Compute Engine", "a Google Compute Engine instance"),
    (f"{_DMI}/chassis_asset_tag", r"7783-7084-3265-9085-8269-3286-77", "an Azure virtual machine"),
    (f"{_DMI}/chassis_asset_tag", r"OracleCloud\.com", "an Oracle Cloud instance"),
    (f"{_DMI}/chassis_asset_tag", r"OpenTelekomCloud|SAP CCloud VM|HUAWEICLOUD", "an OpenStack instance"),
    (f"{_DMI}/product_name", r"OpenStack (Nova|Compute)", "an OpenStack instance"),
    (f"{_DMI}/sys_vendor", r"3DS Outscale|Akamai|DigitalOcean|Exoscale|Hetzner|Linode|UpCloud|Vultr", "a cloud server"),
]


def evidence(root: Path = Path("/")) -> str | None:
    """What says that this machine is a cloud's, or None.

    Args:
        root: Where /sys is.
    """
    for path, pattern, what in _EVIDENCE:
        try:
            said = (root / path).read_text(encoding="ascii", errors="replace").strip()
        except OSError:
            continue  # no such firmware, or a file that only root may read
        if re.fullmatch(pattern, said):
            return f"this machine is {what} (/{path} says {said!r})"
    return None
