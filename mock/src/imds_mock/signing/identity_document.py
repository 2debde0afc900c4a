"""The instance identity document in the exact bytes that the real service signs.

Facts (dump of a 2022 instance): fifteen keys in this order, ` : ` between key and value, lists on one line (`[ "x" ]`),
`null` for absent values, no final newline.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imds_mock.metadata.documents import iso8601

if TYPE_CHECKING:
    from imds_mock.metadata.instance import Instance


def write(instance: Instance) -> bytes:
    """The identity document of an instance."""
    settings = instance.settings
    members: dict[str, str | tuple[str, ...] | None] = {
        "accountId": settings.account_id,
        "architecture": instance.architecture,
        "availabilityZone": instance.availability_zone,
        "billingProducts": settings.billing_products,
        "devpayProductCodes": None,
        "marketplaceProductCodes": settings.product_codes,
        "imageId": settings.image_id,
        "instanceId": settings.instance_id,
        "instanceType": settings.instance_type,
        "kernelId": settings.kernel_id,
        "pendingTime": iso8601(instance.pending_time),
        "privateIp": instance.primary.local_ipv4,
        "ramdiskId": settings.ramdisk_id,
        "region": instance.region,
        "version": "2017-09-30",
    }
    lines = (f'  "{key}" : {_value(value)}' for key, value in members.items())
    return ("{\n" + ",\n".join(lines) + "\n}").encode()


def _value(value: str | tuple[str, ...] | None) -> str:
    if not value:
        return "null"
    if isinstance(value, tuple):
        return f"[ {', '.join(map(_value, value))} ]"
    return json.dumps(value, ensure_ascii=False)
